"""Marks of a run on what it made, by which things are known that stand on no ledger."""

from __future__ import annotations

import os
import stat

from harness.ledger.owner import Owner

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "stormproof-"
OWNER_FILE = ".owner"
_READ_BYTES = 1_024


class Folder:
    """A private folder as it was found.

    Attributes:
        path: where it is.
        inode: which one.
        owner: whom it says it belongs to; None if it does not say.
    """

    __slots__ = ("inode", "owner", "path")

    def __init__(self, path: str, inode: int, owner: Owner | None) -> None:
        self.path = path
        self.inode = inode
        self.owner = owner

    @property
    def run_id(self) -> str:
        """The run's name, as the folder's name tells it; empty if it does not."""
        name = os.path.basename(self.path).removeprefix(PREFIX)  # noqa: PTH119
        run_id = name.partition("-")[0]
        return run_id if len(run_id) == 16 and not run_id.strip("0123456789abcdef") else ""


def mark(folder: str, owner: Owner) -> None:
    """Write into a private folder whose it is.

    Raises:
        OSError: it cannot be written.
    """
    with open(f"{folder}/{OWNER_FILE}", "x", encoding="ascii") as file:  # noqa: PTH123
        file.write(str(owner))


def folders(places: Iterable[str]) -> Iterator[Folder]:
    """This user's folders in these places whose names are like ours, marked or not."""
    for place in places:
        try:
            names = sorted(name for name in os.listdir(place) if name.startswith(PREFIX))  # noqa: PTH208
        except OSError:
            continue
        for name in names:
            path = f"{place.rstrip('/')}/{name}"
            try:
                found = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                yield Folder(path, found.st_ino, _owner(path))


def _owner(folder: str) -> Owner | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        handle = os.open(f"{folder}/{OWNER_FILE}", flags)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        return Owner.parse(os.read(handle, _READ_BYTES).decode("ascii", "replace"))
    except OSError:
        return None
    finally:
        os.close(handle)
