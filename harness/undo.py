"""How each kind of entry on a ledger is undone: what a dead run left is put back as it was.

To add a kind: one function that undoes it, one line in ``KINDS``. An undo is told what it needs by the
entry alone, may be repeated, and leaves alone whatever is not what was written down (another process
of that number, another folder of that name). Lean, as the reaper imports it.
"""

from __future__ import annotations

import os
import signal
import stat
import time

from harness.ledger import unword, word
from harness.living import RUN_MARKER, end_all, family, find, look, send

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.living import Seen

END_S = 10.0
_TRIES = 3
_POLL_S = 0.01
_STARTING_S = 0.5
_NOT_MADE_YET = "0"
"""The inode of a file or folder that is about to be made: its name must hold the run's, then."""


class Kind:
    """A kind of entry.

    Attributes:
        name: its first word.
        words: the names of its other words; those called pid, start and inode are numbers.
        undo: puts it back; a reason in words if it could not. Gets the run's name and the words.
        one: what it is, for people.
        undone: how it is undone, for people.
    """

    __slots__ = ("name", "one", "undo", "undone", "words")

    def __init__(
        self,
        name: str,
        words: str,
        undo: Callable[[str, Sequence[str]], str],
        one: str,
        undone: str,
    ) -> None:
        self.name = name
        self.words = words.split()
        self.undo = undo
        self.one = one
        self.undone = undone

    def fits(self, words: Sequence[str]) -> bool:
        """Whether an entry's words are as many as they should be, and numbers where they should be."""
        return len(words) == len(self.words) and all(
            said.lstrip("-").isdigit() or name == "path"
            for name, said in zip(self.words, words, strict=True)
        )


def _ended(run_id: str, words: Sequence[str]) -> str:
    """A process that was to be killed with all others of the run: whether it is gone."""
    del run_id
    seen = find(int(words[0]), int(words[1]))
    return "" if seen is None else f"process {seen.pid} outlives SIGKILL: the kernel holds it"


def _nothing(run_id: str, words: Sequence[str]) -> str:
    del run_id, words
    return ""


def _continued(run_id: str, words: Sequence[str]) -> str:
    """A stopped process runs again; one that is gone needs nothing."""
    del run_id
    pid, start = int(words[0]), int(words[1])
    for _ in range(_TRIES):
        seen = find(pid, start)
        if seen is None or seen.state != "T":
            return ""
        if not send(pid, start, signal.SIGCONT) and find(pid, start) is not None:
            return f"process {pid} is stopped, and may not be sent SIGCONT"
        time.sleep(_POLL_S)
    return f"process {pid} is stopped, and SIGCONT does not wake it"


def _limited(run_id: str, words: Sequence[str]) -> str:
    """A process gets its old limits back."""
    import resource  # noqa: PLC0415 (seldom needed)

    del run_id
    pid, start, which, soft, hard = (int(one) for one in words)
    if find(pid, start) is None:
        return ""
    try:
        resource.prlimit(pid, which, (soft, hard))
    except ProcessLookupError:
        return ""
    except (OSError, ValueError) as error:
        return f"process {pid} does not get its limits back: {error}"
    return ""


def _unlinked(run_id: str, words: Sequence[str]) -> str:
    """A file of ours is removed."""
    path = unword(words[1])
    try:
        found = os.lstat(path)
        if stat.S_ISREG(found.st_mode) and _is_ours(found, path, run_id, words[0]):
            os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} cannot be removed: {error.strerror or error}"
    return ""


def _removed(run_id: str, words: Sequence[str]) -> str:
    """A folder of ours is removed with all it holds."""
    return remove(unword(words[1]), words[0], run_id)


def _is_ours(found: os.stat_result, path: str, run_id: str, inode: str) -> bool:
    """Whether what stands there is what was written down."""
    if found.st_uid != os.geteuid():
        return False
    if inode == _NOT_MADE_YET:
        return bool(run_id) and run_id in os.path.basename(path)  # noqa: PTH119
    return found.st_ino == int(inode)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("starting", "number", _nothing, "a process about to start", "it is killed"),
        Kind("group", "pid start", _ended, "a process with all that came from it", "killed"),
        Kind("process", "pid start", _ended, "a process", "killed"),
        Kind("stopped", "pid start", _continued, "a process that stands still", "SIGCONT"),
        Kind(
            "limit",
            "pid start resource soft hard",
            _limited,
            "a process with less than it had",
            "its limits are set back",
        ),
        Kind("file", "inode path", _unlinked, "a file", "removed"),
        Kind("directory", "inode path", _removed, "a private folder", "removed with all it holds"),
    )
}
"""Every kind of entry; an entry of another kind, or with other words, counts for nothing."""


