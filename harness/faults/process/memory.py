"""Hardly any memory more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.faults.process.base import check_subject, check_within, whose

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MemoryLimited:
    """The address space of each process of the subject may grow by ``headroom_bytes`` and no more.

    Attributes:
        headroom_bytes: in [1 MiB, 1 TiB]. A thread's stack alone takes 8 MiB on most systems.
    """

    subject: str
    headroom_bytes: int = 16 * _MIB

    def __post_init__(self) -> None:
        check_subject(self)
        check_within(self, "headroom_bytes", _MIB, 1 << 40, "less would hardly let it go on.")

    @property
    def word(self) -> str:
        """While it lasts."""
        return "short of memory"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "may take memory again"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        mib = self.headroom_bytes / _MIB
        return f"{whose(self.subject)} may take {mib:,.3g} MiB more (its soft RLIMIT_AS is lowered)"

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return "the limits that each process had; one that died of it is started again"
