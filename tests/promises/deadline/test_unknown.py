"""What proves nothing is unknown, with the reason: faults that no call met, plans that cannot be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from harness.history import ClockMoved, Rested
from harness.plan import Answering, Fire, Jump, Trial
from harness.promises.base import TrialResult
from harness.promises.deadline.reading import read
from harness.script import HOLD, Answer, always
from harness.units import NS_PER_MS, NS_PER_S
from harness.verdict import Status, Verdict
from tests.promises.deadline.services import Timed, Work, bounded
from tests.promises.deadline.test_simulated import KIND, around, promise, verify
from tests.promises.flights import Flying, World

D_NS = 5 * NS_PER_S


def play(name: str, service: Timed, **words: object) -> TrialResult:
    """One trial of a promise, by its name."""
    made, rng = promise(within="5s", **words), Random(7)
    where = around(made, rng)
    trial = next(each for each in KIND.trials(made, where) if each.name == name)
    world = World(service, rng, operations=("search",))
    played = world.play(trial)
    return KIND.judge(made, where, world.history(), trial, played)


def test_an_answer_from_a_cache_proves_nothing() -> None:
    """The witness saw no arrival: not reached, whatever the answer's time."""
    cached = replace(bounded(D_NS), cached=True)
    for name in ("T1 hang", "T3 black hole", "T4 refused", "T5 late 0.45"):
        verdict = play(name, Timed(cached)).verdict
        assert verdict.status is Status.UNKNOWN, name
        assert "a cache" in verdict.reason
    verdict, _ = verify(promise(within="5s"), cached, Random(1))
    assert verdict.status is Status.UNKNOWN


def test_an_operation_without_a_witness_cannot_be_tried() -> None:
    """The contract names nothing that could be made to hang."""
    made, rng = promise(within="5s"), Random(1)
    (trial,) = KIND.trials(made, around(made, rng, uses=()))
    assert "names no witness under `uses`" in str(trial.cannot)


def test_half_requests_need_their_word() -> None:
    """Without `slow_client` nobody says how long a half request may be kept."""
    made, rng = promise(within="5s"), Random(1)
    names = {each.name: each for each in KIND.trials(made, around(made, rng))}
    assert "`slow_client` is not declared" in str(names["T8 half request"].cannot)
    assert not names["T8 half request"].needed


@pytest.mark.parametrize("group", ["half", "any-0"])
@pytest.mark.parametrize("how", [{"part": "half"}, {"slow": True}, {"operation": "other"}])
def test_what_nobody_promised_is_not_judged(group: str, how: dict[str, Any]) -> None:
    """Whatever their group is called: half a request, a client that dawdles, another operation."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    beside = "operation" in how
    slow = replace(bounded(D_NS), total_ns=9 * D_NS) if beside else bounded(D_NS)
    answer = HOLD if beside else Answer(delay_ns=4 * NS_PER_S)
    late = Answering(dependency="model", script=always(answer))
    steps = (late, Fire(group=group, **how), Jump(most_ns=20 * D_NS))
    trial = Trial(name="any", purpose="", steps=steps)
    world = World(Timed(slow), rng, operations=("search",))
    played = world.play(trial)
    found = KIND.judge(made, where, world.history(), trial, played).verdict
    assert found.status is Status.UNKNOWN, found


def test_several_dependencies_fail_together_and_in_turn() -> None:
    """T7 is for services that ask more than one."""
    made, rng = promise(within="5s"), Random(1)
    names = [each.name for each in KIND.trials(made, around(made, rng, uses=("model", "store")))]
    assert {"T7 all hang", "T7 in turn"} <= set(names)


def test_counts_that_say_neither_ask_for_more() -> None:
    """Seven threads in fifty calls, then three, then six: two hundred calls more would tell."""
    uneven = Uneven()
    result = play("T1 leaks", uneven)
    assert result.verdict.status is Status.UNKNOWN
    assert "200 more calls would settle it" in result.verdict.reason
    assert not result.marks
    assert not result.trial.needed
    again = play("T1 leaks again", Uneven())
    assert again.trial.needed
    assert again.trial.unless == frozenset({"leaks told T1 leaks"})


@pytest.mark.parametrize(("why", "status"), [("deadline", "broken"), ("settle", "unknown")])
def test_late_while_a_held_clock_runs_proves_nothing(why: Any, status: str) -> None:
    """As while a store comes back: the service is as late then as the machine is slow."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    answer = Answer(delay_ns=D_NS + NS_PER_S)
    steps = (
        Answering(dependency="model", script=always(answer)),
        Fire(group="any-0"),
        Jump(most_ns=4 * D_NS),
    )
    trial = Trial(name="any", purpose="", steps=steps)
    world = World(Timed(replace(bounded(D_NS), total_ns=9 * D_NS)), rng, operations=("search",))
    played = world.play(trial)
    history = world.history()
    events = [replace(e, why=why) if isinstance(e, ClockMoved) else e for e in history.events]
    rests = [e for e in events if not isinstance(e, Rested) or e.at_ns < played.at_ns[2]]
    found = KIND.judge(made, where, replace(history, events=tuple(rests)), trial, played)
    assert found.verdict.status == status, found.verdict


