"""How a process is killed and comes back: refused meanwhile, another process after, its data as said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.nemesis.effect import Effect
from harness.nemesis.written import again

if TYPE_CHECKING:
    from harness.nemesis.scene import Held, Subject


class Killing:
    """Kills a subject, and starts it again on the same port.

    Nothing stands on the ledger for it: who is gone leaves nothing to undo.

    Args:
        subject: who.
        keep_data: whether it comes back with what it held.
    """

    def __init__(self, subject: Subject, *, keep_data: bool) -> None:
        self._subject = subject
        self._keep_data = keep_data
        self._before: set[tuple[int, int]] = set()
        self._held: Held | None = None
        self._refused = 0

    def begin(self) -> Effect:
        """Kill it; returns when it is gone and connects are refused."""
        self._before = self._roots()
        self._held = self._subject.holds() if self._keep_data else None
        self._refused = self._subject.kill(keep_data=self._keep_data)
        return Effect(self._refused, f"{self._refused} connects were refused")

    def end(self) -> Effect:
        """Start it again; another process answers on the same port, with its data or without."""
        came_back = bool(self._roots())
        self.undo()
        doubt = next(self._doubts(came_back=came_back), None)
        return Effect(self._refused, "another process answers on its port", doubt)

    def undo(self) -> None:
        """Start it again."""
        who = self._subject.said
        again(
            lambda: self._subject.revive(keep_data=self._keep_data),
            f"{who} was killed, and cannot be started again",
            f"nothing is left of it; start the run anew once {who} starts",
        )

    def _roots(self) -> set[tuple[int, int]]:
        return {(one.pid, one.start) for one in self._subject.roots()}

    def _doubts(self, *, came_back: bool) -> Iterator[str]:
        who = self._subject.said
        if came_back:
            yield f"{who} was killed, but ran again before it was brought back"
        if self._before & self._roots():
            yield f"{who} was killed, but one of its processes is the same as before"
        if self._held is None:
            return
        now = self._subject.holds()
        if (
            now is None
            or now.lasting != self._held.lasting
            or (self._held.entries and not now.entries)
        ):
            held = 0 if now is None else now.entries
            yield (
                f"{who} should come back with its data, but of {self._held.entries} entries it "
                f"holds {held}"
            )
