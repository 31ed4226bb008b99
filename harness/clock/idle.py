"""The idle rule: at one moment every thread on the path slept, and nothing was under way to wake one.

Each thread is looked at twice. If it slept both times and its scheduling record is the same, it slept
all the time in between; so at the moment between the two rounds all slept at once. Loopback delivery
wakes the reader inside the writer's ``send``, so whoever has been sent something does not look asleep.
Between the rounds the kernel is asked for bytes that it holds back; a third round sees a reader that
such bytes woke just after the question. A child that was born unseen shows in the newest process id.
A thread whose deadline has come counts as awake, even if it has not noticed yet. Of those that sleep in
no wait of ours the kernel is asked, between the last two rounds, whether they are off their CPU at all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from harness.clock.page import Kind, Page, Slot
from harness.clock.threads import Scan, Thread, Threads
from harness.clock.unsent import Unsent

__all__ = ["IdleRule"]


class IdleRule:
    """Proves that nothing can happen any more unless the clock moves or the caller acts."""

    def __init__(self, page: Page) -> None:
        self.threads = Threads()
        self._page = page
        try:
            self._unsent = Unsent()
        except OSError:
            self.threads.close()
            raise

    def close(self) -> None:
        """Give back files and sockets."""
        self.threads.close()
        self._unsent.close()

    def prove(self) -> Scan | None:
        """One sound check: the proof, or None when somebody is awake (or may be)."""
        is_complete = self.threads.discover(self._owners())
        first = self.threads.scan() if is_complete else None
        if first is None or self._unsent.of(self.threads.pids):
            return None
        if not self._slept_on(first) or not self.threads.are_off(self._elsewhere(first), first):
            return None
        if not self._slept_on(first):
            return None
        if self._somebody_is_due(first) or not self._is_complete():
            return None
        return first

    def still(self, proof: Scan) -> bool:
        """Whether everybody has slept on since ``proof``, and still nothing is under way.

        A whole new proof: the caller may have written bytes meanwhile, which the kernel holds.
        """
        again = self.prove()
        return again is not None and again.runs == proof.runs

    def waiting(self, proof: Scan) -> Iterator[Slot]:
        """The waits and timers with an end, of those that could run."""
        alive = {pid for pid, _ in proof.asleep}
        for slot in self._page.waits():
            if not slot.armed:
                is_timer = slot.kind >= Kind.ITIMER
                if slot.pid in alive if is_timer else (slot.pid, slot.tid) in proof.asleep:
                    yield slot

    def _slept_on(self, first: Scan) -> bool:
        again = self.threads.scan()
        return again is not None and again.runs == first.runs

    def _elsewhere(self, proof: Scan) -> set[Thread]:
        """The threads that sleep in no wait of ours, but in the kernel's own: a read, a ``waitpid``."""
        return set(proof.asleep - set(self._page.blocked()))

    def _owners(self) -> set[int]:
        return self._page.owners()

    def _is_complete(self) -> bool:
        return self.threads.is_complete(self._owners())

    def _somebody_is_due(self, proof: Scan) -> bool:
        now_ns = self._page.now_ns()
        due = [slot for slot in self.waiting(proof) if slot.deadline_ns <= now_ns]
        for slot in due:
            if slot.signal:  # its main thread sleeps in a wait that a move does not end
                expire(self._page, slot, now_ns)
        return bool(due)


def expire(page: Page, slot: Slot, now_ns: int) -> None:
    """Send a timer's signal to a process that sleeps in waits which the library does not wrap.

    Noted first, sent then: its handler may set the timer anew at once.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(slot.pid, 0)  # may we?
        page.renew_timer(slot, now_ns)
        os.kill(slot.pid, slot.signal)
