"""The kind: which trials the words ask for, and what *kept* must have seen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.contract.model import Dependency, Operation
from harness.history import History, TargetStarted
from harness.plan import Fire, Trial
from harness.promises.base import LEFT_OUT, Surroundings, TrialResult
from harness.promises.circuit_breaker.plans import Phase
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Status, Verdict
from tests.promises.circuit_breaker.breakers import Breaker, Manner, serve
from tests.promises.circuit_breaker.simulated import KIND, around, promise, verify, world
from tests.promises.simulator import Ask, Serve, Serving, Simulator

SUM = {
    "trips": [
        {"consecutive": 5},
        {"rate": 0.5, "minimum": 10, "over": "60s", "window": "rolling"},
    ],
    "half_open": {"permits": 1, "successes": 2},
    "call_timeout": "30s",
}


def scene(words: CircuitBreaker, **more: Any) -> Surroundings:
    return replace(around(words, Seed(1).stream("plans")), **more)


def names(words: CircuitBreaker, **more: Any) -> list[str]:
    """The trials that are played."""
    return [t.name for t in KIND.trials(words, scene(words, **more)) if t.cannot is None]


def healthy(**words: Any) -> tuple[CircuitBreaker, list[TrialResult]]:
    its = promise(**words)
    seed = Seed(1)
    result = verify(its, seed, world(its, Manner(), seed.stream("service")))
    return its, result.results


def test_the_trials_of_a_contract_with_all_words() -> None:
    """Consecutive failures and a rate in a rolling window, with a timeout of the call."""
    assert names(promise(**SUM)) == [
        "T2 opens and recovers",
        "T3 permits",
        "T4 failing trials",
        "T7 mixed outcomes",
        "T8 expiry",
        "T8 rolling",
        "T9 volume",
        "T9 rate",
        "T10 uncounted outcomes",
        "T14 kinds of failure",
        "T14 refused connections",
        "T11 hanging trials",
        "T12 at once and late",
        "T16 random 1",
        "T16 random 2",
    ]


def test_in_real_time_some_trials_cannot_be() -> None:
    """They say why, and *kept* does not ask for them."""
    found = KIND.trials(promise(**SUM), scene(promise(**SUM), frozen=False))
    left = [trial for trial in found if trial.cannot is not None]
    assert {trial.name.split()[0] for trial in left} == {"T8", "T11", "T14", "T16"}
    assert not any(trial.needed for trial in left)


def test_every_trial_starts_afresh_and_is_of_bounded_cost() -> None:
    """About 500 calls and an hour of the target's clock, as the semantics foretell."""
    found = KIND.trials(promise(**SUM), scene(promise(**SUM)))
    assert {trial.fresh for trial in found} == {"restart"}
    assert sum(trial.span_ns for trial in found) < 5_000 * NS_PER_S
    for step in (step for trial in found for step in trial.steps if isinstance(step, Fire)):
        assert Phase.of(step.group)


def test_a_dependency_that_is_no_witness_shows_nothing() -> None:
    """The reason names what would settle it."""
    (trial,) = KIND.trials(
        promise(), scene(promise(), dependencies={"search": Dependency(kind="valkey")})
    )
    assert "kind `witness`" in (trial.cannot or "")


def test_only_silence_counts() -> None:
    """A contract under which a failure costs a timeout each cannot be tried in bulk."""
    trials = KIND.trials(promise(counts=["timeout"]), scene(promise(counts=["timeout"])))
    assert all("only timeouts count" in (trial.cannot or "") for trial in trials)


@pytest.mark.parametrize("missing", range(5))
def test_kept_needs_every_trial(missing: int) -> None:
    """Without one of them the promise is unknown, and says which."""
    its, results = healthy()
    assert KIND.conclude(its, results).status is Status.KEPT
    lost = results[missing]
    results[missing] = replace(lost, verdict=Verdict.unknown(f"{lost.trial.name} was lost"))
    assert KIND.conclude(its, results) == Verdict.unknown(
        f"{lost.trial.name} was lost", KIND.conclude(its, results).evidence
    )


def test_no_trial_at_all_is_unknown() -> None:
    """An empty history proves nothing."""
    trial = Trial(name="T2", purpose="", steps=())
    history = History((TargetStarted(seq=0, at_ns=0, target_ns=0, clock="frozen", exclusive=True),))
    its = promise()
    from harness.plan import Played

    played = Played(steps=(), first_call=0, end_call=0, at_ns=(1,), began_ns=(0,))
    result = KIND.judge(its, scene(its), history, trial, played)
    assert result.verdict.status is Status.KEPT  # nothing was asked for, and nothing seen
    assert KIND.conclude(its, [result]).status is Status.UNKNOWN


def test_others_may_have_used_the_target() -> None:
    """Nobody knows how the breaker of an attached target stood: nothing is said of it."""
    its = promise()
    rng = Seed(1).stream("service")
    simulator = world(its, Manner(), rng)()
    trial = KIND.trials(its, scene(its))[0]
    history, played = simulator.play(trial)
    attached = tuple(
        replace(event, exclusive=False) if isinstance(event, TargetStarted) else event
        for event in history.events
    )
    result = KIND.judge(its, scene(its), History(attached, history.arrivals), trial, played)
    assert "others may have used the target" in result.verdict.reason


def test_a_smoke_run_plays_opening_and_permits() -> None:
    """What it leaves out is not asked for."""
    its, results = healthy()
    kept = [
        result
        if KIND.smoke(result.trial)
        else replace(
            result,
            trial=replace(result.trial, steps=(), needed=False, cannot=LEFT_OUT),
            verdict=Verdict.unknown("left out"),
        )
        for result in results
    ]
    assert sum(result.verdict.status is Status.KEPT for result in kept) == 2
    assert KIND.conclude(its, kept).status is Status.KEPT


