"""How a disk is filled: a small one, by a file of ours, until the kernel says that no space is left."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun
from harness.ledger import word
from harness.nemesis.effect import Effect

if TYPE_CHECKING:
    from pathlib import Path

    from harness.faults.process import DiskFull
    from harness.nemesis.scene import Subject
    from harness.nemesis.written import Written

_CHUNK: Final = bytes(1 << 16)
_SMALL: Final = bytes(1 << 9)


class Filling:
    """Fills the small disk that a folder of a subject lies on.

    Args:
        subject: who.
        fault: how large the disk is, and where.
        written: its entries.
    """

    def __init__(self, subject: Subject, fault: DiskFull, written: Written) -> None:
        self._subject = subject
        self._fault = fault
        self._written = written
        self._file: Path | None = None
        self._filled: tuple[int, int] = (0, 0)
        self._owners: set[tuple[int, int]] = set()

    def begin(self) -> Effect:
        """Fill it.

        Raises:
            CouldNotRun: the folder is not on the small disk, or that does not get full.
        """
        folder = self._subject.small_disk(self._fault.folder, self._fault.size_bytes)
        found = os.statvfs(folder)
        if found.f_blocks * found.f_frsize > 2 * self._fault.size_bytes:
            raise CouldNotRun(
                f"{folder} of {self._subject.said} is on a disk of {found.f_blocks * found.f_frsize:,} "
                "bytes, which is not ours to fill"
            )
        self._owners = {(one.pid, one.start) for one in self._subject.roots()}
        self._file = folder / f".stormproof-{self._written.run_id}"
        self._written.enter(f"file 0 {word(str(self._file))}")
        size = _fill(self._file, 2 * self._fault.size_bytes)
        self._filled = (self._file.stat().st_ino, size)
        return Effect(1, f"no space is left after {size:,} bytes of ours")

    def end(self) -> Effect:
        """See that our file is still there, whole, and remove it."""
        doubt = self._doubt()
        self.undo()
        return Effect(1, "the disk was full", doubt)

    def undo(self) -> None:
        """Remove the file."""
        self._written.undo()

    def _doubt(self) -> str | None:
        if not self._subject.alive():
            return None  # it ended, as many do when their disk is full
        try:
            found = None if self._file is None else self._file.stat()
        except OSError:
            found = None
        if found is not None and (found.st_ino, found.st_size) == self._filled:
            return None
        who = self._subject.said
        if {(one.pid, one.start) for one in self._subject.roots()} != self._owners:
            return f"the disk of {who} was full, but {who} was started again meanwhile"
        return f"the disk of {who} was full, but what filled it was removed meanwhile"


def _fill(file: Path, most_bytes: int) -> int:
    """Write until no space is left; how many bytes."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        for piece in (_CHUNK, _SMALL):
            while written <= most_bytes:
                try:
                    written += os.write(handle, piece)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise CouldNotRun(f"{file} cannot be filled: {error}") from error
                    break
            else:
                raise CouldNotRun(f"{file} was filled with {written:,} bytes, and space is left")
        return written
    finally:
        os.close(handle)