def test_a_replaced_process_hides_what_it_kept() -> None:
    """Its threads are gone with it: nothing can be said."""
    result = play("T1 leaks", Replaced())
    assert result.verdict.status is Status.UNKNOWN
    assert "was replaced meanwhile" in result.verdict.reason


def test_a_plan_that_ended_early_says_why() -> None:
    """What the player could not do is the reason."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    trial: Trial = KIND.trials(made, where)[0]
    world = World(Timed(bounded(D_NS)), rng, operations=("search",))
    played = replace(world.play(trial), ended="the listen queue cannot be filled")
    result = KIND.judge(made, where, world.history(), trial, played)
    assert "the listen queue cannot be filled" in result.verdict.reason


def test_calls_that_wait_for_a_worker_are_no_leak() -> None:
    """Their connections are counted too: what is proved is that nobody serves them any more."""
    lost = replace(bounded(D_NS), hands=30, hands_leak=True)
    verdict = play("T1 leaks", Timed(lost)).verdict
    assert [each.half for each in verdict.findings] == ["serves"]


@pytest.mark.parametrize("name", ["T2 body drips", "T4 reset"])
def test_a_status_line_may_be_all_that_an_operation_needs(name: str) -> None:
    """It came, and the call was a success: that the body did not come was nothing to it."""
    verdict = play(name, Hasty(), answer={"status": 504}).verdict
    assert verdict.status is Status.UNKNOWN, verdict
    assert "no more than the status line" in verdict.reason


@pytest.mark.parametrize("name", ["T1 hang", "T2 head drips"])
def test_a_success_of_a_dependency_that_said_nothing_has_the_wrong_form(name: str) -> None:
    """No status line came, so there was nothing to answer with."""
    verdict = play(name, Timed(replace(bounded(D_NS), status=200)), answer={"status": 504}).verdict
    assert [each.half for each in verdict.findings] == ["form"]


def test_what_the_service_asks_by_itself_is_no_attempt_of_a_call() -> None:
    """Where tokens are passed on, a request without one is the service's own, whenever it comes."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    service = Refreshing()
    world = World(service, rng, operations=("search",))
    first, second = KIND.trials(made, where)[:2]
    world.play(first)
    service.cached = True
    played = world.play(second)
    assert not any(read(where, world.history(), played).arrivals.values())
    world = World(Refreshing(), rng, operations=("search",), passes_on=False)
    played = world.play(first)
    assert all(read(where, world.history(), played).arrivals.values())


def test_a_witness_that_sees_no_token_is_read_by_time() -> None:
    """That another witness sees tokens says nothing of it: these are the call's own attempts."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    world = World(Timed(bounded(D_NS)), rng, operations=("search",))
    played = world.play(KIND.trials(made, where)[0])
    history = world.history()
    (own,) = history.arrivals
    bare = replace(own, dependency="store", token=None, at_ns=own.at_ns + 1)
    seen = read(where, replace(history, arrivals=(own, bare)), played)
    assert list(seen.arrivals.values()) == [(own, bare)]


def test_logins_between_the_calls_are_not_judged() -> None:
    """A call that no step made is no call of the plan, however late its answer."""
    made, rng = promise(within="5s"), Random(1)
    where = around(made, rng)
    world = World(Timed(bounded(D_NS)), rng, operations=("search",))
    trial = KIND.trials(made, where)[0]
    played = world.play(trial)
    none = replace(played, steps=tuple(() for _ in played.steps), groups={})
    assert played.first_call < played.end_call
    assert not read(where, world.history(), none).calls


@pytest.mark.parametrize("late_ms", [0, 900, -900])
def test_timers_in_steps_are_asked_beyond_their_steps(late_ms: int) -> None:
    """A second's steps: a timeout of 2 s that comes 0.9 s late or early keeps its word."""
    stepped = replace(bounded(D_NS), attempt_ns=2 * NS_PER_S + late_ms * NS_PER_MS)
    for name in ("T9 just in time", "T9 just too late"):
        verdict = play(name, Timed(stepped), call_timeout="2s", resolution="1s").verdict
        assert verdict.status is Status.KEPT, (name, verdict)


