"""How the wall clock is set: on the page of the held clock, and a process proves that it reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.nemesis.effect import Effect
from harness.nemesis.written import again
from harness.units import format_seconds

if TYPE_CHECKING:
    from harness.clock.held import HeldClock
    from harness.nemesis.scene import Scene


class Stepping:
    """Steps the wall clock of all that is given the held clock.

    Nothing stands on the ledger for it: the clock is the run's own, and goes with it.

    Args:
        clock: the held clock, which stands still.
        by_ns: how far, and which way.
        scene: lets a process read it.
    """

    def __init__(self, clock: HeldClock, by_ns: int, scene: Scene) -> None:
        self._clock = clock
        self._by_ns = by_ns
        self._scene = scene
        self._apart_ns = 0

    def begin(self) -> Effect:
        """Set it, and see a process read what was set."""
        self._apart_ns = self._apart()
        before_ns = self._read()
        self._clock.skew_wall(self._by_ns)
        moved_ns = self._read() - before_ns
        doubt = None
        if moved_ns != self._by_ns:
            doubt = (
                f"the wall clock was set by {format_seconds(self._by_ns)}, but a process that is given "
                f"it saw a step of {format_seconds(moved_ns)}"
            )
        return Effect(1, f"a process read it {format_seconds(moved_ns)} later", doubt)

    def end(self) -> Effect:
        """See that it was so all the time, and set it back."""
        doubt = None
        if self._apart() != self._apart_ns + self._by_ns:
            doubt = "the wall clock of the service was set, but by somebody else again meanwhile"
        self.undo()
        return Effect(1, "the wall clock stayed as it was set", doubt)

    def undo(self) -> None:
        """Set it back to where it would be."""
        again(
            self._set_back,
            "the wall clock of the service stays set",
            "end the run; it goes with it",
        )

    def _set_back(self) -> None:
        self._clock.skew_wall(self._apart_ns - self._apart())

    def _apart(self) -> int:
        """How far the wall clock is ahead of the monotonic one."""
        return self._clock.wall_ns() - self._clock.now_ns()

    def _read(self) -> int:
        wall_ns, monotonic_ns = self._scene.read_clock()
        return wall_ns - monotonic_ns
