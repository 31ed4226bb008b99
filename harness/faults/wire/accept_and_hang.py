"""Connections that nobody answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.wire.base import NEVER, Opening, WireFault

__all__ = ["AcceptAndHang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptAndHang(WireFault):
    """A connection is let in and nothing else happens; the upstream is not dialled.

    Connections that were there before it are left alone. ``limit_time`` and its like do not act on those
    that hang: they end with their clients, or when the proxy is closed.
    """

    type: ClassVar[str] = "accept_and_hang"

    def opening(self) -> Opening:
        """See :meth:`WireFault.opening`."""
        return Opening(NEVER)
