"""Which threads the processes on the path have, and whether they sleep: from ``/proc``, files kept open."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

__all__ = ["Scan", "Thread", "Threads", "command_of", "descendants"]

Thread = tuple[int, int]
"""pid and tid"""

ASLEEP = frozenset(b"SI")
"""Sleeping, interruptibly; or an idle kernel thread."""
OUT = frozenset(b"ZT")
"""A zombie, or stopped by SIGSTOP: it cannot run, and nothing it waits for matters until it can. Who is
dead (X) is not out yet: it still runs, to be taken off the list, and its process's parent is told by that.
"""
DISCOVERY_TRIES = 5
NO_CHANNEL = frozenset({b"0", b""})
CHANNEL_TRIES = 100
UNCLEAR_S = 0.1


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
        self._files: dict[Thread, tuple[int, int, int]] = {}
        self._unclear: dict[Thread, tuple[bytes, float]] = {}
        self._tells_channels = tells_channels()
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
        for thread, (_stat, schedstat, _wchan) in self._files.items():
            with contextlib.suppress(ProcessLookupError):
                records[thread] = os.pread(schedstat, 80, 0)
        return records

    def scan(self) -> Scan | None:
        """Look at each thread once; None when one runs, or has just ended."""
        runs: dict[Thread, bytes] = {}
        asleep = []
        for thread, (stat, schedstat, _wchan) in list(self._files.items()):
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

    def are_off(self, threads: Iterable[Thread], seen: Scan) -> bool:
        """Whether none of ``threads`` runs, or could run at once, though they look asleep.

        A thread says that it sleeps before it looks whether it must (``waitpid`` even reaps a child
        meanwhile), and may lose its CPU there; only the kernel's own view of its stack, which it gives
        of nobody who can run, tells. Where it gives none of a thread that nothing has happened to for
        0.1 s, that has to do.

        Args:
            threads: some of those in ``seen``.
            seen: a scan before; the next one must be the same, or this has said nothing.
        """
        if not self._tells_channels:
            return True
        return all(self._is_off(thread, seen.runs[thread]) for thread in threads)

    def _is_off(self, thread: Thread, runs: bytes) -> bool:
        files = self._files.get(thread)
        try:
            is_off = files is not None and os.pread(files[2], 64, 0) not in NO_CHANNEL
        except ProcessLookupError:
            return False
        if is_off or files is None:
            self._unclear.pop(thread, None)
            return is_off
        before, since_s = self._unclear.get(thread, (b"", 0.0))
        if before != runs:
            self._unclear[thread] = runs, time.monotonic()
            return False
        return time.monotonic() - since_s > UNCLEAR_S

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
        self._unclear.pop(thread, None)
        self._known_at = b""


def open_thread(pid: int, tid: int) -> tuple[int, int, int]:
    """Its ``stat``, ``schedstat`` and ``wchan``; where nobody tells of channels, none is needed."""
    channel = "wchan" if tells_channels() else "schedstat"
    flags = os.O_RDONLY | os.O_CLOEXEC
    files: list[int] = []
    try:
        files.extend(
            os.open(f"/proc/{pid}/task/{tid}/{name}", flags)
            for name in ("stat", "schedstat", channel)
        )
    except OSError:
        for file in files:
            os.close(file)
        raise
    stat, schedstat, wchan = files
    return stat, schedstat, wchan


@cache
def tells_channels() -> bool:
    """Whether this kernel says in which of its functions a thread sleeps: asked of one of our own."""
    gate = threading.Event()
    sleeper = threading.Thread(target=gate.wait, daemon=True)
    sleeper.start()
    try:
        file = Path(f"/proc/self/task/{sleeper.native_id}/wchan")
        for _ in range(CHANNEL_TRIES):
            if file.read_bytes() not in NO_CHANNEL:
                return True
            time.sleep(0.001)
    except OSError:
        return False
    finally:
        gate.set()
        sleeper.join()
    return False


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
