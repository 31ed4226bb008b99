"""A close that comes late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import INT64, Chunk, Decided, WireFault, bounded, later, span_ns

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["SlowClose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(WireFault):
    """Data passes; how a direction ends is passed on ``delay`` later.

    Attributes:
        delay: ms.
    """

    type: ClassVar[str] = "slow_close"

    delay: int = 0

    def __post_init__(self) -> None:
        bounded(self, ~INT64, delay=INT64)

    def end(self, state: None, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.end`."""
        del draws
        return state, (later(chunk, begin_ns + span_ns(self.delay)),)
