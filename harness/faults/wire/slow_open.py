"""A connection that is slow to get going."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import INT64, Chunk, Decided, WireFault, bounded, later, span_ns

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["SlowOpen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOpen(WireFault):
    """The first chunk of a direction, and all behind it, waits for ``delay``; later ones pass.

    Attributes:
        delay: ms, from when the chunk came.
    """

    type: ClassVar[str] = "slow_open"

    delay: int = 0

    def __post_init__(self) -> None:
        bounded(self, delay=INT64)

    def begin(self, at_ns: int) -> bool:
        """Whether it is open."""
        del at_ns
        return False

    def renew(self, state: bool, at_ns: int) -> bool:
        """What is open stays open."""
        del at_ns
        return state

    def decide(self, state: bool, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del begin_ns, draws
        return True, (chunk if state else later(chunk, chunk.at_ns + span_ns(self.delay)),)
