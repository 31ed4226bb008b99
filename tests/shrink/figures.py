"""How small counterexamples become: ``python -m tests.shrink.figures [MUTANT…]`` plays the mutants."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from fixtures.mutants import MUTANTS, Mutant
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status
from tests.quality.examine import BUDGET_S, reference, with_module

STEPS_MOST = 8
"""The figure that was promised for the median."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One broken promise of one planted defect."""

    mutant: str
    promise: str
    trial: str
    before: tuple[int, int]
    after: tuple[int, int]
    shrunk: bool
    took_s: float


def figures(mutant: Mutant, seed: int = 1) -> Iterator[Figure]:
    """Verify each promise that the defect breaks."""
    loaded = with_module(reference(mutant.words or mutant.target), mutant.module)
    with Supervisor() as supervisor:
        for promise in loaded.contract.promises:
            if promise.id not in mutant.breaks:
                continue
            with World(loaded, supervisor, Seed(seed)) as world:
                began_s = [time.monotonic()]
                run = Verification(
                    world,
                    promise,
                    BUDGET_S,
                    lambda name, *_, began_s=began_s: _began(name, began_s),
                )
                result = run.run()
                if result.verdict.status is Status.BROKEN:
                    yield _figure(mutant, result, time.monotonic() - began_s[0])


def _began(name: str, began_s: list[float]) -> None:
    if "smaller" in name:
        began_s[0] = time.monotonic()


def _figure(mutant: Mutant, result: PromiseResult, took_s: float) -> Figure:
    found = result.counterexample
    assert found is not None
    trial = found.trial
    after = (len(trial.steps), trial.calls)
    shrunk = found.shrunk_from is not None
    return Figure(
        mutant.name,
        result.promise.id,
        trial.name,
        found.shrunk_from or after,
        after,
        shrunk,
        took_s,
    )


def main(names: list[str]) -> int:
    """Print a line for each, then the medians; 1 if they are larger than promised."""
    found: list[Figure] = []
    for mutant in MUTANTS:
        if names and mutant.name not in names:
            continue
        for figure in figures(mutant):
            found.append(figure)
            print(
                f"{figure.mutant:<34} {figure.promise:<15} {figure.trial:<18} "
                f"{figure.before[0]:>4} steps {figure.before[1]:>5} calls -> "
                f"{figure.after[0]:>3} steps {figure.after[1]:>5} calls"
                f"{'' if figure.shrunk else ' (as it was)'}  {figure.took_s:.1f} s",
                flush=True,
            )
    steps = median(figure.after[0] for figure in found)
    print(
        f"median of {len(found)}: {median(f.before[0] for f in found)} steps unrolled, {steps} shrunk; "
        f"{median(f.before[1] for f in found)} calls, {median(f.after[1] for f in found)} shrunk; "
        f"{median(f.took_s for f in found):.1f} s, at most {max(f.took_s for f in found):.1f} s"
    )
    return int(steps > STEPS_MOST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
