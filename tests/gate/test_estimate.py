"""Time left: from the plan at first, then from what was played; a rough word, never a wrong sign."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate import baseline, estimate
from harness.gate.estimate import TimeLeft, promise_s, told, trial_s
from harness.plan import Cut, Send, Trial, Until, Wait
from harness.units import NS_PER_S

A, B = ("shop", "a"), ("shop", "b")


def trial(*steps: Send | Until | Wait | Cut) -> Trial:
    return Trial(name="T", purpose="", steps=steps)


@pytest.mark.parametrize("module", [baseline, estimate])
def test_the_examples_in_the_docs_run(module: object) -> None:
    """What a docstring shows is what happens."""
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed


def test_waits_cost_only_in_real_time() -> None:
    """A held clock is moved, a real one is waited for."""
    plan = trial(Send(caller="a", times=10), Wait(ns=60 * NS_PER_S))
    assert trial_s(plan, frozen=True) < 1
    assert 60 < trial_s(plan, frozen=False) < 61


def test_a_trial_that_is_not_played_costs_nothing() -> None:
    """Left out or impossible: there are no steps."""
    assert trial_s(trial(), frozen=False) == 0.0


def test_many_short_waits_are_no_many_full_bursts() -> None:
    """``until`` ends at its first refusal: its bound is no forecast."""
    bursts = trial(*[Until(send=Send(caller="a"), most=1_000)] * 100)
    calls = trial(Send(caller="a", times=100_000))
    assert trial_s(bursts, frozen=True) < trial_s(calls, frozen=True) / 100


def test_in_real_time_one_schedule_is_waited_for_once() -> None:
    """Trials that share nothing run at once; one with a fault alone; none beyond the budget."""
    minute = trial(Wait(ns=60 * NS_PER_S))
    cut = trial(Cut("store"), Wait(ns=30 * NS_PER_S))
    both = promise_s([minute, minute, cut], frozen=False, together=True, budget_s=1_000)
    assert [round(stretch) for stretch in both] == [60, 30]
    turns = promise_s([minute, minute, cut], frozen=False, together=False, budget_s=1_000)
    assert [round(stretch) for stretch in turns] == [60, 60, 30]
    assert sum(promise_s([minute, minute], frozen=False, together=False, budget_s=50)) == 50


def test_it_goes_down_as_time_passes_and_trials_end() -> None:
    """Within a stretch by the clock, from stretch to stretch by the plan."""
    left = TimeLeft({A: (10.0, 10.0), B: (20.0,)}, workers=1, now_s=100.0)
    left.began(A, 1, 100.0)
    assert left.left_s(100.0) == 40.0
    assert left.left_s(104.0) == 36.0
    left.began(A, 2, 110.0)
    assert left.left_s(110.0) == 30.0
    left.ended(A, 20.0, 120.0, whole=True)
    assert left.left_s(120.0) == 20.0
    left.ended(B, 20.0, 140.0, whole=True)
    assert left.left_s(140.0) == 0.0


def test_a_slow_machine_is_noticed() -> None:
    """What took three times as long as planned makes the rest about three times as long."""
    left = TimeLeft({A: (100.0,), B: (100.0,)}, workers=1, now_s=0.0)
    left.ended(A, 300.0, 300.0, whole=True)
    assert 280 < left.left_s(300.0) <= 300


def test_a_promise_that_broke_early_says_nothing_of_the_machine() -> None:
    """It was not played to its end: it is off the list, and the speed stands."""
    left = TimeLeft({A: (100.0,), B: (100.0,)}, workers=1, now_s=0.0)
    left.ended(A, 1.0, 1.0, whole=False)
    assert left.left_s(1.0) >= 100.0


def test_a_plan_that_is_long_over_says_so() -> None:
    """A clock that could not be held, say: no number is better than one that stands still at 0."""
    left = TimeLeft({A: (10.0,)}, workers=1, now_s=0.0)
    left.began(A, 1, 0.0)
    assert left.told(11.0) == "a few seconds left"
    assert left.told(60.0) == "taking longer than planned"


def test_workers_share_what_can_be_shared() -> None:
    """Two workers halve the sum, but nobody halves the longest promise."""
    even = TimeLeft({A: (50.0,), B: (50.0,)}, workers=2, now_s=0.0)
    even.began(A, 1, 0.0)
    assert even.left_s(0.0) == 50.0
    odd = TimeLeft({A: (90.0,), B: (10.0,)}, workers=2, now_s=0.0)
    odd.began(A, 1, 0.0)
    assert odd.left_s(0.0) == 90.0


@given(
    took=st.lists(st.floats(0, 1e4), max_size=4),
    planned=st.lists(st.lists(st.floats(0, 1e4), max_size=3), min_size=1, max_size=4),
    workers=st.integers(1, 8),
    late=st.floats(0, 1e6),
)
def test_it_is_never_negative(
    took: list[float], planned: list[list[float]], workers: int, late: float
) -> None:
    """However wrong the plan was, there are words for what is left."""
    keys = [("shop", str(number)) for number in range(len(planned))]
    left = TimeLeft(dict(zip(keys, map(tuple, planned), strict=True)), workers, 0.0)
    for key, took_s in zip(keys, took, strict=False):
        left.began(key, 9, 0.0)
        left.ended(key, took_s, took_s, whole=True)
    assert left.left_s(late) >= 0.0
    assert "left" in told(left.left_s(late))
    assert "-" not in told(left.left_s(late))
