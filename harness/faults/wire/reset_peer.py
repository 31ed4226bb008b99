"""The connection is reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import (
    INT64,
    Chunk,
    Decided,
    Ending,
    WireFault,
    bounded,
    ended,
    span_ns,
)

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["ResetPeer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer(WireFault):
    """The first chunk is dropped, and ``timeout`` after it both sides are reset; so is an end.

    Attributes:
        timeout: ms. Nothing happens in a direction in which nothing is sent.
    """

    type: ClassVar[str] = "reset_peer"
    is_deadly: ClassVar[bool] = False

    timeout: int = 0

    def __post_init__(self) -> None:
        bounded(self, ~INT64, timeout=INT64)

    def decide(self, state: None, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del draws
        return state, (ended(chunk, Ending.RESET, begin_ns + span_ns(self.timeout)),)

    end = decide
