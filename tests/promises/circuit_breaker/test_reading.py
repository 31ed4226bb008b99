"""How calls and arrivals are read as points: retries, clients that leave, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.history import Arrival, FaultBegan, History
from harness.plan import Answering, Fire, Leave, Release, Step, Trial, Wait
from harness.promises.circuit_breaker.kind import CircuitBreakerKind
from harness.promises.circuit_breaker.matching import stretch
from harness.promises.circuit_breaker.numbers import rules_of
from harness.promises.circuit_breaker.reading import Reader, Story
from harness.script import HOLD, USUAL, Answer, always
from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.circuit_breaker.breakers import Breaker, Manner, serve
from tests.promises.circuit_breaker.services import (
    all_attempts,
    bare,
    cached,
    each_attempt,
    limited,
)
from tests.promises.circuit_breaker.simulated import Result, around, promise, verify
from tests.promises.simulator import Serve, Simulator

FAIL = Answering(dependency="search", script=always(Answer(status=503)))
HELD = Answering(dependency="search", script=always(HOLD))
Build = Callable[[Breaker], Serve]


def simulator(build: Build, **settings: object) -> Simulator:
    rng = Seed(1).stream("service")
    words = promise(**{k: v for k, v in settings.items() if k not in {"notices", "tokens"}})
    breaker = Breaker(rules_of(words), Manner(), rng)
    return Simulator(
        build(breaker),
        words.operation,
        rng,
        notices=bool(settings.get("notices", True)),
        tokens=bool(settings.get("tokens", True)),
    )


def story(world: Simulator, *steps: Step) -> Story:
    """What the calls of a plan are read as."""
    trial = Trial(name="T", purpose="", steps=steps, fresh="restart")
    history, played = world.play(trial)
    seen = stretch(history, ("find",), "search", played.at_ns[-1])
    assert not seen.unmatched
    return Reader(promise(), seen, ours=frozenset(seen.calls)).story()


def fire(times: int, group: str = "any-0", *, together: bool = False) -> Fire:
    return Fire(group=group, times=times, together=together)


def verified(build: Build, *, tokens: bool = True, **words: object) -> Result:
    """A healthy breaker in a service of that build."""
    its = promise(**words)
    seed = Seed(3)

    def make() -> Simulator:
        rng = seed.stream("service")
        breaker = Breaker(rules_of(its), Manner(), rng)
        return Simulator(build(breaker), its.operation, rng, tokens=tokens)

    return verify(its, seed, make)


def test_calls_are_admitted_rejected_and_counted() -> None:
    """Three failures open it; the fourth call has an answer and no arrival."""
    found = story(simulator(serve), FAIL, fire(4))
    assert (len(found.admitted), len(found.rejected), found.lost) == (3, 1, ())
    assert found.outcomes == ("failed",) * 3
    assert len(found.readings) == 1


def test_several_attempts_are_read_in_two_ways() -> None:
    """One call with three attempts is one failure, or three."""
    found = story(simulator(each_attempt), FAIL, fire(1))
    sizes = {name: len(points) for name, points in found.readings.items()}
    assert sizes == {"around all attempts of a call": 2, "around each attempt": 6}


@pytest.mark.parametrize("build", [each_attempt, all_attempts])
def test_retries_inside_and_outside_are_honest(build: Build) -> None:
    """Whether each attempt counts or each call is the breaker's own business."""
    found = verified(build)
    assert found.verdict.status is not Status.BROKEN
    assert found.results[0].verdict.status is Status.KEPT


@pytest.mark.parametrize("notices", [True, False])
def test_a_client_that_leaves(notices: bool) -> None:
    """Its call ends somewhere between its leaving and what the dependency says in the end."""
    found = story(
        simulator(serve, notices=notices),
        HELD,
        fire(1, "any-1"),
        Leave(group="any-1"),
        Wait(ns=NS_PER_S),
        Release(dependency="search", answer=USUAL),
    )
    assert found.outcomes == (("gone",) if notices else ("gone_ok",))
    assert found.rejected == ()


def test_a_call_that_is_under_way_has_no_end_yet() -> None:
    """What is held is admitted, and nothing more."""
    found = story(simulator(serve), HELD, fire(2, together=True))
    (points,) = found.readings.values()
    assert [point.what for point in points] == ["admitted", "admitted"]


