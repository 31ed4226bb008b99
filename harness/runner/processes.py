"""What the processes of a target hold: threads and descriptors, from ``/proc``, and connections.

Those are asked of the kernel by their state: ``/proc/net/tcp`` takes 100 ms where thousands are in
TIME_WAIT.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from harness.clock.threads import descendants, tids_of
from harness.clock.unsent import STATES, tcp_connections

_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_SYN_SENT: Final = 1 << 2
_OPEN: Final = STATES | _SYN_SENT


@dataclass(frozen=True, slots=True)
class Held:
    """See :class:`harness.history.Resources`."""

    pids: tuple[int, ...]
    threads: int
    descriptors: int
    connections: int


def counted(roots: Collection[int]) -> Held | None:
    """What these processes and all that came from them hold; None where we may not look."""
    pids = tuple(sorted(descendants(roots)))
    try:
        links = [link for pid in pids for link in _links(pid)]
        own = _sockets(links)
        connections = sum(one.inode in own for one in tcp_connections(_OPEN))
    except OSError:
        return None
    if not pids:
        return None
    return Held(
        pids=pids,
        threads=sum(_threads(pid) for pid in pids),
        descriptors=len(links),
        connections=connections,
    )


def holder(roots: Collection[int], ports: Collection[int]) -> int | None:
    """The process among these, and all that came from them, that connects from one of ``ports``.

    None where there is none, or where we may not look.
    """
    try:
        ends = {one.inode for one in tcp_connections(_OPEN) if one.port in ports}
    except OSError:
        return None
    for pid in sorted(descendants(roots)):
        with suppress(PermissionError):
            if ends & _sockets(_links(pid)):
                return pid
    return None


def connecting(port: int) -> bool:
    """Whether anybody on this machine still tries to connect to ``port``, as far as one can see."""
    with suppress(OSError):
        return any(one.peer_port == port for one in tcp_connections(_SYN_SENT))
    return False


def _sockets(links: Iterable[str]) -> set[int]:
    return {int(match[1]) for link in links if (match := _SOCKET.fullmatch(link))}


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
