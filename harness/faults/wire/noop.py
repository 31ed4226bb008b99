"""Nothing at all, by way of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.wire.base import WireFault

__all__ = ["Noop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noop(WireFault):
    """All passes, at once."""

    type: ClassVar[str] = "noop"
