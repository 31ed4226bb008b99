"""Which threads the processes on the path have, and whether they sleep: from ``/proc``, files kept open."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Scan", "Thread", "Threads", "command_of", "descendants"]

Thread = tuple[int, int]
"""pid and tid"""

ASLEEP = frozenset(b"SI")
"""Sleeping, interruptibly; or an idle kernel thread."""
OUT = frozenset(b"ZXT")
"""Dead, or stopped by SIGSTOP: it cannot run, and nothing it waits for matters until it can."""
DISCOVERY_TRIES = 5


@dataclass(frozen=True, slots=True)
class Scan:
    """Every thread was asleep or out when it was looked at.

    Attributes:
        runs: each thread's scheduling record; it changes when the thread runs.
        asleep: those that a wake-up would let run.
    """

    runs: dict[Thread, bytes]
    asleep: frozenset[Thread]


class Threads:
    """The threads of some root processes, of all their descendants, and of whoever else is named."""

    def __init__(self) -> None:
        self._roots: set[int] = set()
        self.pids: set[int] = set()
        self._gone: set[int] = set()
        self._files: dict[Thread, tuple[int, int]] = {}
        self._loadavg = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        self._known_at = b""

    def close(self) -> None:
        """Give back all files."""
        for thread in list(self._files):
            self._drop(thread)
        os.close(self._loadavg)

    def newest_pid(self) -> bytes:
        """The id that the system gave to the newest process or thread.

        While it stays the same nobody has forked or started a thread, so what was discovered is
        still complete: that spares the search for children in almost every scan.
        """
        return os.pread(self._loadavg, 128, 0).split()[-1]

    def discover(self, others: Iterable[int]) -> bool:
        """Bring the list up to date; ``others`` are owners of slots, perhaps in other sessions.

        Returns:
            Whether it is complete; it never is while processes are being born all the time.
        """
        newest = self.newest_pid()
        named = set(others)
        if self.is_complete(named, newest):
            return True
        for _ in range(DISCOVERY_TRIES):
            self.pids = descendants(self._roots | self.pids | named)
            self._gone = named - self.pids
            self._open_threads()
            before, newest = newest, self.newest_pid()
            if before == newest:
                self._known_at = newest
                return True
        return False

    def is_complete(self, others: set[int], newest: bytes | None = None) -> bool:
        """Whether the list still holds everybody: nobody was born, no unknown owner has appeared."""
        is_same = self._known_at == (newest or self.newest_pid())
        return is_same and others <= self.pids | self._gone

    def watch(self, pid: int) -> None:
        """It, and whatever comes from it, belongs to the list from now on."""
        self._roots.add(pid)
        self._known_at = b""

    def unwatch(self, pid: int) -> None:
        """It is no root any more, and leaves with its descendants unless somebody names them."""
        self._roots.discard(pid)
        self.pids -= descendants({pid})
        self._known_at = b""

    def records(self) -> dict[Thread, bytes]:
        """Each thread's scheduling record, awake or not."""
        records = {}
        for thread, (_stat, schedstat) in self._files.items():
            with contextlib.suppress(ProcessLookupError):
                records[thread] = os.pread(schedstat, 80, 0)
        return records

    def scan(self) -> Scan | None:
        """Look at each thread once; None when one runs, or has just ended."""
        runs: dict[Thread, bytes] = {}
        asleep = []
        for thread, (stat, schedstat) in list(self._files.items()):
            try:
                line = os.pread(stat, 128, 0)
                state = line[line.rindex(b")") + 2]
                if state in ASLEEP:
                    asleep.append(thread)
                elif state not in OUT:
                    return None
                runs[thread] = os.pread(schedstat, 80, 0)
            except (ProcessLookupError, ValueError):
                self._drop(thread)
                return None
        return Scan(runs, frozenset(asleep))

    def _open_threads(self) -> None:
        found = set()
        for pid in self.pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found |= {(pid, tid) for tid in tids_of(pid)}
        for thread in self._files.keys() - found:
            self._drop(thread)
        for pid, tid in found - self._files.keys():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self._files[pid, tid] = open_thread(pid, tid)

    def _drop(self, thread: Thread) -> None:
        for file in self._files.pop(thread):
            os.close(file)
        self._known_at = b""


def open_thread(pid: int, tid: int) -> tuple[int, int]:
    """Its ``stat`` and ``schedstat``."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    stat = os.open(f"/proc/{pid}/task/{tid}/stat", flags)
    try:
        return stat, os.open(f"/proc/{pid}/task/{tid}/schedstat", flags)
    except OSError:
        os.close(stat)
        raise


def descendants(pids: Iterable[int]) -> set[int]:
    """Those of ``pids`` that are alive, and all processes that come from them."""
    found: set[int] = set()
    todo = set(pids)
    while todo:
        pid = todo.pop()
        try:
            children = children_of(pid)
        except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            continue
        found.add(pid)
        todo |= children - found
    return found


def tids_of(pid: int) -> list[int]:
    """Its threads."""
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]


def children_of(pid: int) -> set[int]:
    """Its children; each thread has its own, where the kernel was built to tell."""
    children: set[int] = set()
    for tid in tids_of(pid):
        try:
            line = Path(f"/proc/{pid}/task/{tid}/children").read_bytes()
        except FileNotFoundError:
            if Path(f"/proc/{pid}/task/{tid}").exists():
                return {child.pid for child in psutil.Process(pid).children()}
            continue
        except ProcessLookupError:
            continue
        children |= {int(child) for child in line.split()}
    return children


def command_of(pid: int) -> str:
    """Its short name, for people."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "ended"
