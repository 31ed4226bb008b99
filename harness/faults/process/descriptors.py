"""No file or connection more."""

from __future__ import annotations

from dataclasses import dataclass

from harness.faults.process.base import check_subject, check_within, whose


@dataclass(frozen=True, slots=True)
class DescriptorsExhausted:
    """Each process of the subject may open no more descriptors than it has now, and ``spare`` more.

    What it has stays open. Whatever it closes may be opened again: a limit, as the system sets one.

    Attributes:
        spare: how many more than now, in [0, 1,000,000].
    """

    subject: str
    spare: int = 0

    def __post_init__(self) -> None:
        check_subject(self)
        check_within(self, "spare", 0, 1_000_000, "it counts descriptors.")

    @property
    def word(self) -> str:
        """While it lasts."""
        return "out of descriptors"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "may open descriptors again"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        more = f"{self.spare:,} descriptors more" if self.spare else "no descriptor more"
        return f"{whose(self.subject)} may open {more} (its soft RLIMIT_NOFILE is lowered)"

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return "the limits that each process had"
