"""Bytes that come twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import Chunk, Decided, WireFault, bounded

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["Duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(WireFault):
    """A share of the blocks of a direction is delivered twice, the second right behind the first.

    Which ones is drawn for each block of offsets; a block that the stream ends in counts as whole.

    Attributes:
        probability: of a block to come twice, from 0 to 1.
        block: its size in bytes.
    """

    type: ClassVar[str] = "duplicate"

    probability: float = 1.0
    block: int = 256

    def __post_init__(self) -> None:
        bounded(self, probability=1)
        bounded(self, 1, block=1 << 20)

    def begin(self, at_ns: int) -> bytes:
        """What has come of the block under way, if it is to come twice."""
        del at_ns
        return b""

    def decide(self, state: bytes, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del begin_ns
        pieces: list[bytes] = []
        at, size = 0, len(chunk.data)
        while at < size:
            block, within = divmod(chunk.offset + at, self.block)
            until = min(size, at + self.block - within)
            pieces.append(chunk.data[at:until])
            if draws.share(block) < self.probability:
                state += pieces[-1]
            if within + until - at == self.block:
                pieces.append(state)
                state = b""
            at = until
        data = b"".join(pieces)
        return state, (chunk if len(data) == size else chunk._replace(data=data),)

    def end(self, state: bytes, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.end`."""
        del begin_ns, draws
        again = Chunk(chunk.offset, state, chunk.at_ns)
        return b"", (again, chunk) if state else (chunk,)
