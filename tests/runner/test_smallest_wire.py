"""Planted defects of real services: what shows them is made small, and shows in a target just started."""

from __future__ import annotations

import time

import pytest

from fixtures.mutants import MUTANTS
from harness.plan import Fire, Release, Trial
from harness.runner.smallest import smallest
from harness.runner.stage import Counterexample, Stage
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status
from tests.quality.examine import reference, with_module

STEPS_MOST = 8
SHRINK_S = 25.0
PATIENCE_S = 120.0


@pytest.mark.parametrize(
    ("defect", "trial_name", "half", "last"),
    [
        ("breaker_late_success_closes", "T12 at once and late", "late_success", Fire),
        ("bulkhead_given_back_twice", "T6 reset", "upper", Release),
    ],
)
def test_a_long_plan_becomes_small(
    defect: str, trial_name: str, half: str, last: type[Fire | Release]
) -> None:
    """Steps that nothing needs go; what earlier plans have done to the service is no proof."""
    mutant = next(each for each in MUTANTS if each.name == defect)
    loaded = with_module(reference(mutant.words or mutant.target), mutant.module)
    with Supervisor() as supervisor:
        with World(loaded, supervisor, Seed(1)) as world:
            (promise,) = (each for each in world.contract.promises if each.id in mutant.breaks)
            stage = Stage(world, promise)
            trials = stage.kind.trials(promise, stage.around())
            trial = next(each for each in trials if each.name == trial_name)
            long = played(stage, trial)
            assert long.verdict.findings[0].half == half
            small = smallest(stage, long, steady=True, deadline_s=time.monotonic() + SHRINK_S)
        with World(loaded, supervisor, Seed(1)) as world:
            again = played(Stage(world, promise), small.trial)
    assert small.shrunk_from is not None
    assert small.shrunk_from[0] > len(small.trial.steps)
    assert len(small.trial.steps) <= STEPS_MOST
    assert isinstance(small.trial.steps[-1], last)
    assert again.verdict.findings[0].half == half


def played(stage: Stage, trial: Trial) -> Counterexample:
    """What one playing in a world that nobody has used showed broken."""
    far_s = time.monotonic() + PATIENCE_S
    assert stage.make_fresh(trial, far_s)
    made = stage.play(trial, far_s)
    verdict = stage.judge(trial, made).verdict
    assert verdict.status is Status.BROKEN, verdict.reason
    return stage.shown(trial, verdict, made)
