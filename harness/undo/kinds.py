"""The kinds of entries: what each is, and how it is put back. See :mod:`harness.undo`."""

from __future__ import annotations

import os
import signal
import stat
import time

from harness.ledger import unword
from harness.living import find, send

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TRIES = 3
_POLL_S = 0.01
_NOT_MADE_YET = "0"
"""The inode of a file or folder that is about to be made: its name must hold the run's, then."""


class Kind:
    """A kind of entry.

    Attributes:
        name: its first word.
        words: the names of its other words; all but ``path`` are numbers.
        thing: what it is, for people, with its words in braces.
        undone: how it is undone, for people.
        there: whether there is anything to undo; gets the run's name and the words.
        undo: puts it back, gets the same: a reason in words if it could not.
    """

    __slots__ = ("name", "there", "thing", "undo", "undone", "words")

    def __init__(
        self,
        name: str,
        words: str,
        thing: str,
        undone: str,
        *,
        there: Callable[[str, Sequence[str]], bool],
        undo: Callable[[str, Sequence[str]], str],
    ) -> None:
        self.name = name
        self.words = words.split()
        self.thing = thing
        self.undone = undone
        self.there = there
        self.undo = undo

    def fits(self, words: Sequence[str]) -> bool:
        """Whether an entry's words are as many as they should be, and numbers where they should be."""
        return len(words) == len(self.words) and all(
            said.lstrip("-").isdigit() or name == "path"
            for name, said in zip(self.words, words, strict=True)
        )

    def told(self, words: Sequence[str]) -> str:
        """An entry of this kind, for people."""
        return self.thing.format(**dict(zip(self.words, map(unword, words), strict=True)))


def _lives(run_id: str, words: Sequence[str]) -> bool:
    del run_id
    return find(int(words[0]), int(words[1])) is not None


def _ended(run_id: str, words: Sequence[str]) -> str:
    """A process that was to be killed with all others of the run: whether it is gone."""
    if not _lives(run_id, words):
        return ""
    return f"process {words[0]} outlives SIGKILL, the kernel holds it: it ends when that lets go"


def _never(run_id: str, words: Sequence[str]) -> bool:
    del run_id, words
    return False


def _nothing(run_id: str, words: Sequence[str]) -> str:
    del run_id, words
    return ""


def _stands_still(run_id: str, words: Sequence[str]) -> bool:
    del run_id
    seen = find(int(words[0]), int(words[1]))
    return seen is not None and seen.state == "T"


def _continued(run_id: str, words: Sequence[str]) -> str:
    """A stopped process runs again; one that is gone needs nothing."""
    pid, start = int(words[0]), int(words[1])
    for _ in range(_TRIES):
        if not _stands_still(run_id, words):
            return ""
        if not send(pid, start, signal.SIGCONT) and find(pid, start) is not None:
            return f"process {pid} is stopped, and may not be sent SIGCONT by this user"
        time.sleep(_POLL_S)
    return f"process {pid} is stopped, and SIGCONT does not wake it: who stops it again?"


def _limited(run_id: str, words: Sequence[str]) -> str:
    """A process gets its old limits back."""
    import resource  # noqa: PLC0415 (seldom needed)

    if not _lives(run_id, words):
        return ""
    pid, _, which, soft, hard = (int(one) for one in words)
    try:
        resource.prlimit(pid, which, (soft, hard))
    except ProcessLookupError:
        return ""
    except (OSError, ValueError) as error:
        return f"process {pid} does not get its limits back ({error}): start it again"
    return ""


def _file_there(run_id: str, words: Sequence[str]) -> bool:
    return _is_ours(run_id, words, stat.S_ISREG)


def _unlinked(run_id: str, words: Sequence[str]) -> str:
    """A file of ours is removed."""
    path = unword(words[1])
    try:
        if _file_there(run_id, words):
            os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} cannot be removed ({error.strerror or error}): remove it by hand"
    return ""


def _folder_there(run_id: str, words: Sequence[str]) -> bool:
    return _is_ours(run_id, words, stat.S_ISDIR)


def _removed(run_id: str, words: Sequence[str]) -> str:
    """A folder of ours is removed with all it holds."""
    import shutil  # noqa: PLC0415 (slow, and needed only at the very end)

    path = unword(words[1])
    if not _folder_there(run_id, words):
        return ""
    _open_up(path)
    try:
        shutil.rmtree(path)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        if _folder_there(run_id, words):
            where = error.filename or path
            return f"{where} cannot be removed ({error.strerror or error}): remove {path} by hand"
    return ""


def _open_up(path: str) -> None:
    """Let us into all folders, as somebody may have forbidden it; links are not followed."""
    folders = [path]
    while folders:
        folder = folders.pop()
        try:
            os.chmod(folder, 0o700)  # noqa: PTH101
            folders += [e.path for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def _is_ours(run_id: str, words: Sequence[str], is_kind: Callable[[int], bool]) -> bool:
    """Whether what stands there is what was written down: this user's, of that inode, no link."""
    inode, path = words[0], unword(words[1])
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    if found.st_uid != os.geteuid() or not is_kind(found.st_mode):
        return False
    if inode == _NOT_MADE_YET:
        return bool(run_id) and run_id in os.path.basename(path)  # noqa: PTH119
    return found.st_ino == int(inode)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            *("starting", "number", "a process about to start", "killed"),
            there=_never,
            undo=_nothing,
        ),
        Kind(
            *("group", "pid start", "process {pid} with all that came from it", "killed"),
            there=_lives,
            undo=_ended,
        ),
        Kind(
            *("process", "pid start", "process {pid}", "killed"),
            there=_lives,
            undo=_ended,
        ),
        Kind(
            *("stopped", "pid start", "process {pid}, which stands still", "continued"),
            there=_stands_still,
            undo=_continued,
        ),
        Kind(
            *("limit", "pid start resource soft hard", "limits of process {pid}", "set back"),
            there=_lives,
            undo=_limited,
        ),
        Kind(
            *("file", "inode path", "file {path}", "removed"),
            there=_file_there,
            undo=_unlinked,
        ),
        Kind(
            *("directory", "inode path", "folder {path}", "removed with all it holds"),
            there=_folder_there,
            undo=_removed,
        ),
    )
}
"""Every kind of entry; an entry of another kind, or with other words, counts for nothing."""
OF_THE_BOOT = frozenset({"starting", "group", "process", "stopped", "limit"})
"""Kinds whose numbers mean something only where the owner lived."""
