"""Segments that are lost, and sent again as TCP does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from harness.faults.wire.base import NEVER, NS_PER_MS, Chunk, Decided, WireFault, bounded

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["PacketLoss"]

_SEGMENT_BYTES: Final = 1460
_MOST_RETRANSMIT_MS: Final = 120_000
_MOST_TURNS: Final = 15
"""After so many retransmissions Linux gives a connection up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketLoss(WireFault):
    """Of each 1,460 bytes, a share is lost on the way, and comes a retransmission later.

    A connection loses time by that, not bytes: what comes behind a lost segment waits for it. Each
    retransmission may be lost too, and the next then waits twice as long, up to two minutes.

    Attributes:
        loss_rate: the share that is lost, from 0 to 1; values outside are taken for the nearer one.
            1 is a wire that is cut: nothing comes, nothing is lost.
        correlation: is added to it for the segment right after a lost one.
        retransmit: ours; ms until the first retransmission.
        drop: ours; other than 0 removes the bytes of lost segments from the stream, as Toxiproxy's own
            does. That is corruption: no TCP connection behaves so.
    """

    type: ClassVar[str] = "packet_loss"

    loss_rate: float = 0.0
    correlation: float = 0.0
    retransmit: int = field(default=200, metadata={"ours": True})
    drop: int = field(default=0, metadata={"ours": True})

    def __post_init__(self) -> None:
        bounded(self, float("-inf"), loss_rate=float("inf"), correlation=float("inf"))
        bounded(self, retransmit=_MOST_RETRANSMIT_MS, drop=1)

    def begin(self, at_ns: int) -> tuple[int, bool]:
        """The segment drawn for last, and whether it was lost."""
        del at_ns
        return -1, False

    def renew(self, state: tuple[int, bool], at_ns: int) -> tuple[int, bool]:
        """The fate of a segment stays what it was."""
        del at_ns
        return state

    def decide(self, state: tuple[int, bool], chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        pieces: list[Chunk] = []
        at, size, leaves_ns = 0, len(chunk.data), begin_ns
        while at < size:
            segment, within = divmod(chunk.offset + at, _SEGMENT_BYTES)
            until = min(size, at + _SEGMENT_BYTES - within)
            is_new = segment != state[0]
            if is_new:
                state = segment, draws.share(segment) < self._chance(after_loss=state[1])
            if not (state[1] and self.drop):
                if state[1] and is_new:
                    leaves_ns = min(leaves_ns + self._late_ns(segment, draws), NEVER)
                pieces.append(Chunk(chunk.offset + at, chunk.data[at:until], leaves_ns))
            at = until
        if len(pieces) > 0 and leaves_ns == begin_ns and sum(len(p.data) for p in pieces) == size:
            return state, (chunk,)
        return state, pieces

    def _chance(self, *, after_loss: bool) -> float:
        more = min(max(self.correlation, 0.0), 1.0) if after_loss else 0.0
        return min(max(self.loss_rate, 0.0) + more, 1.0)

    def _late_ns(self, segment: int, draws: Draws) -> int:
        wait_ms, late_ms, turn = self.retransmit, self.retransmit, 0
        while draws.share(segment, turn := turn + 1) < self._chance(after_loss=False):
            if turn == _MOST_TURNS:
                return NEVER
            wait_ms = min(2 * wait_ms, max(_MOST_RETRANSMIT_MS, self.retransmit))
            late_ms += wait_ms
        return late_ms * NS_PER_MS
