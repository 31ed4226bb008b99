"""Which fault is carried out by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.faults.process import (
    TARGET,
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.nemesis.effect import Effect
from harness.nemesis.exhausting import Exhausting
from harness.nemesis.filling import Filling
from harness.nemesis.killing import Killing
from harness.nemesis.pausing import Pausing
from harness.nemesis.starving import Starving
from harness.nemesis.stepping import Stepping

if TYPE_CHECKING:
    from harness.nemesis.scene import Scene, Subject
    from harness.nemesis.written import Written


class Work(Protocol):
    """How one fault is carried out."""

    def begin(self) -> Effect:
        """Do it, and say what was seen at once."""

    def end(self) -> Effect:
        """See what it did over its time, and undo it."""

    def undo(self) -> None:
        """Undo it; may be repeated."""


def work_of(fault: Fault, subject: Subject, written: Written, scene: Scene) -> Work:
    """Who carries a fault out."""
    is_target = fault.subject == TARGET
    match fault:
        case ProcessPaused():
            return Pausing(subject, written, scene.answered if is_target else _none)
        case ProcessKilled():
            return Killing(subject, keep_data=fault.keep_data)
        case DescriptorsExhausted():
            unserved = scene.unserved if is_target else _none
            return Exhausting(subject, fault.spare, written, unserved)
        case MemoryLimited():
            return Starving(subject, fault.headroom_bytes, written)
        case DiskFull():
            return Filling(subject, fault, written)
        case ClockStepped():
            assert scene.clock is not None  # `check` saw to that
            return Stepping(scene.clock, fault.by_ns, scene)


def _none(_: int) -> int:
    """What calls to the service say of a store: nothing."""
    return 0
