"""Which processes of a target serve: who computes while calls are under way.

Not while the clock is moved or waited for: then a master wakes to look after its children, too.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from harness.clock.threads import descendants, tids_of

_SHARE: Final = 50
"""Who took less than this part of the busiest one's time has served nobody."""


class Serving:
    """Adds up, from ``begin`` to ``end`` of each exchange, the CPU time of each process.

    Args:
        root: the target's process; its descendants count, too.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._spent_ns: Counter[int] = Counter()
        self._before: dict[int, int] = {}

    def begin(self) -> None:
        """Calls are about to be written."""
        self._before = _spent_ns(self._root)

    def end(self) -> None:
        """They were answered, or given up."""
        for pid, ns in _spent_ns(self._root).items():
            if pid in self._before:
                self._spent_ns[pid] += ns - self._before[pid]

    @property
    def processes(self) -> int:
        """How many served."""
        busiest = max(self._spent_ns.values(), default=0)
        return sum(ns > 0 and ns * _SHARE >= busiest for ns in self._spent_ns.values())


def _spent_ns(root: int) -> dict[int, int]:
    """CPU time by process, over all of its threads that live."""
    found: dict[int, int] = {}
    for pid in descendants({root}):
        try:
            found[pid] = sum(_thread_ns(pid, tid) for tid in tids_of(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _thread_ns(pid: int, tid: int) -> int:
    """The first number of ``schedstat``: ns on a CPU."""
    try:
        return int(Path(f"/proc/{pid}/task/{tid}/schedstat").read_bytes().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0
