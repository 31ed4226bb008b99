"""A smoke run: the same judge on fewer trials, and words that say so."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import pytest

from harness.contract.words import Promise
from harness.promises import kinds
from harness.promises.base import Surroundings
from harness.runner.verify import PromiseResult, Verification, smoke_set
from harness.runner.world import World
from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.simulated import All, Bucket, Limiter, Log
from tests.runner.simulated_world import SimulatedWorld, simulated_contract

STORE = {"dependency": "store", "when_down": "open"}


def smoke(limiter: Limiter, **words: Any) -> PromiseResult:
    contract = simulated_contract(**words)
    world = SimulatedWorld(contract, limiter, Seed(1), when_down="open")
    promise = contract.promises[0]
    return Verification(
        cast("World", world), promise, 600.0, lambda *_: None, smoke=True, shrink_s=0.0
    ).run()


@pytest.mark.parametrize(
    ("limiter", "words", "played"),
    [
        (Log(5, 10 * NS_PER_S), {"limit": "5/10s"}, {"T1 edge", "T3 concurrent"}),
        (Log(300, 10 * NS_PER_S), {"limit": "300/10s"}, {"T1 edge", "T3 concurrent"}),
        (
            Bucket(4, 5, 10 * NS_PER_S),
            {"limit": "5/10s", "burst": 4, "store": STORE},
            {"T1b edge", "T3 concurrent"},
        ),
    ],
    ids=["window", "large", "bucket-with-store"],
)
def test_kept_as_far_as_it_looks(limiter: Limiter, words: dict[str, Any], played: set[str]) -> None:
    """Kept is earned on the smoke set alone, in words that say so; the rest is listed as left out."""
    result = smoke(limiter, **words)
    assert result.verdict.status is Status.KEPT, result.verdict.reason
    assert result.verdict.reason.startswith("as far as a smoke run looks: ")
    assert {one.trial.name for one in result.results if one.trial.steps} == played
    left_out = [one for one in result.results if not one.trial.steps]
    assert left_out
    assert all("a smoke run leaves it out" in one.verdict.reason for one in left_out)
    assert not any(one.trial.needed for one in left_out)


def test_a_large_limit_is_not_filled_twice() -> None:
    """Most of its calls go: once at the limit, one call tells that it lets in again."""
    words = {"limit": "300/10s"}
    contract = simulated_contract(**words)
    world = SimulatedWorld(contract, Log(300, 10 * NS_PER_S), Seed(1))
    whole = Verification(cast("World", world), contract.promises[0], 600.0, lambda *_: None).run()
    short = smoke(Log(300, 10 * NS_PER_S), **words)
    calls = [result.verdict.evidence["calls"] for result in (whole, short)]
    assert calls[1] < calls[0] * 0.6
    assert short.verdict.evidence["readmitted"]


def test_one_too_many_is_still_broken() -> None:
    """The smoke set proves what it proves, in fresh worlds as ever."""
    result = smoke(Log(6, 10 * NS_PER_S), limit="5/10s")
    assert result.verdict.status is Status.BROKEN
    assert result.results[0].repeats == (3, 3)
    assert "smoke" not in result.verdict.reason


def test_nothing_is_kept_that_is_not_earned() -> None:
    """An endpoint without a limit is not kept because few trials were played."""
    assert smoke(All([]), limit="5/10s").verdict.status is not Status.KEPT


def test_the_set_leaves_the_plan_whole() -> None:
    """Every trial is still there, in its order, so that a reader sees how little was looked at."""
    contract = simulated_contract(limit="5/10s")
    promise: Promise = contract.promises[0]
    around = Surroundings(
        promises=contract.promises,
        ok={},
        frozen=True,
        can_call_from=lambda _: True,
        rng=Random(1),
    )
    kind = kinds()["rate_limit"]
    trials = kind.trials(promise, around)
    assert [t.name for t in smoke_set(kind, trials)] == [t.name for t in trials]
