"""Which trials are planned, what a verdict carries, and what unknown says."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from harness.contract.model import Operation
from harness.history import Arrival, Call, History
from harness.plan import Played, Trial
from harness.promises.base import Kind, TrialResult
from harness.promises.retry.kind import RetryKind
from harness.verdict import Status, Verdict
from tests.promises.retry.notation import backoff, promise
from tests.promises.retry.services import Policy, S, Service, contract, worlds
from tests.promises.retry.simulated import Doing, World, around, verify

KIND: Kind = RetryKind()
METHODS = {"fetch": "GET", "send": "POST"}


def names(words: Any, *, frozen: bool = True) -> list[str]:
    return [trial.name for trial in KIND.trials(words, around(words, METHODS, frozen=frozen))]


def one_trial(words: Any, world: World, name: str, **more: Any) -> Verdict:
    """One trial of a promise, played and judged."""
    known = replace(around(words, world.methods), **more)
    trial = next(each for each in KIND.trials(words, known) if each.name.startswith(name))
    played = world.play(trial)
    return KIND.judge(words, known, world.history, trial, played).verdict


def test_trials_follow_the_words() -> None:
    """Only what is declared is tried; the unlisted method has no spacing of its own."""
    words = promise(operation=["fetch", "send"])
    found = names(words)
    assert found[:2] == ["T1 always", "T3 success"]
    assert {"T2 matrix fetch", "T2 matrix send", "T2 timeout send", "T2 refused"} <= set(found)
    assert "T5 waits" in found
    assert not any(name.startswith(("T4", "T6", "T7", "T8")) for name in found)
    more = promise(
        operation="fetch",
        respects_retry_after=True,
        total="10s",
        client_gone="stops",
        budget={"ratio": 1.1, "over": "60s"},
    )
    assert {"T4 Retry-After", "T6 total", "T7 client gone", "T8 outage"} <= set(names(more))


def test_on_a_running_clock_waits_are_bounded_on_one_side_only() -> None:
    """Those trials that need exact waits say so."""
    words = promise(operation="fetch", backoff=backoff(jitter="full"), total="10s")
    known = around(words, METHODS, frozen=False)
    cannot = {t.name: t.cannot for t in KIND.trials(words, known) if t.cannot}
    assert cannot.keys() == {"T2 timeout fetch", "T2 refused", "T6 total", "T5 waits"}
    assert all(
        "clock" in str(why) and not t.steps for t in KIND.trials(words, known) if (why := t.cannot)
    )


@pytest.mark.parametrize(
    ("uses", "more", "said"),
    [
        ((), {}, "uses a witness"),
        (("upstream",), {"dependency": "other"}, "no operation of r uses a witness `other`"),
    ],
)
def test_without_a_witness_nothing_can_be_seen(
    uses: tuple[str, ...], more: dict[str, Any], said: str
) -> None:
    """The contract is told what to add."""
    words = promise(**more)
    operation = Operation.model_validate({"call": "GET /fetch", "uses": uses}, strict=False)
    known = replace(around(words, METHODS), operations={"fetch": operation})
    (trial,) = KIND.trials(words, known)
    assert said in str(trial.cannot)


def test_no_arrivals_are_unknown() -> None:
    """A service that never asks proves nothing, and breaks nothing."""

    def silent(method: str, world: World, left: Any) -> Doing:
        return 200
        yield 0

    verdict, _ = verify(promise(operation="fetch"), lambda: World(silent, METHODS, Random(1)))
    assert verdict.status is Status.UNKNOWN
    assert "no request reached upstream while fetch was called" in verdict.reason


def test_a_service_that_never_repeats_is_unknown_where_nothing_is_promised_of_503() -> None:
    """Fewer attempts under a budget accuse nobody, and show nothing."""
    policy = Policy(attempts=1, jitter="none")
    words = promise(operation="fetch", attempts=4, budget={"ratio": 1.1, "over": "60s"})
    verdict, _ = verify(words, worlds(policy, Random(1)))
    assert verdict.status is Status.UNKNOWN


def test_a_hanging_service_has_no_timeout() -> None:
    """The call was held all the time: that is another promise."""
    policy = Policy(jitter="none")
    world = World(Service(policy, Random(1)), METHODS, Random(1), timeout_ns=None)
    verdict = one_trial(contract(policy), world, "T2 timeout fetch")
    assert verdict.status is Status.UNKNOWN
    assert "no timeout of its own" in verdict.reason


def test_requests_that_may_be_anybodys_accuse_nobody() -> None:
    """Without ids and with another call under way attempts cannot be told apart."""
    policy = Policy(jitter="none", passes_on=False, defect="one more")
    words = contract(policy)
    world = World(Service(policy, Random(1)), METHODS, Random(1), passes_on=False)
    known = around(words, METHODS)
    trial = KIND.trials(words, known)[0]
    played = world.play(trial)
    assert KIND.judge(words, known, world.history, trial, played).verdict.status is Status.BROKEN
    calls = world.history.calls
    foreign = replace(calls[0], token="sp-99", written_ns=0, ended_ns=None)
    muddled = History((*world.history.events, foreign), world.history.arrivals)
    verdict = KIND.judge(words, known, muddled, trial, played).verdict
    assert verdict.status is Status.UNKNOWN
    assert "may be anybody's" in verdict.reason


def test_what_came_after_the_plan_is_no_fact() -> None:
    """The player's own clearing up, as releasing what is held, ends no attempt."""
    policy = Policy(jitter="none")
    words = contract(policy)
    known = around(words, METHODS)
    world = World(Service(policy, Random(1)), METHODS, Random(1))
    trial = KIND.trials(words, known)[0]
    played = world.play(trial)
    cut = Played(
        steps=played.steps[:2],
        first_call=0,
        end_call=1,
        began_ns=played.began_ns[:3],
        at_ns=(*played.at_ns[:2], world.history.arrivals[0].at_ns),
    )
    short = Trial(name=trial.name, purpose="", steps=trial.steps[:2])
    verdict = KIND.judge(words, known, world.history, short, cut).verdict
    assert verdict.status is Status.UNKNOWN
    assert verdict.evidence["attempts"] == 1