def test_several_permits_behind_one_thread_are_unknown() -> None:
    """The service lets one call at a time through; one permit is kept all the same."""
    for permits, status in ((1, Status.KEPT), (3, Status.UNKNOWN)):
        its = promise(half_open={"permits": permits, "successes": 1})
        seed = Seed(2)
        make = world(its, Manner(serial=True), seed.stream("service"))
        assert verify(its, seed, make).verdict.status is status


# -- forms, neighbours, workers ---------------------------------------------------------------------


def test_the_form_of_a_refusal() -> None:
    """Declared is 429; the service says 503."""
    its = promise(open={"status": 429})
    seed = Seed(1)
    found = verify(its, seed, world(its, Manner(), seed.stream("service"))).verdict
    assert found.findings[0].half == "form"
    assert found.reason.startswith("wrong refusal form: refused at 0.000 s with 503, status 429")


def test_the_form_is_read_for_reports() -> None:
    """By the answer alone: passed, refused as declared, or neither."""
    its = promise(open={"status": 503})
    simulator = world(its, Manner(), Seed(1).stream("service"))()
    trial = KIND.trials(its, scene(its))[0]
    history, _ = simulator.play(trial)
    said = [KIND.admitted(its, scene(its), call) for call in history.calls]
    assert said[:4] == [None, None, None, False]
    assert True in said


def two(breaker: Breaker, *, shared: bool) -> Serve:
    """Operation ``find`` calls ``search`` behind the breaker, ``buy`` calls ``shop`` behind it or not."""
    guarded = {name: serve(breaker, name) for name in ("search", "shop")}

    def serving(call: Any, now: Any) -> Serving:
        if call.operation == "find":
            return (yield from guarded["search"](call, now))
        if shared:
            return (yield from guarded["shop"](call, now))
        return (yield Ask("shop")) or 200

    return serving


@pytest.mark.parametrize("shared", [True, False])
def test_another_dependency_is_left_alone(shared: bool) -> None:
    """One breaker for both cuts off what has nothing to do with it."""
    its = promise()
    buy = Operation.model_validate_json(json.dumps({"call": "GET /buy", "uses": "shop"}))
    rng = Seed(1).stream("service")
    witness = Dependency(kind="witness")
    known = scene(its)
    surroundings = replace(
        known,
        operations={**known.operations, "buy": buy},
        dependencies={"search": witness, "shop": witness},
    )
    trial = next(t for t in KIND.trials(its, surroundings) if t.name == "T15 neighbours")
    from harness.promises.circuit_breaker.numbers import rules_of

    breaker = Breaker(rules_of(its), Manner(), rng)
    simulator = Simulator(two(breaker, shared=shared), its.operation, rng)
    history, played = simulator.play(trial)
    verdict = KIND.judge(its, surroundings, history, trial, played).verdict
    assert verdict.status is (Status.BROKEN if shared else Status.KEPT), verdict
    if shared:
        assert verdict.reason.startswith("other dependency cut off: buy reached shop")


@pytest.mark.parametrize(
    ("own", "shared", "status"),
    [
        (True, False, Status.BROKEN),
        (False, False, Status.KEPT),
        (True, True, Status.UNKNOWN),
    ],
)
def test_calls_at_once_through_a_closed_breaker(own: bool, shared: bool, status: Status) -> None:
    """Declared are four; a lock around the call lets one through. If it does beside it too, who knows?"""
    its = promise(concurrent=4)
    buy = Operation.model_validate_json(json.dumps({"call": "GET /buy", "uses": "shop"}))
    rng = Seed(1).stream("service")
    witness = Dependency(kind="witness")
    known = scene(its)
    surroundings = replace(
        known,
        operations={**known.operations, "buy": buy},
        dependencies={"search": witness, "shop": witness},
    )
    from harness.promises.circuit_breaker.numbers import rules_of

    breaker = Breaker(rules_of(its), Manner(serial=own), rng)
    trial = next(t for t in KIND.trials(its, surroundings) if t.name == "T0 at once")
    simulator = Simulator(two(breaker, shared=shared), its.operation, rng)
    history, played = simulator.play(trial)
    verdict = KIND.judge(its, surroundings, history, trial, played).verdict
    assert verdict.status is status, verdict


@pytest.mark.parametrize(
    ("workers", "scope", "status"),
    [(3, "process", Status.KEPT), (4, "process", Status.BROKEN), (3, "shared", Status.BROKEN)],
)
def test_breakers_of_several_workers(workers: int, scope: str, status: Status) -> None:
    """Three are seen to serve: three breakers let 3 F failures through, and a shared one F."""
    its = promise(scope=scope)
    rng = Seed(1).stream("service")
    from harness.promises.circuit_breaker.numbers import rules_of

    breakers = [Breaker(rules_of(its), Manner(), rng) for _ in range(workers)]
    services = [serve(breaker) for breaker in breakers]

    def serving(call: Any, now: Any) -> Serving:
        return (yield from rng.choice(services)(call, now))

    surroundings = scene(its, serving=3)
    trial = KIND.trials(its, surroundings)[0]
    simulator = Simulator(serving, its.operation, rng)
    history, played = simulator.play(trial)
    verdict = KIND.judge(its, surroundings, history, trial, played).verdict
    assert verdict.status is status, verdict


def test_plans_can_be_read_back_from_a_file() -> None:
    """A counterexample's file holds the steps of a trial; replay reads them."""
    from harness.plan import step_to_json
    from harness.planfile import steps_from_json

    its = promise(**SUM)
    for trial in KIND.trials(its, scene(its)):
        written = json.loads(json.dumps([step_to_json(step) for step in trial.steps]))
        assert steps_from_json(written) == trial.steps
