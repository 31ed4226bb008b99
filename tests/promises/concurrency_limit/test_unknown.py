"""What proves nothing is unknown, with the reason: narrow services, caches, lost tokens, other limits."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from harness.contract.words import Promise
from harness.history import FaultBegan, FaultEnded
from harness.plan import Answering, Fire, Leave, Reaching, Trial, Wait
from harness.promises.base import Surroundings, TrialResult
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.promises.rate_limit.words import RateLimit
from harness.script import HOLD, always
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.concurrency_limit.services import Limiter, Policy
from tests.promises.concurrency_limit.test_simulated import KIND, around, promise, verify
from tests.promises.flights import Flying, World

POLICY = Policy(limit=3, queue=2)
WORDS: dict[str, Any] = {"limit": 3, "queue": 2, "rejected": {"status": 429}}
BREAKER: dict[str, Any] = {
    "id": "b",
    "kind": "circuit_breaker",
    "operation": "export",
    "dependency": "model",
    "counts": ["5xx"],
    "recovery": "60s",
    "trips": {"consecutive": 2},
}


def play(
    name: str, service: Limiter, made: ConcurrencyLimit, where: Surroundings, **world: Any
) -> TrialResult:
    """One trial of a promise, by its name."""
    trial = next(each for each in KIND.trials(made, where) if each.name == name)
    simulated = World(service, Random(5), **world)
    played = simulated.play(trial)
    return KIND.judge(made, where, simulated.history(), trial, played)


@pytest.mark.parametrize("width", [1, 2, 4, 5])
@pytest.mark.parametrize("control", [True, False])
def test_a_narrow_service_is_never_accused(width: int, control: bool) -> None:
    """Who waits for a worker looks as if he waited for a slot; only a refusal shows more."""
    rng = Random(width)
    narrow = replace(POLICY, width=width)
    verdict, _ = verify(promise(**WORDS), narrow, rng, control=control)
    assert verdict.status is Status.UNKNOWN, verdict
    assert "would settle it" in verdict.reason
    assert f"serves {width} calls at once" in verdict.reason or not control


def test_a_service_may_go_on_for_clients_that_left() -> None:
    """Five of its six hands are busy with calls of another operation that nobody waits for any more."""
    made = promise(**WORDS)
    steps = (
        Answering(dependency="model", script=always(HOLD)),
        Fire(group="any-1", times=5, fresh=True, operation="control"),
        Leave(group="any-1"),
        Fire(group="any-3", times=3, fresh=True, operation="export"),
        Wait(ns=NS_PER_S),
    )
    trial = Trial(name="any", purpose="", steps=steps)
    world = World(Limiter(replace(POLICY, width=6)), Random(5))
    played = world.play(trial)
    where = around(made, Random(1))
    found = KIND.judge(made, where, world.history(), trial, played)
    assert found.verdict.status is Status.UNKNOWN, found.verdict


@pytest.mark.parametrize("seen", [True, False])
def test_calls_hold_slots_while_nobody_can_see_them_arrive(seen: bool) -> None:
    """A dependency that cannot be connected to: it looks as if nobody were let in."""
    made = promise(**WORDS)
    steps = (
        Reaching("model", "black_hole"),
        Fire(group="any-1", times=6, fresh=True),
        Reaching("model", "open"),
        Leave(group="any-1"),
        Wait(ns=NS_PER_S),
    )
    trial = Trial(name="any", purpose="", steps=steps)
    world = World(Limiter(replace(POLICY, width=12)), Random(5))
    played = world.play(trial)
    history = world.history()
    if not seen:
        told = {"seq": 0, "target_ns": 0, "dependency": "model"}
        began = FaultBegan(at_ns=played.at_ns[0], fault="black_hole", effect=1, **told)  # type: ignore[arg-type]
        ended = FaultEnded(at_ns=played.at_ns[2], data_kept=True, **told)  # type: ignore[arg-type]
        history = replace(history, events=(*history.events, began, ended))
    where = around(made, Random(1))
    found = KIND.judge(made, where, history, trial, played).verdict
    assert found.status is (Status.BROKEN if seen else Status.UNKNOWN), found


@pytest.mark.parametrize("control", [True, False])
def test_a_service_that_is_wide_enough_is_kept_without_control_too(control: bool) -> None:
    """A refusal while all wait shows that nobody waits for a worker."""
    verdict, _ = verify(promise(**WORDS), replace(POLICY, width=12), Random(3), control=control)
    assert verdict.status is Status.KEPT, verdict


def test_a_cache_that_answers_is_no_refusal() -> None:
    """Answered well though nothing arrived: neither refused nor inside."""
    made = promise(limit=3)
    result = play("T2 saturate", Cached(POLICY), made, around(made, Random(1)))
    assert result.verdict.status is Status.UNKNOWN
    assert "nothing reached the dependency" in result.verdict.reason


def test_a_wrong_form_of_refusal_is_broken() -> None:
    """Calls beyond limit and queue are answered 429, where 503 is declared."""
    made = promise(limit=3, queue=2, rejected={"status": 503})
    result = play("T2 saturate", Limiter(POLICY), made, around(made, Random(1)))
    assert result.verdict.findings[0].half == "form"
    assert "answered 429, where a refusal with 503 is promised" in result.verdict.reason


def test_requests_without_their_token_say_nothing() -> None:
    """Nobody can tell whose request is held; the reason says what the service should pass on."""
    made = promise(**WORDS)
    where = around(made, Random(1))
    result = play("T2 saturate", Limiter(POLICY), made, where, passes_on=False)
    assert result.verdict.status is Status.UNKNOWN
    assert "X-Request-ID" in result.verdict.reason


def test_another_promise_may_have_refused() -> None:
    """A rate limit on the same operation, with a refusal of the same form."""
    rate = RateLimit.model_validate(
        {"id": "r", "kind": "rate_limit", "operation": "export", "key": "ip", "limit": "9/min"},
        strict=False,
    )
    made = promise(**WORDS)
    shared: tuple[Promise, ...] = (made, rate)
    where = replace(around(made, Random(1)), promises=shared)
    early = Limiter(Policy(limit=3, queue=0))
    result = play("T2 saturate", early, made, where)
    assert result.verdict.status is Status.UNKNOWN
    assert "refused, perhaps by r" in result.verdict.reason
    alone = play("T2 saturate", early, made, around(made, Random(1)))
    assert alone.verdict.status is Status.BROKEN


def test_each_operation_passes_its_tokens_on_or_nobody_is_judged() -> None:
    """Of two operations one tells who is inside; the calls of the other would look as if they waited."""
    made = promise(**WORDS).model_copy(update={"operation": ("export", "report")})
    where = around(made, Random(1))
    both = {**where.operations, "report": where.operations["export"]}
    where = replace(where, operations=both)
    trial = next(each for each in KIND.trials(made, where) if each.name == "T6 error")
    world = World(Limiter(POLICY), Random(5), operations=("export", "report"))
    played = world.play(trial)
    history = world.history()
    assert KIND.judge(made, where, history, trial, played).verdict.status is Status.KEPT
    hidden = {call.token for call in history.calls if call.operation == "report"}
    bare = tuple(
        replace(each, token=None) if each.token in hidden else each for each in history.arrivals
    )
    verdict = KIND.judge(made, where, replace(history, arrivals=bare), trial, played).verdict
    assert verdict.status is Status.UNKNOWN, verdict
    assert "requests of report" in verdict.reason


def test_what_the_service_asks_by_itself_is_nobodys_call() -> None:
    """Where each call is known by its token, a request without one is the service's own."""
    made = promise(**WORDS)
    where = around(made, Random(1))
    for passes_on, status in ((True, Status.KEPT), (False, Status.UNKNOWN)):
        verdict = play("T2 saturate", Refreshing(POLICY), made, where, passes_on=passes_on).verdict
        assert verdict.status is status, verdict


