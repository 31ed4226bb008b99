"""Stands still: alive, connected, and silent."""

from __future__ import annotations

from dataclasses import dataclass

from harness.faults.process.base import check_subject, whose


@dataclass(frozen=True, slots=True)
class ProcessPaused:
    """Every process of the subject is stopped (SIGSTOP) until it is lifted.

    The kernel goes on taking connections and bytes for it, and nobody answers: what a long garbage
    collection, a frozen virtual machine or a store that is overwhelmed looks like from outside.
    """

    subject: str

    def __post_init__(self) -> None:
        check_subject(self)

    @property
    def word(self) -> str:
        """While it lasts."""
        return "paused"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "runs again"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        return f"{whose(self.subject)} is paused (SIGSTOP), with all processes that came from it"

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return "SIGCONT to each of them"
