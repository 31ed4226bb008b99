"""A sample of the random plans; ``make prove`` plays a thousand, and finds more planted defects."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.plan import Fire, Trial, Wait
from harness.verdict import Status
from tests.plans.drawn import KINDS, plan, plans
from tests.plans.finding import find
from tests.plans.playing import healthy, play_all, shares
from tests.plans.proof import WANTED, reached

SEED = 20
FEW = 6
FIRST = {kind: promises[0] for kind, promises in KINDS.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_no_plan_accuses_a_healthy_service(kind: str) -> None:
    """Whatever is called, answered, left and waited for; and the states that matter are reached."""
    outcomes = healthy(FIRST[kind], SEED, 0, FEW)
    for one in outcomes:
        assert one.status is not Status.BROKEN, f"{one.trial.name}: {one.said}"
        assert "could not run" not in one.said
        assert "please report" not in one.said
    states = reached(outcomes)
    assert [name for name in WANTED[kind] if not states[name]] == []


def test_random_plans_find_a_planted_defect(tmp_path: Path) -> None:
    """It is confirmed in fresh worlds, made smaller, and seen again by its file alone."""
    found = find("bulkhead_one_more", SEED, FEW, tmp_path, shrink_s=8.0)
    assert found.is_right, found
    shown = found.result.counterexample
    assert shown is not None
    assert shown.trial.name.startswith(f"seed {SEED} plan ")
    assert shown.shrunk_from is None or found.steps < shown.shrunk_from[0]


@pytest.mark.parametrize("promise", ["sum-breaker", "sum-bulkhead"])
def test_a_seed_gives_the_same_plans_in_every_process(promise: str) -> None:
    """Whoever draws them, how many and from which one on; another seed gives others."""
    command = [sys.executable, "-m", "tests.plans.drawn", promise, str(SEED), "2", "3"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert len(lines.splitlines()) == 3
    some, all_ = plans(promise, SEED, 3, 2), plans(promise, SEED, FEW)
    assert some == all_[2:5]
    assert len({one.steps for one in all_}) == FEW
    assert plan(promise, SEED + 1, 2).steps != some[0].steps


def test_what_comes_out_does_not_hang_on_the_number_of_workers() -> None:
    """The same plans, shared among one process or two."""
    wanted = list(shares(["sum-bulkhead"], SEED, 2, 1))
    told = [
        [(one.trial, one.status) for _, found in play_all(wanted, workers) for one in found]
        for workers in (1, 2)
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_plans_are_whole_and_of_many_steps(kind: str) -> None:
    """Each makes calls and few make all of one kind; waits are bound to marks or to now."""
    drawn = plans(FIRST[kind], SEED, FEW)
    steps = Counter(type(step).__name__ for trial in drawn for step in trial.steps)
    assert all(any(isinstance(step, Fire) for step in trial.steps) for trial in drawn)
    assert {"Answering", "Fire", "Wait"} <= steps.keys()
    assert all(_marked(trial) for trial in drawn)


def _marked(trial: Trial) -> bool:
    """Each wait since a mark comes after it."""
    known = {"now"}
    for step in trial.steps:
        if isinstance(step, Wait) and step.since not in known:
            return False
        known |= {getattr(step, "name", "now")}
    return True
