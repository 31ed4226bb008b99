"""The clock that a target and its stores are given, held by the runner."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock.build import find_or_build
from harness.clock.errors import ClockEnded, ClockUnavailable, NothingToWaitFor
from harness.clock.idle import IdleRule
from harness.clock.page import FOREVER_NS, Kind, Page, Slot
from harness.clock.support import check_support, refuse_strangers
from harness.clock.threads import Scan, descendants

__all__ = ["HeldClock", "ThreadState"]

ONE_PPM = 1_000_000
RATE_MIN, RATE_MAX = 1e-6, 1000.0
LATEST_NS = 2**61
NAP_S, NAP_MAX_S = 30e-6, 1e-3


@dataclass(frozen=True, slots=True)
class ThreadState:
    """What one thread of a target waits for, or one of its timers (``tid`` 0).

    Attributes:
        pid: its process.
        tid: its thread id.
        kind: the wait: sleep, semaphore, condition, futex, poll, epoll, mutex, signal, itimer,
            timerfd, posix_timer; none.
        blocked: whether it is in that wait now.
        deadline_ns: until when, on the clock's monotonic axis; None is without end.
    """

    pid: int
    tid: int
    kind: str
    blocked: bool
    deadline_ns: int | None


class HeldClock:
    """Owns the page and its FIFO; runs at rate 1 until it is told otherwise.

    All methods belong to one thread. Times are integers in ns. `settle` first, then look for the
    answer, then `jump`: an answer that came while the target was not idle yet is then never missed.

    Args:
        directory: a folder of the caller's for the two files. A target that runs as another user
            must be able to search it (mode 0711 or more): the files themselves are open.
    Raises:
        ClockUnavailable: this machine cannot hold a clock.
    """

    def __init__(self, directory: Path) -> None:
        self.library = find_or_build()
        self._page = open_page(directory, self.library)
        try:
            self._rule = IdleRule(self._page)
        except OSError as error:
            self._page.close()
            raise ClockUnavailable(
                f"the kernel does not tell who sleeps and what is unsent ({error})",
                "Run outside the sandbox, or verify with --clock real.",
            ) from error
        self._rate_ppm = ONE_PPM
        self._proof: Scan | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the clock run and give back everything; a second call does nothing."""
        if self._page.is_closed:
            return
        self.release()
        self._rule.close()
        self._page.close()

    def environment(self) -> dict[str, str]:
        """What a target, its stores and helpers need in their environment.

        ``LD_PRELOAD`` keeps what the runner's own environment has.
        """
        preload = [str(self.library), *os.environ.get("LD_PRELOAD", "").split()]
        return {"LD_PRELOAD": ":".join(preload), "STORMPROOF_CLOCK": str(self._page.path)}

    # what time it is

    def now_ns(self) -> int:
        """The target's monotonic clock."""
        return self._page.now_ns()

    def wall_ns(self) -> int:
        """The target's wall clock, ns since the epoch."""
        return self._page.wall_ns()

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._rate_ppm == 0

    def freeze(self) -> None:
        """Let time stand still, from now on."""
        self._set_rate(0)

    def run(self, rate: float = 1.0) -> None:
        """Let time run ``rate`` times as fast as the machine's, in [1e-6, 1000]."""
        if not RATE_MIN <= rate <= RATE_MAX:
            raise ValueError(f"rate must be in [{RATE_MIN}, {RATE_MAX}], got {rate!r}; or freeze()")
        self._set_rate(round(rate * ONE_PPM))

    def release(self) -> None:
        """Rate 1: before a target is stopped, because its shutdown may wait for time."""
        self._set_rate(ONE_PPM)

    def _set_rate(self, rate_ppm: int) -> None:
        self._proof = None
        self._page.move(rate_ppm=rate_ppm)
        self._rate_ppm = rate_ppm

    def advance(self, by_ns: int) -> None:
        """Move time on by ``by_ns`` (0 or more) at once; whatever is due then wakes up."""
        if by_ns < 0:
            raise ValueError(f"time never goes back: by_ns must be 0 or more, got {by_ns}")
        check_not_too_far(self.now_ns() + by_ns)
        self._proof = None
        self._page.move(by_ns=by_ns)

    def advance_to(self, at_ns: int) -> None:
        """Move time on to ``at_ns`` on the monotonic axis, not before now."""
        check_not_too_far(at_ns)
        self._proof = None
        if at_ns < 0 or self._page.move(to_ns=at_ns) < 0:
            raise ValueError(
                f"time never goes back: at_ns must be {self.now_ns()} or later, got {at_ns}"
            )

    def skew_wall(self, by_ns: int) -> None:
        """Step the wall clock, either way; the monotonic clock does not notice."""
        self._proof = None
        self._page.move(wall_by_ns=by_ns)

    # who is on the path

    def watch(self, pid: int) -> None:
        """Take a process and all its descendants, present and future, into the idle scan.

        Every process on the path must be in it: target, stores, witness, proxy. Processes that run
        under this clock are in it by themselves.
        """
        self._proof = None
        self._rule.threads.watch(pid)

    def unwatch(self, pid: int) -> None:
        """Its end is near, or it is on no path any more."""
        self._proof = None
        self._rule.threads.unwatch(pid)

    def supports(self, pid: int, poke: Callable[[], None]) -> None:
        """Prove that ``pid`` and its descendants take their time from here.

        Args:
            pid: a watched root that serves already.
            poke: makes it work once and returns when it has answered (a ready probe); called while
                time stands still.
        Raises:
            ClockIgnored: one of them does not.
        """
        rate_ppm = self._rate_ppm
        self.freeze()
        try:
            check_support(self, self._page, self._rule.threads, pid, poke)
        finally:
            self._set_rate(rate_ppm)

    def carries(self, pid: int) -> None:
        """See that ``pid`` and its descendants could take their time from here.

        Less than `supports`: for a worker that nobody can call, so that nothing makes it ask.

        Args:
            pid: a watched root that has come to rest since it started.
        Raises:
            ClockIgnored: one of them runs without the clock's library.
        """
        refuse_strangers(self, self._page, descendants({pid}))

    # idle, and jumping

    @property
    def doubt(self) -> str | None:
        """Why nothing can be proved on this clock any more; None: it can."""
        if self._page.unslotted:
            return "more threads wait than the clock's page has slots for"
        return None

    def idle(self) -> bool:
        """One sound check that nothing happens any more unless time moves or the caller acts."""
        self._proof = None if self.doubt else self._rule.prove()
        return self._proof is not None

    def settle(self, patience_s: float = 2.0) -> bool:
        """Wait until `idle`, at most ``patience_s`` real seconds; whether it became so."""
        end_s = time.monotonic() + patience_s
        nap_s = NAP_S
        while not self.idle():
            if self.doubt or time.monotonic() > end_s:
                return False
            time.sleep(nap_s)
            nap_s = min(2 * nap_s, NAP_MAX_S)
        return True

    def jump(self) -> int | None:
        """Move time to the earliest moment that anybody waits for.

        To be called when the caller has looked and seen no answer. It moves only if everybody has
        slept since *before* that look, which is since the last call of `idle`, `settle` or `jump`
        that proved it: so the first call after the target woke proves, and the next one moves.

        Returns:
            The new time; None: not idle, or only just. Look for the answer and call again.
        Raises:
            NothingToWaitFor: idle, and nobody waits for a time.
        """
        if self._proof is None or not self._rule.still(self._proof):
            self.idle()
            return None
        waits = (slot.deadline_ns for slot in self._rule.waiting(self._proof))
        at_ns = min((wait for wait in waits if wait <= LATEST_NS), default=None)
        if at_ns is None:
            raise NothingToWaitFor(
                "everything sleeps and nobody waits for a time that could be jumped to"
            )
        self._proof = None
        self._page.move(to_ns=at_ns)  # not at all, where time runs and has passed it meanwhile
        return self.now_ns()

    def step(self, most_ns: int) -> int:
        """Move time to the earliest moment that anybody waits for, but not beyond ``most_ns``.

        For a caller that has done nothing since `settle` or `idle` said yes but look at what has
        come: nothing is proved anew, so it takes half as long as `jump`. Where nobody waits for a
        moment before ``most_ns``, it is moved there.

        Args:
            most_ns: on the monotonic axis, not before now.
        Returns:
            The new time.
        Raises:
            ValueError: ``most_ns`` is in the past, or nothing is proved.
            ClockEnded: it is too far.
        """
        check_not_too_far(most_ns)
        if self._proof is None or most_ns < self.now_ns():
            raise ValueError(f"step needs a proof of rest, and a moment to come, got {most_ns}")
        at_ns = min((slot.deadline_ns for slot in self._rule.waiting(self._proof)), default=most_ns)
        self._proof = None
        self._page.move(to_ns=min(at_ns, most_ns))
        return self.now_ns()

    def state(self) -> list[ThreadState]:
        """All threads and timers under this clock, for diagnostics."""
        return [thread_state(slot) for slot in self._page.slots()]


def check_not_too_far(at_ns: int) -> None:
    """A clock of 63 bits ends in 292 years; most of them are left to deadlines."""
    if at_ns > LATEST_NS:
        raise ClockEnded(f"the clock ends at {LATEST_NS} ns (73 years), got {at_ns}")


def thread_state(slot: Slot) -> ThreadState:
    """What a slot says, in words."""
    deadline_ns = None if slot.deadline_ns == FOREVER_NS else slot.deadline_ns
    kind = Kind(slot.kind).name.lower() if slot.kind in set(Kind) else "unknown"
    return ThreadState(slot.pid, slot.tid, kind, slot.blocked, deadline_ns)


def open_page(directory: Path, library: Path) -> Page:
    """The page, or why not."""
    try:
        return Page(directory, library)
    except OSError as error:
        raise ClockUnavailable(
            f"its page cannot be made in {directory} ({error})",
            "Give it a fresh folder that can be written to, on a file system with FIFOs.",
        ) from error
