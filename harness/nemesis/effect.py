"""What a fault was seen to do, and why one could not be done, seen or undone."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import CouldNotRun, HarnessError


@dataclass(frozen=True, slots=True)
class Effect:
    """What was counted.

    Attributes:
        count: how much of it, at least 1 where it was seen.
        said: in words.
        doubt: why it was not in effect, or not all the time; None where it was.
    """

    count: int
    said: str
    doubt: str | None = None


class Refused(HarnessError):
    """This system, or this subject, cannot be hurt so; the text says why and what would settle it."""


class NotInEffect(HarnessError):
    """A fault was injected, and what it should do was not seen: whatever followed proves nothing."""


class UndoFailed(CouldNotRun):
    """Something stays as the fault left it; the text says what, and how to undo it by hand."""
