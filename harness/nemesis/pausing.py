"""How a process is paused: each thread of each process stopped, and none of them computes meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun
from harness.living import find, send
from harness.nemesis.effect import Effect
from harness.nemesis.looks import spent_ns, stands

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.living import Seen
    from harness.nemesis.scene import Subject
    from harness.nemesis.written import Written

_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.001
_NS_PER_MS: Final = 1_000_000


class Pausing:
    """Stops the family of a subject.

    Args:
        subject: who.
        written: its entries.
        answered: how many calls to it were written after an instant, and answered.
    """

    def __init__(self, subject: Subject, written: Written, answered: Callable[[int], int]) -> None:
        self._subject = subject
        self._written = written
        self._answered = answered
        self._since_ns = 0
        self._spent: dict[tuple[int, int], int] = {}

    def begin(self) -> Effect:
        """Stop all of them; returns when each thread stands still.

        Raises:
            CouldNotRun: one of them does not, or it has ended.
        """
        until_s = time.monotonic() + _PATIENCE_S
        family = self._family()
        while moving := [one for one in family if not stands(one.pid)]:
            for one in moving:
                self._written.enter(f"stopped {one.pid} {one.start}")
                send(one.pid, one.start, signal.SIGSTOP)
            if time.monotonic() > until_s:
                raise CouldNotRun(
                    f"{self._subject.said}: process {moving[0].pid} does not stand still"
                )
            time.sleep(_POLL_S)
            family = self._family()
        self._spent = {(one.pid, one.start): spent_ns(one.pid) for one in family}
        self._since_ns = time.monotonic_ns()
        many = (
            f"{len(self._spent)} processes stand" if len(self._spent) > 1 else "its process stands"
        )
        return Effect(len(self._spent), f"{many} still")

    def end(self) -> Effect:
        """See that they stood still all the time, and let them go on."""
        doubt = next(self._doubts(), None)
        self.undo()
        return Effect(len(self._spent), "none of them computed meanwhile", doubt)

    def undo(self) -> None:
        """Let them go on."""
        self._written.undo()

    def _family(self) -> list[Seen]:
        family = list(self._subject.family())
        if not family:
            raise CouldNotRun(f"{self._subject.said} does not run", self._subject.output())
        return family

    def _doubts(self) -> Iterator[str]:
        who = self._subject.said
        for (pid, start), before_ns in self._spent.items():
            if find(pid, start) is None:
                yield f"{who} was paused, but its process {pid} has ended meanwhile"
            elif not stands(pid):
                yield f"{who} was paused, but its process {pid} was let go on by somebody else"
            elif (more_ns := spent_ns(pid) - before_ns) > 0:
                ms = more_ns / _NS_PER_MS
                yield f"{who} was paused, but its process {pid} computed {ms:.3g} ms meanwhile"
        if strangers := {(one.pid, one.start) for one in self._subject.family()} - set(self._spent):
            yield f"{who} was paused, but {len(strangers)} processes of it have come since"
        if count := self._answered(self._since_ns):
            yield f"{who} was paused, but {count} calls were answered meanwhile"