@pytest.mark.parametrize("form", ["open", "fallback", None])
def test_a_breaker_may_have_refused_in_any_form_that_it_has_not_declared(form: str | None) -> None:
    """What is declared must fit; where nothing is, every answer that is no success may be its own."""
    made = promise(**WORDS)
    early = Limiter(Policy(limit=3, queue=0))
    for status, judged in ((429, Status.UNKNOWN), (503, Status.BROKEN)):
        words = {} if form is None else {form: {"status": status}}
        breaker = CircuitBreaker.model_validate_json(json.dumps({**BREAKER, **words}))
        where = replace(around(made, Random(1)), promises=(made, breaker))
        verdict = play("T2 saturate", early, made, where).verdict
        assert verdict.status is (judged if form else Status.UNKNOWN), verdict
        assert verdict.status is Status.BROKEN or "refused, perhaps by b" in verdict.reason


def test_a_smaller_limit_beside_it_accuses_nobody() -> None:
    """Two for all callers, three for each: who is kept out by the one is not held against the other."""
    made = promise(limit=3, queue=0, key="org", rejected={"status": 429})
    total = promise(limit=2, queue=0).model_copy(update={"id": "total"})
    where = replace(around(made, Random(1)), promises=(made, total))
    service = Limiter(Policy(limit=2, queue=0))
    result = play("T2 saturate", service, made, where)
    assert result.verdict.status is Status.UNKNOWN, result.verdict
    assert "3 calls were never inside at once" in result.verdict.reason


