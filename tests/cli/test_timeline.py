"""The timeline of a replay: like answers together, each step in its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cli.arrivals import told
from harness.cli.timeline import timeline
from harness.faults.process import ClockStepped, ProcessPaused
from harness.plan import (
    Answering,
    CountResources,
    Inject,
    Jump,
    Kill,
    Leave,
    Lift,
    Reaching,
    Release,
    Step,
)
from harness.runner.stage import Counterexample
from harness.script import HOLD, USUAL, Answer, Rule
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.flight_facts import playing
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import simulate


def shown() -> Counterexample:
    """The first trial of a limiter that admits one too many, as it was played."""
    found = simulate(Log(6, 10 * NS_PER_S), Seed(1), limit="5/10s").counterexample
    assert found is not None
    return found


def test_like_answers_are_told_together() -> None:
    """When on the target's clock, who, how many, what; waits stand between, a mark calls nobody."""
    lines = list(timeline(shown()))
    assert lines[0] == ("+0.000 s", "", "no call", "")
    answered = [line for line in lines if "call" in line[2] and line[3]]
    assert answered[0] == ("+0.000 s", "user-1", "6 calls", "200")
    assert ("+9.998 s", "user-1", "1 call", "429") in answered
    assert any(line[2].startswith("wait ") for line in lines)


def test_answers_that_alternate_are_counted() -> None:
    """A step with many changes is one line, and an early end is told."""
    found = shown()
    index = found.played.steps[1]
    events = list(found.history.events)
    calls = [event for event in events if event in found.history.calls]
    for number, call in enumerate(calls[i] for i in index):
        place = events.index(call)
        events[place] = replace(call, status=200 if number % 2 else 429)
    mixed = replace(
        found,
        history=replace(found.history, events=tuple(events)),
        played=replace(found.played, ended="the target ended"),
    )
    lines = list(timeline(mixed))
    assert any(line[2:] == ("6 calls", "3 x 429, 3 x 200") for line in lines)
    assert lines[-1] == ("", "", "ended early", "the target ended")


def test_faults_are_told_by_whom_they_befall() -> None:
    """What it is, and what it does once it is lifted; a lift names what it lifts."""
    found = shown()
    steps: tuple[Step, ...] = (
        Inject("p", ProcessPaused("redis")),
        Inject("c", ClockStepped(by_ns=NS_PER_S)),
        Lift("p"),
        Lift("nothing"),
    )
    began_ns = (found.played.began_ns[0],) * 5
    told_of = replace(
        found,
        trial=replace(found.trial, steps=steps),
        played=replace(found.played, steps=((), (), (), ()), began_ns=began_ns),
    )
    assert [line[1:3] for line in timeline(told_of)] == [
        ("redis", "paused"),
        ("the service", "wall clock set forward by 1s"),
        ("redis", "runs again"),
        ("", "nothing is lifted"),
    ]


def test_calls_that_stay_under_way_are_told_with_what_reached_the_witness() -> None:
    """Arrivals with number, call, state, status and clock; who was rejected, who left, who stayed."""
    lines = list(timeline(playing()))
    assert lines == [
        ("+0.000 s", "dep", "answers nothing", ""),
        ("+0.000 s", "a", "call 1", "503 at +2.000 s"),
        ("+0.000 s", "a", "call 2", "its client leaves at +2.000 s"),
        ("+0.000 s", "a", "call 3", "under way to the end"),
        ("+0.000 s", "a", "call 4", "429 at +0.000 s, and reached no witness"),
        ("+0.000 s", "dep", "arrival 1 of call 1", "answered 503 at +2.000 s"),
        ("+0.000 s", "dep", "arrival 2 of call 2", "gone: the service let go of it at +2.000 s"),
        ("+0.000 s", "dep", "arrival 3 of call 3", "held to the end"),
        ("", "", "wait 2.000 s", ""),
        ("+2.000 s", "dep", "ends 1 that it holds, oldest first: 503", ""),
        ("+2.000 s", "a", "all clients leave", ""),
    ]


def test_many_arrivals_are_counted() -> None:
    """A burst is a line for each fate."""
    found = playing()
    many = tuple(replace(found.history.arrivals[0], number=n) for n in range(1, 31))
    lines = list(timeline(replace(found, history=replace(found.history, arrivals=many))))
    assert ("+0.000 s", "dep", "30 arrivals", "answered 503 at +2.000 s") in lines


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Answering(dependency="d"), "answers as usual"),
        (
            Answering(
                dependency="d",
                script=(
                    Rule(answers=(Answer(status=500), USUAL), then=HOLD, per="call", path="/a"),
                    Rule(answers=(Answer(cut="within"),)),
                ),
            ),
            "answers /a: each call: 500, as usual, then nothing; 200 cut within (reset), and again",
        ),
        (
            Release(
                dependency="d", answer=Answer(delay_ns=NS_PER_S, headers=(("A", "b"),)), group="g"
            ),
            "ends all that it holds of g, oldest first: 200 A b after 1.000 s",
        ),
        (
            Release(dependency="d", answer=Answer(trickle_ns=NS_PER_S, length_off=-3)),
            "ends all that it holds, oldest first: 200 a byte each 1.000 s -3 bytes announced",
        ),
        (Leave(group="g", times=2, waiting=True), "2 clients that wait leave"),
        (Jump(NS_PER_S), "until nothing is under way, at most 1.000 s"),
        (Reaching("d", "black_hole"), "never gets connected"),
        (CountResources(), "threads, descriptors and connections are counted"),
        (Kill("g"), "the process that holds its request is killed"),
    ],
)
def test_each_step_has_its_words(step: Step, said: str) -> None:
    """What a step did is told without its name in the code."""
    shown = told(step)
    assert shown is not None
    assert shown[1] == said
