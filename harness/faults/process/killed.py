"""Gone, and back on the same port."""

from __future__ import annotations

from dataclasses import dataclass

from harness.faults.process.base import check_subject, whose


@dataclass(frozen=True, slots=True)
class ProcessKilled:
    """Every process of the subject is killed (SIGKILL); lifted, it is started again on the same port.

    Until then connects are refused: it is gone.

    Attributes:
        keep_data: it comes back with what it held. A store saves it at the last moment before; of
            the service it is the private folder ``{work.dir}``, which is emptied otherwise, and the
            setup runs again.
    """

    subject: str
    keep_data: bool = False

    def __post_init__(self) -> None:
        check_subject(self)

    @property
    def word(self) -> str:
        """While it lasts."""
        return "killed"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "is back with its data" if self.keep_data else "is back, empty"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        return f"{whose(self.subject)} is killed"

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return f"a restart on the same port, {'with its data' if self.keep_data else 'empty'}"
