"""How a process runs out of descriptors: its limit is what it has, and somebody is seen to be kept out."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count, islice
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun
from harness.nemesis.effect import Effect
from harness.nemesis.limiting import Lowered, lower
from harness.nemesis.looks import not_accepted, open_numbers, room

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.nemesis.scene import Subject
    from harness.nemesis.written import Written

_WAIT_S: Final = 0.3
_POLL_S: Final = 0.005
_CONNECTS_MOST: Final = 256


class Exhausting:
    """Lowers the soft RLIMIT_NOFILE of each process of a subject.

    Args:
        subject: who.
        spare: how many descriptors each may still open.
        written: its entries.
        unserved: how many calls to it were made after an instant, and not served.
    """

    def __init__(
        self, subject: Subject, spare: int, written: Written, unserved: Callable[[int], int]
    ) -> None:
        self._subject = subject
        self._spare = spare
        self._written = written
        self._unserved = unserved
        self._lowered: dict[tuple[int, int], Lowered] = {}
        self._since_ns = 0

    def begin(self) -> Effect:
        """Lower the limits until no process has room for more than ``spare``."""
        self._since_ns = time.monotonic_ns()
        while new := [s for s in self._subject.family() if (s.pid, s.start) not in self._lowered]:
            for seen in new:
                soft = _limit(seen.pid, self._spare)
                self._lowered[seen.pid, seen.start] = lower(
                    seen, resource.RLIMIT_NOFILE, soft, self._written
                )
        if not self._lowered:
            raise CouldNotRun(f"{self._subject.said} does not run", self._subject.output())
        some = len(self._lowered)
        many = f"each of {some} processes" if some > 1 else "its process"
        return Effect(some, f"{many} has room for {self._spare} descriptors")

    def end(self) -> Effect:
        """See that somebody was kept from opening one, and set the limits back."""
        died = not self._subject.alive()
        seen, said = (1, "it ended of it") if died else self._kept_out()
        doubt = next(self._doubts(seen), None)
        self.undo()
        return Effect(seen, said, doubt)

    def undo(self) -> None:
        """Set the limits back."""
        self._written.undo()

    def _room(self) -> int:
        return sum(room(one.seen.pid, one.soft) for one in self._lowered.values())

    def _kept_out(self) -> tuple[int, str]:
        """Calls that were not served, connects that nobody takes; else we try it ourselves."""
        if not self._spare and (unserved := self._unserved(self._since_ns)):
            return unserved, f"{unserved} calls were not served"
        if self._subject.address is None:
            return 0, ""
        with suppress(OSError):
            waiting = self._tried(*self._subject.address)
            return waiting, f"{waiting} connections were not accepted"
        return 0, ""

    def _tried(self, host: str, port: int) -> int:
        """How many connections nobody takes, of one more than there should be room for."""
        wanted = min(self._room(), self._spare * len(self._lowered)) + 1
        with ExitStack() as stack:
            for _ in range(min(wanted, _CONNECTS_MOST)):
                stack.enter_context(socket.create_connection((host, port), _WAIT_S))
            until_s = time.monotonic() + _WAIT_S
            while (waiting := not_accepted(port)) and time.monotonic() < until_s:
                time.sleep(_POLL_S)
            return waiting

    def _doubts(self, seen: int) -> Iterator[str]:
        who = self._subject.said
        for one in self._lowered.values():
            if not one.stands():
                yield (
                    f"{who} was out of descriptors, but the limit of its process {one.seen.pid} was "
                    "changed meanwhile"
                )
        if not seen:
            yield (
                f"{who} should be out of descriptors, but nobody was seen to be kept from opening "
                f"one: it has room for {self._room()} again"
            )


def _limit(pid: int, spare: int) -> int:
    """Below this number a process has ``spare`` descriptors to open."""
    try:
        numbers = open_numbers(pid)
    except OSError as error:
        raise CouldNotRun(f"the descriptors of process {pid} cannot be counted: {error}") from error
    free = (number for number in count() if number not in numbers)
    return next(islice(free, spare, None))