@pytest.mark.parametrize(("name", "ms"), [("T9 just in time", 900), ("T9 just too late", 3_100)])
def test_another_timeout_than_declared_is_broken_beyond_the_steps(name: str, ms: int) -> None:
    """More than a step too early, or too late."""
    wrong = replace(bounded(D_NS), attempt_ns=ms * NS_PER_MS)
    verdict = play(name, Timed(wrong), call_timeout="2s", resolution="1s").verdict
    assert [each.half for each in verdict.findings] == ["call_timeout"]


def test_a_timeout_shorter_than_its_steps_is_not_tried_early() -> None:
    """Half a second in steps of a second: no answer comes surely before it."""
    made, rng = promise(within="5s", call_timeout="500ms", resolution="1s"), Random(1)
    trials = {each.name: each for each in KIND.trials(made, around(made, rng))}
    assert "cannot be told early" in str(trials["T9 just in time"].cannot)
    assert not trials["T9 just too late"].cannot


def test_leaks_of_clients_that_leave_stay_open_on_a_real_clock() -> None:
    """Nothing leaks, it is promised: where leavers cannot be tried, it is not kept."""
    made, rng = promise(within="5s"), Random(1)
    planned = KIND.trials(made, replace(around(made, rng), frozen=False))
    results = []
    for each in planned:
        tried = Verdict.kept("tried", Counter(calls=1, met=1))
        verdict = tried if each.cannot is None else Verdict.unknown(each.cannot)
        results.append(TrialResult(trial=each, verdict=verdict))
    verdict = KIND.conclude(made, results)
    assert verdict.status is Status.UNKNOWN, verdict
    assert "200 calls that nobody waits for" in verdict.reason


@pytest.mark.parametrize("name", ["T8 slow reader", "T8 half request"])
def test_a_client_that_did_not_dawdle_kept_nobody_waiting(name: str) -> None:
    """It was turned away at once: that the other was answered says nothing."""
    for service, status in ((Timed(PATIENT), Status.KEPT), (Curt(), Status.UNKNOWN)):
        verdict = play(name, service, slow_client="7s").verdict
        assert verdict.status is status, verdict
        assert status is Status.KEPT or "was done before" in verdict.reason


PATIENT = replace(bounded(D_NS), half_ns=7 * NS_PER_S)


class Curt(Timed):
    """Has the answers to dawdling clients in no time."""

    def __init__(self) -> None:
        super().__init__(PATIENT)

    def request(self, call: Flying) -> None:
        call.slow = False
        super().request(call)

    def half(self, call: Flying) -> None:
        self.world.reply(call, 408)


class Refreshing(Timed):
    """Asks for something of its own with each call; then it answers from a slow cache besides."""

    def __init__(self) -> None:
        super().__init__(bounded(D_NS))
        self.cached = False

    def request(self, call: Flying) -> None:
        self.world.ask(None, lambda _event, _value: None)
        if self.cached:
            self.world.after(NS_PER_S, lambda: self.world.reply(call, 200))
        else:
            super().request(call)


class Hasty(Timed):
    """Answers as soon as it knows the status."""

    def __init__(self) -> None:
        super().__init__(bounded(D_NS))

    def _on(self, work: Work, event: str, value: int) -> None:
        if event == "head" and not work.done:
            self._finish(work, 200)
        else:
            super()._on(work, event, value)


class Uneven(Timed):
    """Counts as in the definition: 10, 17, 24, 27, 33 threads."""

    def __init__(self) -> None:
        super().__init__(bounded(D_NS))
        self.counts = iter((10, 17, 24, 27, 33, 33))

    def resources(self) -> tuple[int, int]:
        return next(self.counts), 20


class Replaced(Timed):
    """A master replaces its worker each time it is looked at."""

    def __init__(self) -> None:
        super().__init__(bounded(D_NS))

    def resources(self) -> tuple[int, int]:
        self.world.pids = (1, self.world.pids[-1] + 1)
        return 8, 20
