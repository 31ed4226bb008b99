"""Pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import (
    INT64,
    NS_PER_US,
    Chunk,
    Decided,
    InvalidFault,
    WireFault,
    bounded,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.faults.wire.draws import Draws

__all__ = ["Slicer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer(WireFault):
    """Each chunk leaves in pieces; ``delay`` after each of them.

    A chunk is halved again and again until no piece is larger than ``average_size + size_variation``; where
    it is cut depends on the draw for that offset, not on when it was read.

    Attributes:
        average_size: bytes, 1 and more.
        size_variation: bytes; how far from the middle a cut may be: uniform in [-v, v - 1], and never
            outside the piece.
        delay: µs.
    """

    type: ClassVar[str] = "slicer"

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        bounded(self, ~INT64, average_size=INT64, size_variation=INT64, delay=INT64)
        if self.average_size < 1:
            raise InvalidFault(
                f"slicer needs average_size >= 1, got {self.average_size}: pieces of no bytes have no end. "
                f"Say how large a piece is to be."
            )

    def decide(self, state: None, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        if len(chunk.data) - self.average_size <= max(self.size_variation, 0) and self.delay <= 0:
            return state, (chunk,)
        return state, self._pieces(chunk, begin_ns, draws)

    def _pieces(self, chunk: Chunk, begin_ns: int, draws: Draws) -> Iterator[Chunk]:
        pause_ns = max(self.delay, 0) * NS_PER_US
        at_ns = begin_ns
        for start, end in self.cuts(chunk.offset, len(chunk.data), draws):
            yield Chunk(chunk.offset + start, chunk.data[start:end], at_ns)
            at_ns += pause_ns
        yield Chunk(chunk.offset + len(chunk.data), b"", at_ns)

    def cuts(self, offset: int, size: int, draws: Draws) -> Iterator[tuple[int, int]]:
        """Start and end of each piece of ``size`` bytes that come after ``offset`` others."""
        variation = max(self.size_variation, 0)
        left = [(0, size)]
        while left:
            start, end = left.pop()
            if end - start - self.average_size <= variation:
                yield start, end
                continue
            middle = start + (end - start) // 2
            if variation:
                middle += draws.below(2 * variation, offset + middle) - variation
            middle = min(max(middle, start + 1), end - 1)
            left += ((middle, end), (start, middle))
