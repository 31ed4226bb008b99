"""``python -m tests.bench_dependencies``: figures of the kinds that a failing dependency shows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.clock.held import HeldClock
from harness.record import PromiseRecord
from harness.runner.stage import Stage
from harness.runner.world import ClockMode, World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from tests.conftest import ROOT
from tests.quality.examine import reference

TICKS = 5_000
_TRIAL = "T2 opens and recovers"


@dataclass
class Work:
    """What the promises of one kind took together."""

    promises: int = 0
    trials: int = 0
    calls: int = 0
    duration_s: float = 0.0


def by_kind(promises: Iterable[PromiseRecord]) -> dict[str, Work]:
    """Trials, calls and seconds of a run, kind by kind."""
    found: dict[str, Work] = defaultdict(Work)
    for one in promises:
        work = found[one.kind]
        work.promises += 1
        work.trials += len(one.trials)
        work.calls += sum(trial.evidence.get("calls", 0) for trial in one.trials)
        work.duration_s += one.duration_s
    return found


def breaker_trial(clock: ClockMode) -> float:
    """Seconds that one trial of sum-breaker takes: it opens and recovers, twice (254 s of its time)."""
    loaded = reference("sum")
    [promise] = [one for one in loaded.contract.promises if one.id == "sum-breaker"]
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(1), clock=clock) as world:
        stage = Stage(world, promise)
        trials = stage.kind.trials(promise, stage.around())
        [trial] = [one for one in trials if one.name == _TRIAL]
        began_s = time.monotonic()
        played = stage.play(trial, began_s + 2 * trial.span_ns / 1e9 + 60)
        if played.ended is not None:
            raise SystemExit(f"{trial.name} on a {clock} clock: {played.ended}")
        return time.monotonic() - began_s


def jumps_per_s(period_s: int = 60) -> float:
    """How many timers of a bare program fire in one second of real time, each at its own instant."""
    ticker = ROOT / "tests" / "clock" / "programs" / "ticker.py"
    with tempfile.TemporaryDirectory() as folder, HeldClock(Path(folder)) as clock:
        program = subprocess.Popen(
            [sys.executable, str(ticker), str(period_s), str(TICKS)],
            env=clock.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            program.stdout.readline()
            clock.watch(program.pid)
            clock.freeze()
            program.stdin.write(b"\n")
            program.stdin.flush()
            clock.settle(20.0)
            began_s = time.monotonic()
            jumps = 0
            while jumps < TICKS:
                jumps += clock.jump() is not None
            took_s = time.monotonic() - began_s
            said = program.stdout.readline().decode().split()
            if int(said[0]) != TICKS:
                raise SystemExit(f"{said[0]} of {TICKS} ticks were seen")
            return jumps / took_s
        finally:
            clock.release()
            program.kill()
            program.communicate()


def main() -> None:
    """Print every figure."""
    print(f"jumps from timer to timer: {jumps_per_s():,.0f} a second (a bare program)")
    frozen_s, real_s = breaker_trial("frozen"), breaker_trial("real")
    print(
        f"sum-breaker, {_TRIAL}: real {real_s:.0f} s / frozen {frozen_s:.2f} s = {real_s / frozen_s:.0f}"
    )


if __name__ == "__main__":
    main()
