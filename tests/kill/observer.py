"""Sees what a run leaves behind, by means that owe nothing to what the run says or writes of itself.

While an :class:`Observer` is open, this process is a *child subreaper*: whoever comes from the run
and loses its parent becomes our child, however often it forked and whatever it did to its session,
group, environment and descriptors. So descent is complete, and nobody has to be caught in the act.
Where that is not to be had (another system than Linux), the run's own folder must do: every process of
a run names it in its environment, its command, its working folder, or what it has open.

All else that may be left is listed before and after: files of every kind in the run's folders, sockets
that listen, POSIX shared memory and semaphores, System V IPC, mounts. What is new and belongs to
somebody else on this machine (a living process that is not of the run has it) is not the run's.
"""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

PR_SET_CHILD_SUBREAPER: Final = 36
LOOK_S: Final = 0.01
_LISTENS_TCP: Final = "0A"
_LISTENS_UNIX: Final = "00010000"
_STATES: Final = {"T": "stopped", "t": "traced", "Z": "a zombie", "D": "in the kernel"}
_KINDS: Final = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFLNK: "link",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A process; ``start`` in ticks since boot tells it from another one with its number."""

    pid: int
    start: int
    parent: int
    group: int
    session: int
    state: str
    command: str

    @property
    def key(self) -> tuple[int, int]:
        """What names it for all time."""
        return self.pid, self.start

    def __str__(self) -> str:
        state = _STATES.get(self.state, "living")
        return f"process {self.pid} ({state}, of {self.parent}): {self.command or '?'}"


@dataclass(frozen=True, slots=True)
class Things:
    """What there is besides processes; the keys name a thing for all time, the values are for people."""

    files: dict[str, str]
    listening: dict[int, str]
    shared: dict[tuple[str, int], str]
    system_v: dict[tuple[str, ...], str]
    mounts: dict[str, str]


def processes() -> dict[int, Seen]:
    """Everybody on this machine, the dead that nobody waited for included."""
    found = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (one := process(int(path.name))) is not None:
            found[one.pid] = one
    return found


def process(pid: int) -> Seen | None:
    """The process of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    name, fields = (
        text[text.index("(") + 1 : text.rindex(")")],
        text[text.rindex(")") + 2 :].split(),
    )
    said = command.replace(b"\0", b" ").decode(errors="replace").strip() or f"[{name}]"
    parent, group, session = (int(field) for field in fields[1:4])
    return Seen(pid, int(fields[19]), parent, group, session, fields[0], said[:200])


def descendants(everybody: dict[int, Seen], root: int) -> set[int]:
    """The numbers of all that come from ``root``, without itself."""
    children: dict[int, list[int]] = {}
    for one in everybody.values():
        children.setdefault(one.parent, []).append(one.pid)
    found: set[int] = set()
    new = children.get(root, [])
    while new:
        found |= set(new)
        new = [pid for parent in new for pid in children.get(parent, []) if pid not in found]
    return found


def names_folder(pid: int, folder: str) -> bool:
    """Whether environment, command, working folder or an open file of a process lie in a folder."""
    mark = os.fsencode(folder)
    for name in ("environ", "cmdline"):
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
    return any(folder in link for link in links(pid))


def links(pid: int) -> list[str]:
    """Where the working folder and the descriptors of a process point to, as far as one may look."""
    found = []
    own = Path(f"/proc/{pid}")
    with suppress(OSError):
        for path in (own / "cwd", *(own / "fd").iterdir()):
            with suppress(OSError):
                found.append(str(path.readlink()))
    return found


def files(folders: Sequence[Path]) -> dict[str, str]:
    """Everything in these folders, the folders themselves not."""
    found = {}
    for root in folders:
        for folder, names, others in os.walk(root):
            for name in (*names, *others):
                path = Path(folder, name)
                with suppress(OSError):
                    kind = stat.S_IFMT(path.lstat().st_mode)
                    found[str(path)] = f"{_KINDS.get(kind, 'device')} {path}"
    return found


def listening() -> dict[int, str]:
    """Sockets that wait for connections, by their inode: TCP of both families, and Unix ones."""
    found = {}
    for table in ("tcp", "tcp6"):
        for row in _rows(f"/proc/net/{table}"):
            if row[3] == _LISTENS_TCP:
                found[int(row[9])] = f"port {int(row[1].rsplit(':', 1)[1], 16)} ({table})"
    for row in _rows("/proc/net/unix"):
        if row[3] == _LISTENS_UNIX:
            found[int(row[6])] = f"Unix socket {row[7] if len(row) > 7 else 'without a name'}"
    return found


def shared_memory() -> dict[tuple[str, int], str]:
    """POSIX shared memory and semaphores, by name and inode."""
    found = {}
    with suppress(OSError), os.scandir("/dev/shm") as entries:
        for entry in entries:
            found[entry.path, entry.inode()] = f"shared memory {entry.path}"
    return found


