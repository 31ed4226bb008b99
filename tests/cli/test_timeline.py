"""The timeline of a replay: like answers together, each step in its place."""

from __future__ import annotations

from dataclasses import replace

from harness.cli.timeline import timeline
from harness.runner.stage import Counterexample
from harness.seeds import Seed
from harness.units import NS_PER_S
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