def known(entry: str) -> Kind | None:
    """The kind of an entry; None if it makes no sense."""
    name, *words = entry.split(" ")
    kind = KINDS.get(name)
    return kind if kind is not None and kind.fits(words) else None


def directory_entry(path: str) -> str:
    """The entry of an existing folder."""
    return f"directory {os.lstat(path).st_ino} {word(path)}"


def process_entry(kind: str, pid: int) -> str | None:
    """The entry of a living process; None if it is gone, or the system has no ``/proc``."""
    seen = look(pid)
    return None if seen is None else f"{kind} {pid} {seen.start}"


def undo(run_id: str, entry: str) -> str:
    """Undo one entry, trying again if it fails: why it could not be undone, empty if it is."""
    kind = known(entry)
    reason = ""
    for attempt in range(_TRIES if kind is not None else 0):
        if attempt:
            time.sleep(_POLL_S)
        reason = kind.undo(run_id, entry.split(" ")[1:]) if kind is not None else ""
        if not reason:
            break
    return reason


class Undoing:
    """The end of a run that can do it no more: everybody is killed, then the rest undone in reverse.

    Whoever is killed first can begin nothing anew; what follows goes from the youngest to the oldest.

    Args:
        run_id: the run; its marker finds processes that stand nowhere.
        entries: what is begun, the oldest first.
        before: see :func:`harness.living.family`; 0 where nobody watched the leaders.
        note: takes a line for the ledger after each thing that was done.
    Attributes:
        ended: pid and start of each process that was killed.
        undone: how many entries.
        failed: what could not be undone, with the reason.
    """

    def __init__(
        self, run_id: str, entries: Iterable[str], before: int, note: Callable[[str], None]
    ) -> None:
        self._run_id = run_id
        self._entries = [entry for entry in dict.fromkeys(entries) if known(entry)]
        self._before = before
        self._note = note
        self.ended: dict[int, int] = {}
        self.undone: list[str] = []
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        """Do it."""
        self._wait_for_starting()
        gone = end_all(self._everybody, END_S, self.ended)
        if self.ended:
            self._note(f"ended {len(self.ended)}")
        stuck = [] if gone else [f"process {one.pid} {one.start}" for one in self._everybody()]
        for entry in dict.fromkeys([*stuck, *reversed(self._entries)]):
            self._undo(entry)

    def _undo(self, entry: str) -> None:
        reason = undo(self._run_id, entry)
        if reason:
            self.failed[entry] = reason
            self._note(f"failed {word(reason)} {entry}")
        else:
            self.undone.append(entry)
            self._note(f"undone {entry}")

    def _everybody(self) -> list[Seen]:
        """Who is on the list or carries the marker, dead ones left out."""
        rows = [entry.split(" ") for entry in self._entries]
        leaders = {int(row[1]): int(row[2]) for row in rows if row[0] == "group"}
        single = [find(int(row[1]), int(row[2])) for row in rows if row[0] == "process"]
        found = family(leaders, [f"{RUN_MARKER}={self._run_id}"], self._before)
        return found + [one for one in single if one is not None]

    def _wait_for_starting(self) -> None:
        """Who was forked when the run died gets its marker only with its program: wait for that."""
        numbers = [e.split(" ")[1] for e in self._entries if e.startswith("starting ")]
        until = time.monotonic() + _STARTING_S
        while numbers and time.monotonic() < until:
            markers = [f"{RUN_MARKER}={self._run_id}", f"STORMPROOF_PROCESS={numbers[-1]}"]
            if family({}, markers, before=0):
                return
            time.sleep(_POLL_S)


def remove(path: str, inode: int | str, run_id: str = "") -> str:
    """Remove a folder of ours with all it holds; one that was replaced meanwhile is left alone.

    Returns:
        Why it is still there, empty if it is not.
    """
    import shutil  # noqa: PLC0415 (slow, and needed only at the very end)

    reason = ""
    for _ in range(_TRIES):
        try:
            found = os.lstat(path)
        except OSError:
            return ""
        if not stat.S_ISDIR(found.st_mode) or not _is_ours(found, path, run_id, str(inode)):
            return ""
        _open_up(path)
        try:
            shutil.rmtree(path)
        except OSError as error:
            reason = f"{error.filename or path} cannot be removed: {error.strerror or error}"
            shutil.rmtree(path, ignore_errors=True)
    return reason if os.path.lexists(path) else ""


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