def test_an_operation_without_a_witness_cannot_be_tried() -> None:
    """Nothing could be held."""
    made = promise(limit=3)
    (trial,) = KIND.trials(made, replace(around(made, Random(1)), dependencies={}))
    assert "names no witness under `uses`" in str(trial.cannot)


def test_what_words_and_clock_do_not_give_is_said() -> None:
    """One process, no queue, a real clock: those trials say why they cannot be."""
    made = promise(limit=3, queue=0)
    where = replace(around(made, Random(1)), frozen=False)
    cannot = {each.name: each.cannot for each in KIND.trials(made, where) if each.cannot}
    assert set(cannot) == {"T5 leavers", "T6 timeout", "T6 killed"}
    assert not any(each.needed for each in KIND.trials(made, where) if each.cannot)


def test_in_real_time_only_too_many_inside_is_proved() -> None:
    """Who waits cannot be told from who is on the way; but those that are held at once are."""
    made = promise(**WORDS)
    where = replace(around(made, Random(1)), frozen=False)
    for policy in (POLICY, replace(POLICY, limit=2), replace(POLICY, queue=0)):
        result = play("T2 saturate", Limiter(policy), made, where, real=True)
        assert result.verdict.status is Status.UNKNOWN
        assert "a held clock would settle it" in result.verdict.reason
    wide = Limiter(replace(POLICY, limit=4))
    result = play("T2 saturate", wide, made, where, real=True)
    assert result.verdict.findings[0].half == "upper"


def test_the_cost_of_a_verification() -> None:
    """Four slots and four places: a few thousand calls, and no plan beyond a thousand steps."""
    made = promise(limit=4, queue=4, key="org")
    planned = KIND.trials(made, around(made, Random(1)))
    assert sum(trial.calls for trial in planned) < 3_000
    assert max(len(trial.steps) for trial in planned) < 400


def test_the_proof_can_be_drawn() -> None:
    """Held spans of each key and the level against the limit, up to where they part."""
    made = promise(**WORDS)
    result = play("T2 saturate", Limiter(replace(POLICY, limit=4)), made, around(made, Random(1)))
    (proof,) = {id(f.proof): f.proof for f in result.verdict.findings[:1]}.values()
    assert (proof["limit"], proof["queue"], proof["count"]) == (3, 2, 4)
    assert sum(lane["proves"] for lane in proof["lanes"]) == 4
    assert proof["level"][-1][1:] == [4, 2]
    assert proof["parts_ns"] > 0


class Cached(Limiter):
    """Answers every third call from a cache."""

    def request(self, call: Flying) -> None:
        if call.number % 3 == 0:
            self.world.reply(call, 200)
        else:
            super().request(call)


class Refreshing(Limiter):
    """Asks for something of its own with each call."""

    def request(self, call: Flying) -> None:
        self.world.ask(None, lambda _event, _value: None)
        super().request(call)