def system_v() -> dict[tuple[str, ...], str]:
    """System V segments, semaphores and queues."""
    found: dict[tuple[str, ...], str] = {}
    for kind in ("shm", "sem", "msg"):
        for row in _rows(f"/proc/sysvipc/{kind}"):
            maker = row[4] if kind == "shm" else "?"
            found[kind, row[0], row[1]] = f"System V {kind} {row[1]} (made by {maker})"
    return found


def mounts() -> dict[str, str]:
    """What is mounted in this process's namespace."""
    return {row[0]: f"mount {row[4]}" for row in _rows("/proc/self/mountinfo", heading=False)}


def _rows(path: str, *, heading: bool = True) -> Iterator[list[str]]:
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines[1:] if heading else lines:
        yield line.split()


def things(folders: Sequence[Path]) -> Things:
    """All that there is besides processes."""
    return Things(files(folders), listening(), shared_memory(), system_v(), mounts())


class Observer:
    """Watches one run from before its start; ``left()`` says what there is of it now.

    Args:
        home: the run's own folder, unlike any other; processes that name it are the run's.
        private: the folders in it that must be empty, but for what was there, when the run is over.
    """

    def __init__(self, home: Path, private: Sequence[Path]) -> None:
        self._home = str(home)
        self._private = private
        self._others: set[tuple[int, int]] = set()
        self._started: dict[int, subprocess.Popen[str]] = {}
        self._before = things(private)

    def __enter__(self) -> Self:
        _adopt(True)
        self._others = {one.key for one in processes().values()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what is left, so that the next one does not suffer."""
        for one in self.living():
            with suppress(ProcessLookupError):
                os.kill(one.pid, 9)
        until = time.monotonic() + 10
        while any(one.state not in "ZX" for one in self.living()) and time.monotonic() < until:
            time.sleep(LOOK_S)
        for started in self._started.values():
            started.wait()
        self.living()  # which buries orphans
        _adopt(False)

    def start(self, command: Sequence[str], **given: Any) -> subprocess.Popen[str]:
        """Start what is to be watched, in a session and group of its own; as ``subprocess.Popen`` does."""
        started = subprocess.Popen(command, start_new_session=True, text=True, **given)
        self._started[started.pid] = started
        return started

    def living(self) -> list[Seen]:
        """The run's processes; a dead one counts while a living one of them has not waited for it.

        Orphans that ended are waited for here, as the first process of a system does.
        """
        everybody = processes()
        come = descendants(everybody, os.getpid())
        found = []
        for one in everybody.values():
            if one.key in self._others or one.pid == os.getpid():
                continue
            if one.pid not in come and not names_folder(one.pid, self._home):
                continue
            if one.state in "ZX" and one.parent == os.getpid():
                self._bury(one.pid)
            else:
                found.append(one)
        return found

    def _bury(self, pid: int) -> None:
        """Wait for an orphan that ended; for what we started its ``Popen`` waits."""
        if pid not in self._started:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def left(self) -> list[str]:
        """What there is of the run, in words; empty: nothing."""
        living = self.living()
        now = things(self._private)
        before = self._before
        said = [str(one) for one in living]
        said += [word for key, word in now.files.items() if key not in before.files]
        said += [word for word in now.mounts.values() if f" {self._home}/" in word]
        said += [word for key, word in now.system_v.items() if key not in before.system_v]
        new = _held_by_name(now).keys() - _held_by_name(before).keys()
        return said + _not_of_others(new, {one.pid for one in living})

    def clean_within(self, patience_s: float) -> tuple[float, list[str]]:
        """Look until nothing is left: the seconds it took, and what is left after ``patience_s``."""
        began_s = time.monotonic()
        while True:
            left = self.left()
            took_s = time.monotonic() - began_s
            if not left or took_s > patience_s:
                return took_s, left
            time.sleep(LOOK_S)


def _held_by_name(there: Things) -> dict[str, str]:
    """Listening sockets and shared memory, by the word that a process has for them in ``/proc``."""
    sockets = {f"socket:[{inode}]": word for inode, word in there.listening.items()}
    return sockets | {path: word for (path, _), word in there.shared.items()}


def _not_of_others(new: AbstractSet[str], ours: set[int]) -> list[str]:
    """Of what is new and still there: what nobody has but us.

    Looked at twice: others on this machine make such things, and let go of them, all the time.
    """
    there: dict[str, str] = {}
    for _ in range(2):
        if not new:
            return []
        held = {pid: new & {*links(pid), *_mapped(pid)} for pid in processes()}
        mine = {key for pid, keys in held.items() if pid in ours for key in keys}
        theirs = {key for pid, keys in held.items() if pid not in ours for key in keys}
        there = _held_by_name(things(()))
        new = {key for key in new if key in there and (key in mine or key not in theirs)}
    return [there[key] for key in new]


def _mapped(pid: int) -> set[str]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {line[line.index("/") :] for line in lines if "/dev/shm/" in line}


def _adopt(wanted: bool) -> None:
    """Become, or be no more, the parent of orphans among our descendants; nothing where that is not known."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
