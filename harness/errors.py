"""Errors that a user is meant to read: what was wrong, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class HarnessError(Exception):
    """Base of every error that Stormproof raises on purpose; its text is shown without a traceback."""


class UsageError(HarnessError):
    """The command line asks for something that cannot be (exit code 4)."""


class CouldNotRun(HarnessError):
    """A target, store or machine could not do its part: the promise is *unknown*, nobody is accused.

    Args:
        reason: one sentence, shown as the reason of the verdict.
        output: last lines that the process printed, if any.
    """

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output

    def __str__(self) -> str:
        if not self.output.strip():
            return self.reason
        return f"{self.reason}\nIts last output:\n{self.output.rstrip()}"


class InvalidFault(HarnessError, ValueError):
    """A fault with settings that cannot be; the text names setting, value and bound."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file that somebody wrote.

    Attributes:
        line: 1-based, or None where the whole file is meant.
        column: 1-based, or None.
        message: what was wrong, and what is allowed or meant.
    """

    message: str
    line: int | None = None
    column: int | None = None


class UnusableFile(HarnessError):
    """A file of somebody's that cannot be used (exit code 4); it lists all problems, in file order."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """One ``FILE:LINE:COLUMN: message`` a problem."""
        return [
            ":".join(str(part) for part in (self.path, p.line, p.column) if part is not None)
            + f": {p.message}"
            for p in self.problems
        ]


class ContractError(UnusableFile):
    """A contract that cannot be used."""


class BaselineError(UnusableFile):
    """A baseline file that cannot be used."""
