"""What ledger and reaper cost a run: the same life of a supervisor with them and without."""

from __future__ import annotations

import os
import resource
import time
from contextlib import ExitStack
from unittest import mock

from harness.supervisor import Supervisor
from harness.supervisor.helper import Helper

ROUNDS = 15
PROCESSES = 6
ENTRIES = 100


class _NoHelper(Helper):
    """A pipe that nobody reads, and no process."""

    def __init__(self, *_: object) -> None:
        self.replaced = 0

    @property
    def pid(self) -> int:
        return os.getpid()

    def tell(self, line: str) -> None:
        del line

    def check(self) -> None:
        pass

    def leave(self) -> None:
        pass


def life(*, guarded: bool) -> tuple[float, float]:
    """Seconds, and seconds of CPU with the reaper's, of a small run: six processes, a hundred faults."""
    with ExitStack() as stack:
        if not guarded:
            stack.enter_context(mock.patch("harness.supervisor.supervisor.Helper", _NoHelper))
            stack.enter_context(mock.patch("harness.ledger.ledger.state_folders", list))
        began_s, cpu_s = time.perf_counter(), _cpu_s()
        with Supervisor() as supervisor:
            for number in range(PROCESSES):
                supervisor.start(["sleep", "60"], name=f"{number}", env={"PATH": os.defpath})
            for number in range(ENTRIES):
                supervisor.check()
                with supervisor.ledger.holding(f"stopped 999999 {number}"):
                    pass
        return time.perf_counter() - began_s, _cpu_s() - cpu_s


def _cpu_s() -> float:
    """CPU of this process and of all that it waited for."""
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def main() -> None:
    """Print what ledger and reaper cost, in ms: the best of the rounds, which a busy machine spoils least."""
    pairs = [(life(guarded=True), life(guarded=False)) for _ in range(ROUNDS)]
    with_s, without_s, with_cpu_s, without_cpu_s = (
        min(pair[side][what] for pair in pairs) for what in (0, 1) for side in (0, 1)
    )
    print(
        f"ledger and reaper: {1_000 * (with_s - without_s):.1f} ms of a run, "
        f"{1_000 * (with_cpu_s - without_cpu_s):.1f} ms of CPU ({1_000 * with_s:.0f} ms with, "
        f"{1_000 * without_s:.0f} ms without: {PROCESSES} processes, {ENTRIES} faults)"
    )


if __name__ == "__main__":
    main()
