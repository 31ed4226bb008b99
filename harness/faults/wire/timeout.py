"""Nothing arrives, and then it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.faults.wire.base import INT64, NEVER, Chunk, Decided, WireFault, bounded, span_ns

if TYPE_CHECKING:
    from harness.faults.wire.draws import Draws

__all__ = ["Timeout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(WireFault):
    """All data is dropped; ``timeout`` after the last of it the connection is closed.

    Attributes:
        timeout: ms; at or below 0 it is never closed, and the source's end is passed on.
    """

    type: ClassVar[str] = "timeout"
    is_deadly: ClassVar[bool] = True

    timeout: int = 0

    def __post_init__(self) -> None:
        bounded(self, ~INT64, timeout=INT64)

    def begin(self, at_ns: int) -> int:
        """When it closes."""
        wait_ns = span_ns(self.timeout)
        return at_ns + wait_ns if wait_ns else NEVER

    def decide(self, state: int, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """See :meth:`WireFault.decide`."""
        del state, begin_ns, draws
        return self.begin(chunk.at_ns), ()

    def wakes_ns(self, state: int) -> int:
        """See :meth:`WireFault.wakes_ns`."""
        return state
