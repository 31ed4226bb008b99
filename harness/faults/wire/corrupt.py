"""Bits that are flipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import INT64, Chunk, Decided, WireFault, bounded

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["Corrupt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(WireFault):
    """A share of the blocks of a direction arrives with some bits flipped.

    Which blocks and bits is drawn for each block of offsets: the same bytes, however they were read.

    Attributes:
        probability: of a block to be hit, from 0 to 1.
        bits: how many different ones of a hit block are flipped.
        first_byte, last_byte: offsets from which and up to which bytes may be hit, counted from 0;
            ``last_byte`` -1 is the end of the stream.
        block: its size in bytes.
    """

    type: ClassVar[str] = "corrupt"

    probability: float = 1.0
    bits: int = 1
    first_byte: int = 0
    last_byte: int = -1
    block: int = 256

    def __post_init__(self) -> None:
        bounded(self, probability=1, first_byte=INT64)
        bounded(self, -1, last_byte=INT64)
        bounded(self, 1, block=1 << 20)
        bounded(self, 1, bits=min(8 * self.block, 1 << 16))

    def decide(self, state: None, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del begin_ns
        start, end = chunk.offset, chunk.offset + len(chunk.data)
        data: bytearray | None = None
        for block in range(start // self.block, (end - 1) // self.block + 1):
            for bit in self.flipped(block, draws):
                if start <= bit >> 3 < end:
                    data = data or bytearray(chunk.data)
                    data[(bit >> 3) - start] ^= 1 << (bit & 7)
        return state, (chunk if data is None else chunk._replace(data=bytes(data)),)

    def flipped(self, block: int, draws: Draws) -> set[int]:
        """The bits of ``block`` that are flipped, numbered from the start of the stream."""
        found: set[int] = set()
        if draws.share(block) >= self.probability:
            return found
        turn = 0
        while len(found) < self.bits:
            turn += 1
            found.add(draws.below(8 * self.block, block, turn) + 8 * self.block * block)
        most = self.last_byte if self.last_byte >= 0 else INT64
        return {bit for bit in found if self.first_byte <= bit >> 3 <= most}
