"""Connections that are reset as soon as they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.wire.base import INT64, Opening, WireFault, bounded, span_ns

__all__ = ["AcceptThenReset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptThenReset(WireFault):
    """A connection is let in and reset ``timeout`` later; the upstream is not dialled.

    Connections that were there before it are left alone.

    Attributes:
        timeout: ms.
    """

    type: ClassVar[str] = "accept_then_reset"

    timeout: int = 0

    def __post_init__(self) -> None:
        bounded(self, timeout=INT64)

    def opening(self) -> Opening:
        """See :meth:`WireFault.opening`."""
        return Opening(span_ns(self.timeout))
