"""Counterexamples of simulated limiters are shrunk, and what is saved shows the same again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.counterexample import Saved, read, to_json
from harness.plan import Send, Wait
from harness.promises import words
from harness.runner.verify import PromiseResult
from harness.seeds import Seed
from harness.shrink.reduce import size
from harness.shrink.unroll import unrolled
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import simulate, simulated_loaded
from tests.runner.test_confirm import SometimesOneMore

LIMIT = {"limit": "5/10s"}


def saved(result: PromiseResult, folder: Path) -> Saved:
    """Through the file and back."""
    assert result.counterexample is not None
    repeats = result.results[0].repeats
    values = to_json(
        simulated_loaded(folder, **LIMIT),
        result.promise,
        result.counterexample,
        seed=1,
        clock=result.clock,
        repeats=repeats,
        versions={},
    )
    path = folder / "found.json"
    path.write_text(json.dumps(values))
    return read(path, words())


@pytest.mark.parametrize(
    ("limiter", "steps"),
    [
        (Log(6, 10 * NS_PER_S), (Send(caller="a", times=6),)),
        (Log(4, 10 * NS_PER_S), (Send(caller="a", times=5),)),
        (
            Log(5, 9 * NS_PER_S),
            (Send(caller="a", times=5), Wait(ns=9 * NS_PER_S), Send(caller="a")),
        ),
    ],
)
def test_the_least_plan_is_saved_and_read_back(
    limiter: Log, steps: tuple[Any, ...], tmp_path: Path
) -> None:
    """One call too many, one too few, a window too short: each in as few steps as it takes."""
    result = simulate(limiter, Seed(1), shrink_s=60.0, **LIMIT)
    found = saved(result, tmp_path)
    assert result.verdict.status is Status.BROKEN
    assert found.trial.steps == steps
    assert found.finding.said == result.verdict.reason
    assert found.promise == result.promise


def test_the_same_seed_shrinks_to_the_same(tmp_path: Path) -> None:
    """Nothing is drawn outside of the seed."""
    plans = [
        saved(simulate(Log(6, 8 * NS_PER_S), Seed(3), shrink_s=60.0, **LIMIT), tmp_path).trial
        for _ in range(2)
    ]
    assert plans[0] == plans[1]


def test_without_time_it_is_unrolled_and_else_as_it_was(tmp_path: Path) -> None:
    """No budget, no shrinking: the saved plan has fixed calls and waits, and is that of the trial."""
    result = simulate(Log(6, 10 * NS_PER_S), Seed(1), **LIMIT)
    assert result.counterexample is not None
    assert result.counterexample.shrunk_from is None
    plan = saved(result, tmp_path).trial.steps
    whole = unrolled(result.counterexample.trial.steps, result.counterexample.played)
    assert plan == whole
    shrunk = simulate(Log(6, 10 * NS_PER_S), Seed(1), shrink_s=60.0, **LIMIT)
    assert size(saved(shrunk, tmp_path).trial.steps) < size(whole)


def test_an_intermittent_defect_is_told_as_one(tmp_path: Path) -> None:
    """Its counterexample is shrunk too, and the sentence keeps how often it was seen."""
    lies = frozenset({0, 3, 4, *range(5, 20_000, 2)})
    result = simulate(SometimesOneMore(lies), Seed(1), shrink_s=60.0, **LIMIT)
    assert result.verdict.status is Status.BROKEN
    found = saved(result, tmp_path)
    assert result.verdict.reason == f"intermittent 3/5: {found.finding.said}"
    assert found.trial.steps == (Send(caller="a", times=6),)
    assert (found.broken_in, found.worlds) == (3, 5)
