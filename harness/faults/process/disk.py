"""Not a byte more on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.errors import InvalidFault
from harness.faults.process.base import check_subject, check_within, whose

_MIB: Final = 1 << 20
_PATH_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class DiskFull:
    """A folder of the subject's lies on a small disk of its own (in memory), and that is filled.

    The disk is there from the subject's start, so it is started again first, unless it was started
    for this.

    Attributes:
        size_bytes: of the disk, in [64 KiB, 1 GiB]; what the folder holds is copied onto it.
        folder: an absolute path, or empty for the subject's private folder: ``{work.dir}`` of the
            service, the data folder of a store.
    """

    subject: str
    size_bytes: int = 4 * _MIB
    folder: str = ""

    def __post_init__(self) -> None:
        check_subject(self)
        check_within(self, "size_bytes", 1 << 16, 1 << 30, "the disk takes that much memory.")
        is_path = isinstance(self.folder, str) and len(self.folder) <= _PATH_MOST
        if not is_path or "\0" in self.folder or not (self.folder + "/").startswith("/"):
            raise InvalidFault(
                f"DiskFull needs folder to be an absolute path, or empty for the private folder, "
                f"got {self.folder!r:.80}"
            )

    @property
    def word(self) -> str:
        """While it lasts."""
        return "disk full"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "has room on its disk again"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        folder = self.folder or "its private folder"
        return (
            f"{whose(self.subject)} is started with {folder} on a disk of {self.size_bytes:,} bytes, "
            "in a user namespace of its own, and that disk is filled"
        )

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return "removing the file that fills it; the disk goes with the process"
