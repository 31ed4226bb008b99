"""What there is on this machine, read from ``/proc`` and from folders: one look at one instant."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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


def held_by_name(there: Things) -> dict[str, str]:
    """Listening sockets and shared memory, by the word that a process has for them in ``/proc``."""
    sockets = {f"socket:[{inode}]": word for inode, word in there.listening.items()}
    return sockets | {path: word for (path, _), word in there.shared.items()}


def mapped(pid: int) -> set[str]:
    """The shared memory that a process has mapped."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {line[line.index("/") :] for line in lines if "/dev/shm/" in line}
