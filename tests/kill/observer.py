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
import subprocess
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.kill.machine import (
    Seen,
    descendants,
    held_by_name,
    links,
    mapped,
    names_folder,
    processes,
    things,
)

PR_SET_CHILD_SUBREAPER: Final = 36
LOOK_S: Final = 0.01


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
        new = held_by_name(now).keys() - held_by_name(before).keys()
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


def _not_of_others(new: AbstractSet[str], ours: set[int]) -> list[str]:
    """Of what is new and still there: what nobody has but us.

    Looked at twice: others on this machine make such things, and let go of them, all the time.
    """
    there: dict[str, str] = {}
    for _ in range(2):
        if not new:
            return []
        held = {pid: new & {*links(pid), *mapped(pid)} for pid in processes()}
        mine = {key for pid, keys in held.items() if pid in ours for key in keys}
        theirs = {key for pid, keys in held.items() if pid not in ours for key in keys}
        there = held_by_name(things(()))
        new = {key for key in new if key in there and (key in mine or key not in theirs)}
    return [there[key] for key in new]


def _adopt(wanted: bool) -> None:
    """Become, or be no more, the parent of orphans among our descendants; nothing where that is not known."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
