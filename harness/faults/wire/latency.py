"""Late, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final

from harness.faults.wire.base import (
    INT64,
    MOST_MS,
    NS_PER_MS,
    Chunk,
    Decided,
    WireFault,
    bounded,
    later,
)

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["Latency"]

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(WireFault):
    """Each chunk leaves ``latency`` after it came, give or take ``jitter``; a slow one holds up those behind.

    The end of a direction is late only behind data.

    Attributes:
        latency, jitter: ms; a sum below 0 is no delay, nor is a jitter at or below 0. The jitter is a
            whole number of ms, uniform in [-jitter, jitter - 1].
        normal: ours; other than 0 makes the jitter a normal distribution's standard deviation.
    """

    type: ClassVar[str] = "latency"
    depth: ClassVar[int] = 1024

    latency: int = 0
    jitter: int = 0
    normal: int = field(default=0, metadata={"ours": True})

    def __post_init__(self) -> None:
        bounded(self, ~INT64, latency=INT64, jitter=(1 << 62) - 1, normal=1)

    def begin(self, at_ns: int) -> int:
        """How many chunks it has drawn for."""
        del at_ns
        return 0

    def renew(self, state: int, at_ns: int) -> int:
        """Goes on drawing where it was."""
        del at_ns
        return state

    def decide(self, state: int, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del begin_ns
        delay_ms: float = self.latency
        if self.jitter > 0:
            delay_ms += self._jitter_ms(state, draws)
        if not 0 < delay_ms <= MOST_MS:
            return state + 1, (chunk,)
        return state + 1, (later(chunk, chunk.at_ns + int(delay_ms * NS_PER_MS)),)

    def _jitter_ms(self, turn: int, draws: Draws) -> float:
        if self.normal:
            return self.jitter * _NORMAL.inv_cdf(draws.share(turn) or 2.0**-54)
        return draws.below(2 * self.jitter, turn) - self.jitter
