"""What ``/proc`` says of one process: whether it stands still, what it computed, opened and took."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from harness.clock.unsent import tcp_connections

_STOPPED: Final = frozenset("Tt")
_ENDING: Final = 0x4 | 0x200 | 0x400
"""Kernel's flags of a process: exiting, dumping core, ended by a signal."""
_MEMORY: Final = re.compile(r"^(VmPeak|VmSize):\s+(\d+) kB$", re.MULTILINE)
_WAITING: Final = 1 << 1 | 1 << 8
"""Established, and closed by the other end: states in which only a connection that nobody has accepted
has no owner."""


def stands(pid: int) -> bool:
    """Whether every thread of it is stopped; one that is gone does not stand still."""
    try:
        states = [_stat(pid, tid)[0] for tid in _threads(pid)]
    except OSError:
        return False
    return bool(states) and set(states) <= _STOPPED


def leaves(pid: int) -> bool:
    """Whether it is about to end: it was ended already, and the kernel still takes it apart.

    Its connections may be gone by then, and it still looks alive.
    """
    try:
        return bool(int(_stat(pid, pid)[6]) & _ENDING)
    except OSError:
        return False


def spent_ns(pid: int) -> int:
    """CPU time of its threads that live: exact where the kernel tells, else in ticks; 0 if it is gone."""
    try:
        return sum(_spent_ns(pid, tid) for tid in _threads(pid))
    except OSError:
        return 0


def open_numbers(pid: int) -> set[int]:
    """The numbers of its open descriptors.

    Raises:
        OSError: it is gone, or not ours to look into.
    """
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208


def room(pid: int, limit: int) -> int:
    """How many descriptors it could still open below ``limit``; 0 if it is gone."""
    try:
        return limit - sum(number < limit for number in open_numbers(pid))
    except OSError:
        return 0


def memory_bytes(pid: int) -> tuple[int, int]:
    """Size of its address space, and the largest that it ever was; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0, 0
    found = {name: int(kib) << 10 for name, kib in _MEMORY.findall(text)}
    return found.get("VmSize", 0), found.get("VmPeak", 0)


def not_accepted(port: int) -> int:
    """How many connections to a port of this machine wait for somebody to accept them.

    Raises:
        OSError: the kernel does not tell.
    """
    return sum(one.port == port and one.inode == 0 for one in tcp_connections(_WAITING))


def _threads(pid: int) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208


def _stat(pid: int, tid: int) -> list[str]:
    line = Path(f"/proc/{pid}/task/{tid}/stat").read_text(errors="replace")
    return line[line.rindex(")") + 2 :].split()


def _spent_ns(pid: int, tid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/task/{tid}/schedstat").read_bytes().split()[0])
    except FileNotFoundError:
        ticks = sum(int(field) for field in _stat(pid, tid)[11:13])
        return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
