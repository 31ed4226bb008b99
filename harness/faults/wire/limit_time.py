"""So long, and then it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.wire.base import INT64, NEVER, Ending, WireFault, bounded, span_ns

__all__ = ["LimitTime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTime(WireFault):
    """Data passes; ``time`` after the connection was made, or the toxic added, it is closed.

    Attributes:
        time: ms; unlike with ``timeout``, data does not put it off. 0 never closes.
        reset: other than 0 it is reset instead.
    """

    type: ClassVar[str] = "limit_time"

    time: int = 0
    reset: int = 0

    def __post_init__(self) -> None:
        bounded(self, time=INT64, reset=1)

    def begin(self, at_ns: int) -> int:
        """When it closes."""
        wait_ns = span_ns(self.time)
        return at_ns + wait_ns if wait_ns else NEVER

    def wakes_ns(self, state: int) -> int:
        """See :meth:`WireFault.wakes_ns`."""
        return state

    def wake(self, state: int) -> Ending:
        """See :meth:`WireFault.wake`."""
        del state
        return Ending.RESET if self.reset else Ending.CLOSE