def test_a_finding_shows_its_table() -> None:
    """Attempts with their ends and waits, and the band of each reading: what a drawing is made of."""
    policy = Policy(attempts=5, initial=S, cap=3 * S, jitter="none", defect="no cap")
    verdict, results = verify(contract(policy), worlds(policy, Random(3)), confirm=2)
    assert verdict.status is Status.BROKEN
    finding = verdict.findings[0]
    assert finding.half == "delay"
    rows = finding.proof["attempts"]
    assert [row["k"] for row in rows] == [1, 2, 3, 4, 5]
    third = rows[2]
    assert third["wait_ns"] == 4_000_000_000
    assert third["next_ns"] - third["ended_ns"] == third["wait_ns"]
    assert third["bands"] == [
        {"reading": "no jitter", "lo_ns": 2_999_499_000, "hi_ns": 3_002_001_000}
    ]
    assert finding.proof["from_ns"] <= finding.proof["to_ns"]
    assert results[-1].verdict.status is Status.BROKEN


def test_statistics_show_their_places() -> None:
    """Sorted places of the worst position, test, n, p, level and the best family with its odds."""
    policy = Policy(defect="swapped")
    verdict, _ = verify(contract(policy), worlds(policy, Random(3)))
    proof = verdict.findings[0].proof
    assert proof["best"] == "equal jitter"
    assert proof["odds"] > 0
    assert proof["p"] < proof["level"] < 1e-6
    assert proof["places"] == sorted(proof["places"])
    assert len(verdict.findings[0].calls) == proof["looked_at"]


def test_kept_names_what_nothing_put_to_the_test() -> None:
    """A cap that no wait reaches is promised, and not shown."""
    policy = Policy(jitter="none", cap=5 * S, total=60 * S)
    verdict, _ = verify(contract(policy), worlds(policy, Random(3)))
    assert verdict.status is Status.KEPT
    assert "not exercised: the cap of 5s, which no wait reaches" in verdict.reason


def test_a_smoke_run_counts_and_takes_the_first_sample() -> None:
    """Its few trials can earn kept."""
    policy = Policy()
    words = contract(policy)
    known = around(words, METHODS)
    kept = [t for t in map(KIND.smoke, KIND.trials(words, known)) if t is not None]
    assert [t.name for t in kept] == [
        "T1 always",
        "T5 48 calls, waves",
        "T5 48 calls, one by one",
    ]
    make = worlds(policy, Random(5))
    results: list[TrialResult] = []
    for trial in kept:
        if not any(trial.unless & result.marks for result in results):
            world = make()
            played = world.play(trial)
            results.append(KIND.judge(words, known, world.history, trial, played))
    assert KIND.conclude(words, results).status is Status.KEPT


def test_how_answers_are_read() -> None:
    """As callers want them, otherwise, or not at all."""
    words, known = promise(), around(promise(), METHODS)
    policy = Policy(jitter="none")
    world = World(Service(policy, Random(1)), METHODS, Random(1))
    world.play(KIND.trials(words, known)[0])
    call: Call = world.history.calls[0]
    assert KIND.admitted(words, known, replace(call, status=200)) is True
    assert KIND.admitted(words, known, replace(call, status=503)) is False
    assert KIND.admitted(words, known, replace(call, status=None)) is None


def test_without_tokens_a_timer_of_the_service_is_not_taken_for_a_repeat() -> None:
    """It asks while nobody calls, too: then nothing that is told by time proves anything."""
    policy = Policy(jitter="none", passes_on=False)
    words = contract(policy)
    known = around(words, METHODS)
    world = World(Service(policy, Random(1)), METHODS, Random(1), passes_on=False)
    trial = next(each for each in KIND.trials(words, known) if each.name.startswith("T3"))
    played = world.play(trial)
    arrivals = world.history.arrivals
    own = replace(arrivals[-1], path="/config")
    during = replace(own, at_ns=arrivals[1].at_ns, status=503, target_ns=arrivals[1].target_ns)
    after = replace(own, at_ns=played.at_ns[-1] - 1, target_ns=played.began_ns[-1] - 1)

    def status(*more: Arrival) -> Status:
        history = History(world.history.events, (*arrivals, *more))
        return KIND.judge(words, known, history, trial, played).verdict.status

    assert status() is Status.KEPT
    assert status(during) is Status.BROKEN
    assert status(during, after) is Status.UNKNOWN
