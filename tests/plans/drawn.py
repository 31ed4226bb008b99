"""Draws plans: a seed, the name of a promise and a number give the same plan, everywhere and each time.

Each plan is drawn by a run of Hypothesis of its own, so that it does not hang on how many others are
wanted or on who plays them; and in a process of its own, as Hypothesis takes numbers that it finds in
whatever modules are loaded for likely ones.

``python -m tests.plans.drawn PROMISE SEED FIRST COUNT`` prints plans as JSON, a line each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.plan import Trial, step_to_json
from harness.planfile import steps_from_json
from harness.seeds import Seed
from tests.plans import breakers, deadlines, limits, retries
from tests.plans.drawing import Drawing, Ground

_RULES: Final = (4, 8, 12, 16)
"""So many rules of a model write a plan."""
_ROOT: Final = Path(__file__).parents[2]
_MODELS: Final[tuple[tuple[str, type[Drawing], tuple[Ground, ...]], ...]] = (
    ("circuit_breaker", breakers.Breakers, breakers.GROUNDS),
    ("retry", retries.Retries, retries.GROUNDS),
    ("deadline", deadlines.Deadlines, deadlines.GROUNDS),
    ("concurrency_limit", limits.Limits, limits.GROUNDS),
)
GROUNDS: Final = {ground.promise: ground for _, _, grounds in _MODELS for ground in grounds}
"""By the promise that plans are drawn for."""
KINDS: Final = {name: tuple(one.promise for one in grounds) for name, _, grounds in _MODELS}
"""By kind, its promises."""
_MACHINES: Final = {ground.promise: machine for _, machine, all_ in _MODELS for ground in all_}


@cache
def plans(promise: str, number: int, count: int, first: int = 0) -> tuple[Trial, ...]:
    """Plans that a seed gives for a promise; each is named by what draws it again.

    Args:
        promise: for which one, of `GROUNDS`.
        number: the seed.
        count: how many.
        first: the number of the first of them.
    """
    command = [
        sys.executable,
        "-m",
        "tests.plans.drawn",
        promise,
        *map(str, (number, first, count)),
    ]
    told = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True)
    lines = map(json.loads, told.stdout.splitlines())
    return tuple(_read(values, promise, number, place) for place, values in enumerate(lines, first))


def _read(values: Any, promise: str, number: int, place: int) -> Trial:
    return Trial(
        name=f"seed {number} plan {place} of {promise}",
        purpose="whatever else the words forbid",
        steps=steps_from_json(values["steps"]),
        fresh=values["fresh"],
    )


def plan(promise: str, number: int, place: int) -> Trial:
    """One plan, drawn here."""
    machine, ground = _MACHINES[promise], GROUNDS[promise]
    found: list[Trial] = []
    made = type(machine.__name__, (machine,), {"ground": ground, "drawn": found})
    stream = Seed(number).stream("plans", promise, place)
    one = settings(
        max_examples=2,  # the first one is the simplest there is, always
        stateful_step_count=stream.choice(_RULES),
        phases=(Phase.generate,),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(stream.getrandbits(64))(made), settings=one)
    return found[-1]


def _told(promise: str, number: int, first: int, count: int) -> Iterator[str]:
    for place in range(first, first + count):
        trial = plan(promise, number, place)
        steps = [step_to_json(step) for step in trial.steps]
        yield json.dumps({"fresh": trial.fresh, "steps": steps})


if __name__ == "__main__":
    for line in _told(sys.argv[1], *map(int, sys.argv[2:])):
        print(line)
