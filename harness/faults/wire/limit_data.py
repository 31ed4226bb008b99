"""So many bytes, and then it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import INT64, Chunk, Decided, Ending, WireFault, bounded, ended

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["LimitData"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(WireFault):
    """Exactly ``bytes`` bytes of a direction pass, then the connection is closed.

    Attributes:
        bytes: at or below 0 the first chunk closes, and nothing of it passes. What has passed counts on
            when the settings change.
    """

    type: ClassVar[str] = "limit_data"

    bytes: int = 0

    def __post_init__(self) -> None:
        bounded(self, ~INT64, bytes=INT64)

    def begin(self, at_ns: int) -> int:
        """How many have passed."""
        del at_ns
        return 0

    def renew(self, state: int, at_ns: int) -> int:
        """See :attr:`bytes`."""
        del at_ns
        return state

    def decide(self, state: int, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del begin_ns, draws
        left = max(self.bytes - state, 0)
        if len(chunk.data) < left:
            return state + len(chunk.data), (chunk,)
        last = Chunk(chunk.offset, chunk.data[:left], chunk.at_ns)
        over = ended(last, Ending.CLOSE, chunk.at_ns)
        return state + left, (last, over) if left else (over,)