def test_a_timeout_of_the_service_is_a_failure() -> None:
    """It goes away from the dependency, and says so to its own caller."""
    found = story(
        simulator(serve, call_timeout="5s"), HELD, fire(1, together=True), Wait(ns=6 * NS_PER_S)
    )
    assert found.outcomes == ("failed",)
    (points,) = found.readings.values()
    assert points[1].time == (6 * NS_PER_S, 6 * NS_PER_S)


def test_without_tokens_arrivals_are_matched_by_time() -> None:
    """One call under way at a time, and bursts of which some are held and the others refused."""
    found = verified(serve, tokens=False)
    assert found.verdict.status is Status.KEPT, found.verdict


def test_a_service_without_a_breaker() -> None:
    """Calls go on, whatever fails."""
    found = verified(bare)
    assert found.verdict.status is Status.BROKEN
    assert found.verdict.reason.startswith("not open after 3 failures")


def test_a_service_that_does_not_call_its_dependency() -> None:
    """Nothing is known, and what would settle it is said."""
    found = verified(cached)
    assert found.verdict.status is Status.UNKNOWN
    assert "no failure reached search" in found.verdict.reason


def _as_it_was(history: History) -> History:
    return replace(history, arrivals=tuple(_good(each) for each in history.arrivals))


def _good(arrival: Arrival) -> Arrival:
    return replace(arrival, state="answered", status=200)


def _torn(history: History) -> History:
    arrivals = tuple(replace(_good(each), torn=True) for each in history.arrivals)
    return replace(history, arrivals=arrivals)


def _too_late(history: History) -> History:
    arrivals = [_good(each) for each in history.arrivals]
    late_ns = arrivals[1].target_ns + 5 * NS_PER_S
    arrivals[1] = replace(arrivals[1], ended_target_ns=late_ns)
    return replace(history, arrivals=tuple(arrivals))


def _away(history: History) -> History:
    began = FaultBegan(
        seq=0,
        at_ns=history.arrivals[-1].at_ns,
        target_ns=0,
        dependency="search",
        fault="refused",
        effect=1,
    )
    arrivals = tuple(_good(each) for each in history.arrivals[:2])
    return History((*history.events[:1], began, *history.events[1:]), arrivals)


def _away_and_waited(history: History) -> History:
    """The call that found nobody there was answered only after a while, as if it had tried again."""
    seen = _away(history)
    events = [
        replace(event, ended_target_ns=(event.ended_target_ns or 0) + NS_PER_S)
        if event is seen.calls[2]
        else event
        for event in seen.events
    ]
    return History(tuple(events), seen.arrivals)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (_as_it_was, Status.BROKEN, "opened early"),
        (_torn, Status.UNKNOWN, "broke off within an answer"),
        (_too_late, Status.UNKNOWN, "may just have given up"),
        (_away, Status.KEPT, "every call was treated as promised"),
        (_away_and_waited, Status.UNKNOWN, "nobody saw whether it was tried"),
    ],
)
def test_failures_that_only_the_service_sees_accuse_nobody(
    change: Callable[[History], History], status: Status, reason: str
) -> None:
    """It opened after three: answers that were not whole, came too late, or connects that failed."""
    its = promise(call_timeout="5s")
    trial = Trial(name="T", purpose="", steps=(FAIL, fire(4)), fresh="restart")
    history, played = simulator(serve, call_timeout="5s").play(trial)
    scene = around(its, Seed(1).stream("plans"))
    found = CircuitBreakerKind().judge(its, scene, change(history), trial, played).verdict
    assert found.status is status, found
    assert reason in found.reason


def test_another_promises_refusals_accuse_nobody() -> None:
    """A call that a rate limit may have refused says nothing of the breaker."""
    its = promise()
    other = its.model_copy(update={"id": "limit", "kind": "rate_limit"})
    world = simulator(limited)
    trial = Trial(name="T", purpose="", steps=(FAIL, fire(4)), fresh="restart")
    history, played = world.play(trial)
    scene = replace(around(its, Seed(1).stream("plans")), promises=(its, other))
    found = CircuitBreakerKind().judge(its, scene, history, trial, played)
    assert found.verdict.status is Status.UNKNOWN
    assert "another promise" in found.verdict.reason
