"""What the processes of a target hold: threads, descriptors, connections, from ``/proc``."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.clock.threads import descendants, tids_of

_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN: Final = "0A"
_SYN_SENT: Final = "02"


@dataclass(frozen=True, slots=True)
class Held:
    """See :class:`harness.history.Resources`."""

    pids: tuple[int, ...]
    threads: int
    descriptors: int
    connections: int


@dataclass(frozen=True, slots=True)
class _Tcp:
    """One end of a connection of this machine."""

    inode: str
    state: str
    port: int
    peer_port: int


def counted(roots: Collection[int]) -> Held | None:
    """What these processes and all that came from them hold; None where we may not look."""
    pids = tuple(sorted(descendants(roots)))
    if not pids:
        return None
    try:
        links = [link for pid in pids for link in _links(pid)]
    except PermissionError:
        return None
    own = {match[1] for link in links if (match := _SOCKET.fullmatch(link))}
    return Held(
        pids=pids,
        threads=sum(_threads(pid) for pid in pids),
        descriptors=len(links),
        connections=sum(one.inode in own and one.state != _LISTEN for one in _connections()),
    )


def holder(roots: Collection[int], ports: Collection[int]) -> int | None:
    """The process among these, and all that came from them, that connects from one of ``ports``.

    None where there is none, or where we may not look.
    """
    from_there = {one.inode for one in _connections() if one.port in ports and one.inode != "0"}
    for pid in sorted(descendants(roots)):
        try:
            links = _links(pid)
        except PermissionError:
            continue
        if from_there & {match[1] for link in links if (match := _SOCKET.fullmatch(link))}:
            return pid
    return None


def connecting(port: int) -> bool:
    """Whether anybody on this machine still tries to connect to ``port``."""
    return any(one.peer_port == port and one.state == _SYN_SENT for one in _connections())


def _connections() -> Iterator[_Tcp]:
    for table in _TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for line in lines:
            _, own, peer, state, _, _, _, _, _, inode, *_ = line.split()
            yield _Tcp(inode, state, _port(own), _port(peer))


def _port(end: str) -> int:
    return int(end.rpartition(":")[2], 16)


def _links(pid: int) -> list[str]:
    """What the descriptors of a process point to; none once it has ended."""
    found = []
    try:
        with os.scandir(f"/proc/{pid}/fd") as files:
            for file in files:
                try:
                    found.append(os.readlink(file.path))  # noqa: PTH115 - three times as quick
                except FileNotFoundError:
                    continue
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


def _threads(pid: int) -> int:
    try:
        return len(tids_of(pid))
    except (FileNotFoundError, ProcessLookupError):
        return 0
