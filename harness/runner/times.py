"""The target's time as the runner moves it: held, or the machine's own."""

from __future__ import annotations

import time
from typing import Literal, Protocol

from harness.clock.errors import NothingToWaitFor
from harness.clock.held import HeldClock
from harness.errors import HarnessError
from harness.units import NS_PER_S

PATIENCE_S = 15.0
"""Real seconds that a target may take to come to rest after its clock was moved."""
STRIDE_NS = 10 * NS_PER_S
STRIDES = 500
"""A move is made in strides of 10 s, longer ones only where it would take more than so many."""


OUT_OF_TIME = "the time of this promise is used up; a longer --budget would settle it"
"""Why a plan ended."""


class PlanEnded(HarnessError):
    """The rest of the plan cannot be played; the text says why and what would settle it."""


class NotAtRest(HarnessError):
    """The target kept computing on a frozen clock: what it would have done by now is not known."""

    def __init__(self) -> None:
        super().__init__(
            f"the target did not come to rest within {PATIENCE_S:.0f} s after its clock was moved; "
            "--clock real would not depend on that"
        )


class Time(Protocol):
    """The two clocks of a target, and how to let them pass."""

    mode: Literal["frozen", "real"]

    def instant(self) -> tuple[int, int]:
        """The target's monotonic and wall clock, in ns."""

    def move_to(self, target_ns: int) -> None:
        """Let time pass until the target's monotonic clock shows ``target_ns``."""

    def jump(self) -> bool:
        """Move to the target's own next deadline if it can do nothing more; True if moved."""

    def rest(self) -> None:
        """Wait until nothing happens any more unless time moves or we act; nothing in real time.

        Raises:
            NotAtRest: the target still computes.
        """

    def step(self, most_ns: int) -> None:
        """From rest to the target's next deadline, or to ``most_ns`` if that is earlier."""


class RealTime:
    """Nothing is held: waiting is sleeping."""

    mode: Literal["frozen", "real"] = "real"

    def instant(self) -> tuple[int, int]:
        """Both clocks of this machine."""
        return time.monotonic_ns(), time.time_ns()

    def move_to(self, target_ns: int) -> None:
        """Sleep; never less than asked."""
        while (left := target_ns - time.monotonic_ns()) > 0:
            time.sleep(left / NS_PER_S)

    def jump(self) -> bool:
        """Real time cannot jump."""
        return False

    def rest(self) -> None:
        """Nobody can tell."""

    def step(self, most_ns: int) -> None:
        """Sleep until then: nobody tells what the target waits for."""
        self.move_to(most_ns)


class FrozenTime:
    """Time stands still but where we move it, and the target is at rest when it goes on."""

    mode: Literal["frozen", "real"] = "frozen"

    def __init__(self, clock: HeldClock) -> None:
        self._clock = clock

    def instant(self) -> tuple[int, int]:
        """Both clocks as the target reads them."""
        return self._clock.now_ns(), self._clock.wall_ns()

    def move_to(self, target_ns: int) -> None:
        """Move the clock while the target rests, then wait until all that fell due is done.

        A long way is gone in strides, so that heartbeats between the target's own processes (a
        gunicorn master gives its workers 30 s) are seen in time.

        Raises:
            NotAtRest: the target still computes; a timer of its own may not have run yet.
        """
        self.rest()
        stride_ns = max(STRIDE_NS, (target_ns - self._clock.now_ns()) // STRIDES)
        while (now_ns := self._clock.now_ns()) < target_ns:
            self._clock.advance_to(min(target_ns, now_ns + stride_ns))
            self.rest()

    def jump(self) -> bool:
        """One jump, only if every thread sleeps and one of them waits for time."""
        try:
            return self._clock.jump() is not None
        except NothingToWaitFor:
            return False

    def step(self, most_ns: int) -> None:
        """Move the clock, once, to the earliest moment that anybody waits for."""
        self._clock.step(most_ns)

    def rest(self) -> None:
        """Wait until every thread sleeps, and no byte is under way."""
        if not self._clock.settle(PATIENCE_S):
            raise NotAtRest
