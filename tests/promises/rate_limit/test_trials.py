"""The trials as plans: numbers at the ends of their range, and what a reduced set still holds."""

from __future__ import annotations

from random import Random

import pytest

from harness.plan import Send, Trial, Wait, WaitAdvised
from harness.promises.rate_limit.long_trials import is_implied, paced
from harness.promises.rate_limit.numbers import LARGE, Numbers, Scene
from harness.promises.rate_limit.trials import trials
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS, Rate, parse_rate
from tests.promises.rate_limit.notation import promise

SCENE = Scene(frozen=True, margin_ns=2 * NS_PER_MS, per_caller=None, proxy=True, rng=Random(1))
HEADER = {"headers": ["Retry-After"]}


def planned(words: RateLimit) -> dict[str, Trial]:
    """The trials by name."""
    return {trial.name: trial for trial in trials(words, SCENE)}


def rates(*texts: str) -> list[Rate]:
    """Several limits."""
    return [parse_rate(text) for text in texts]


@pytest.mark.parametrize(
    "words",
    [
        promise("1/s"),
        promise("1/d"),
        promise("2/10s", window="fixed"),
        promise("200/s", window="approximate"),
        promise("1/10s", burst=1),
        promise("5/d", burst=2),
        promise("10/min", burst=4, refill="12s"),
        promise("1000/s", burst=50, granularity="100us"),
        promise(["10/10s", "11/11s"]),
        promise("3/10s", key="global"),
        promise("3/10s", refused_count="yes", exceeded=HEADER, retry_after="exact"),
    ],
    ids=str,
)
def test_every_plan_can_be_played(words: RateLimit) -> None:
    """Each send makes at least one call, and no expectation is over what is sent."""
    for trial in trials(words, SCENE):
        assert trial.steps or trial.cannot, trial.name
        for step in trial.steps:
            if isinstance(step, Send):
                assert step.times >= 1, trial.name
                assert (
                    step.expect is None or 0 <= step.expect.least <= step.expect.most <= step.times
                )


def test_the_reduced_set_begins_over_200() -> None:
    """At 200 all trials, at 201 the few that are enough, with every way round the limit in T1."""
    whole = planned(promise(f"{LARGE}/min", key="ip"))
    reduced = planned(promise(f"{LARGE + 1}/min", key="ip", exceeded=HEADER))
    assert "T4 keys" in whole
    assert set(reduced) == {"T1 edge", "T2 straddle", "T3 concurrent"}
    sends = [step for step in reduced["T1 edge"].steps if isinstance(step, Send)]
    assert any(step.forwarded == "*" for step in sends)
    assert any(step.connection == "second" for step in sends)
    assert any(step.caller == "others" for step in sends)
    assert [step.times for step in sends if step.together] == [8], "the brink"
    assert any(isinstance(step, WaitAdvised) for step in reduced["T1 edge"].steps)
    assert sum(trial.calls for trial in reduced.values()) <= 4 * (LARGE + 1) + 60


def test_a_large_fixed_window_is_told_from_a_bucket_too() -> None:
    """Three windows in a row instead of twelve; over 200 calls each it takes seconds, not minutes."""
    small = planned(promise("100/min", window="fixed"))["T7 saturate"]
    large = planned(promise("201/min", window="fixed"))
    assert len(large["T7 saturate"].steps) * 4 == len(small.steps)
    assert "T7 bucket" in large


def test_a_large_bucket_is_tried_concurrently_and_by_every_way_round() -> None:
    """Its edges, its size, a burst at once, other connections."""
    names = planned(promise("600/min", burst=300, key="ip"))
    assert set(names) == {"T1b edge", "T1b rest", "T1 edge", "T3 concurrent"}


def test_fast_buckets_are_judged_by_several_tokens() -> None:
    """Where one token comes within the margin; and where even that says nothing, the trial says so."""
    assert "one token" in planned(promise("200/s", burst=5))["T1b edge"].purpose
    several = planned(promise("500/s", burst=50))["T1b edge"]
    assert "9 tokens" in several.purpose
    tiny = planned(promise("500/s", burst=2))["T1b edge"]
    assert tiny.cannot is not None
    assert "full again too soon" in tiny.cannot
    blurred = planned(promise("1000/s", burst=50))["T1b edge"]
    assert blurred.cannot is not None
    assert "within the granularity of 1ms" in blurred.cannot


def test_a_shared_key_is_rested_between_the_rounds() -> None:
    """All callers have one budget: each round of T3 needs it whole."""
    own = planned(promise("5/10s"))["T3 concurrent"]
    shared = planned(promise("5/10s", key="global"))["T3 concurrent"]
    assert not any(isinstance(step, Wait) for step in own.steps)
    assert sum(isinstance(step, Wait) for step in shared.steps) == 2


def test_each_longer_limit_has_its_trial() -> None:
    """The longest of three is reached at the pace of the two before it."""
    names = planned(promise(["5/s", "50/min", "500/h"]))
    assert {"T8 several limits", "T8 several limits 2"} <= set(names)


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        (["10/10s", "30/100s"], [10, 10, 10, 2]),
        (["10/10s", "11/11s"], [10, 1, 2]),
        (["3/10s", "29/100s"], [3] * 9 + [2, 1]),
        (["1/s", "2/10s", "3/min"], [1, 1, 1, 1]),
    ],
)
def test_the_pace_is_what_the_shorter_limits_admit(limits: list[str], calls: list[int]) -> None:
    """Full batches, and last one or two calls that only the longest limit can refuse."""
    *shorter, longest = rates(*limits)
    n = Numbers.of(promise(limits), SCENE)
    batches = paced(longest, shorter, n)
    assert batches is not None
    assert [batch.calls for batch in batches] == calls


def test_what_a_shorter_limit_implies_needs_no_trial() -> None:
    """10 in 10 s are never more than 100 in 100 s; 99 is another matter."""
    short, implied, telling = rates("10/10s", "100/100s", "99/100s")
    assert is_implied(implied, short)
    assert not is_implied(telling, short)
    assert not any("T8" in name for name in planned(promise(["10/10s", "100/100s"])))


def test_a_limit_that_is_out_of_reach_says_so() -> None:
    """With a coarse granularity the pace is too slow: *unknown*, with what would settle it."""
    words = promise(["10/10s", "99/95s"], granularity="2s")
    trial = planned(words)["T8 several limits"]
    assert trial.cannot is not None
    assert "is not reached" in trial.cannot


def test_refusals_that_count_are_not_made_before_the_longer_limit() -> None:
    """They would be charged to it, rightly."""
    counted = planned(promise(["10/10s", "30/100s"], refused_count="yes"))["T8 several limits"]
    plain = planned(promise(["10/10s", "30/100s"]))["T8 several limits"]
    assert counted.calls == plain.calls - 40


def test_exact_is_tried_by_who_comes_too_early() -> None:
    """More than a second before the advised wait is over, and again when it is."""
    words = promise(exceeded=HEADER, retry_after="exact")
    waits = [
        step for step in planned(words)["T5 Retry-After 1"].steps if isinstance(step, WaitAdvised)
    ]
    assert [wait.extra_ns < -1_000_000_000 for wait in waits] == [True, False]
