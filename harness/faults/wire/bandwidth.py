"""So many bytes a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from harness.faults.wire.base import NEVER, NS_PER_MS, Chunk, Decided, WireFault, bounded, later

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["Bandwidth"]

_PIECE_MS: Final = 100
_MOST_RATE: Final = 92_000_000_000_000_000
"""Beyond it Toxiproxy's server ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(WireFault):
    """No more than ``rate`` KB leave in a second, in pieces of at most 100 ms.

    Attributes:
        rate: KB/s, of 1,000 bytes; 0 stalls for ever, and nothing is lost.
        shared: ours; other than 0 makes all connections that it hits share the rate, by direction.
    """

    type: ClassVar[str] = "bandwidth"

    rate: int = 0
    shared: int = field(default=0, metadata={"ours": True})

    def __post_init__(self) -> None:
        bounded(self, rate=_MOST_RATE, shared=1)

    @property
    def is_shared(self) -> bool:
        """See :attr:`shared`."""
        return bool(self.shared)

    def begin(self, at_ns: int) -> int:
        """Until when the line is taken."""
        return at_ns

    def decide(self, state: int, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`. A stage of its own is free when it is asked."""
        del draws
        if self.rate == 0:
            return state, (later(chunk, NEVER),)
        start_ns = max(begin_ns, state) if self.shared else begin_ns
        most = self.rate * _PIECE_MS
        size = len(chunk.data)
        pieces = [
            Chunk(
                chunk.offset + at,
                chunk.data[at : at + most],
                start_ns + min(at + most, size) * NS_PER_MS // self.rate,
            )
            for at in range(0, size, most)
        ]
        return pieces[-1].at_ns, pieces
