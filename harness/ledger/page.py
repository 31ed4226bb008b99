"""The file of a ledger, and the folders it may be in."""

from __future__ import annotations

import errno
import os
import stat

from harness.ledger.book import CUT

SUFFIX = ".ledger"


class Page:
    """The end of a ledger's file, for whoever adds to it.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, flags: int = 0) -> None:
        wanted = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | flags
        self.path = path
        self._handle = os.open(path, wanted, 0o600)
        size = os.fstat(self._handle).st_size
        self._torn = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"

    def write(self, line: str) -> None:
        """Add a line, in one write.

        Raises:
            OSError: it could not be written, or not whole; the next one begins a line of its own.
        """
        text = (f"{CUT}\n" * self._torn + line + "\n").encode("ascii", "replace")
        written = os.write(self._handle, text)
        self._torn = written != len(text) and (written > 0 or self._torn)
        if written != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def try_write(self, line: str) -> None:
        """Add a line if the disk takes it."""
        try:
            self.write(line)
        except OSError:
            return

    def close(self) -> None:
        """Give the descriptor back; the file stays."""
        os.close(self._handle)

    def remove(self) -> None:
        """Remove the file, and its folder if that is empty now."""
        discard(self.path)


def discard(path: str) -> None:
    """Remove a ledger, and its folder if that is empty now."""
    for remove, name in ((os.unlink, path), (os.rmdir, os.path.dirname(path))):  # noqa: PTH120
        try:
            remove(name)
        except OSError:
            continue


def listed(folder: str) -> list[str]:
    """The ledgers in a folder, by name; empty if there is no such folder, or it is not ours."""
    if not is_private(folder):
        return []
    return [f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX)]  # noqa: PTH208


def temporary_folders() -> list[str]:
    """Where private folders may be made, the preferred place first."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    places = [*named, "/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", "")]  # noqa: S108
    found = [os.path.realpath(one) for one in places if os.path.isabs(one) and os.path.isdir(one)]  # noqa: PTH112, PTH117
    return list(dict.fromkeys(found))


def state_folders() -> list[str]:
    """Where ledgers may be, the preferred place first.

    ``STORMPROOF_STATE``, ``stormproof`` in the user's state folder (XDG), ``stormproof-UID`` in a
    temporary folder: each that can be named.
    """
    named = os.environ.get("STORMPROOF_STATE", "")
    home = os.path.expanduser("~")  # noqa: PTH111
    xdg = os.environ.get("XDG_STATE_HOME", "")
    folders = [os.path.realpath(named)] if named else []
    if os.path.isabs(xdg):  # noqa: PTH117
        folders.append(f"{os.path.realpath(xdg)}/stormproof")
    elif os.path.isabs(home) and os.path.isdir(home):  # noqa: PTH112, PTH117
        folders.append(f"{os.path.realpath(home)}/.local/state/stormproof")
    folders += [f"{place}/stormproof-{os.geteuid()}" for place in temporary_folders()]
    return list(dict.fromkeys(folders))


def is_private(folder: str) -> bool:
    """Whether it is a folder, no link, of this user, where strangers may not write."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return mine and not found.st_mode & stat.S_IWOTH
