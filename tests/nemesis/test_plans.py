"""Faults as steps of a plan: played, written into the history, undone at its end, and never in vain."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

import pytest

from harness.errors import CouldNotRun
from harness.faults.process import (
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.history import Event, FaultBegan, FaultEnded, TargetStarted
from harness.plan import Cut, Fire, Heal, Inject, Lift, Played, Send, Step, Trial, Wait
from harness.runner.play import play_one
from harness.runner.stage import Stage
from harness.runner.verify import Verification
from harness.runner.world import World
from harness.units import NS_PER_S
from tests.nemesis.conftest import Worlds

CALL = Send(caller="a")
AN_HOUR_NS = 3_600 * NS_PER_S


def play(world: World, *steps: Step) -> Played:
    """One plan, as verification plays it."""
    stage = Stage(world, world.contract.promises[0])
    trial = Trial(name="T", purpose="it", steps=steps)
    return play_one(world, stage.player(trial, time.monotonic() + 60))


def since(world: World, played: Played) -> list[Event]:
    """What happened from the plan's begin on."""
    return [e for e in world.history().events if getattr(e, "at_ns", 0) >= played.at_ns[0]]


def faults(events: Iterable[Event]) -> list[tuple[str, str, str]]:
    """Begin and end of each fault, in order."""
    told: list[tuple[str, str, str]] = []
    for event in events:
        if isinstance(event, FaultBegan):
            told.append(("began", event.name, event.fault))
        elif isinstance(event, FaultEnded):
            told.append(("ended", event.name, event.said))
    return told


def test_a_call_waits_for_a_service_that_stands_still(world: World) -> None:
    """It is under way while the service is paused, and answered once that is lifted."""
    played = play(
        world,
        Inject("still", ProcessPaused("target")),
        Fire(group="g"),
        Wait(ns=5 * NS_PER_S),
        Lift("still"),
        CALL,
    )
    assert played.ended is None
    (waiting,) = (world.call(index) for index in played.groups["g"])
    ended = next(e for e in since(world, played) if isinstance(e, FaultEnded))
    assert waiting.status == 200
    assert waiting.ended_ns is not None
    assert waiting.ended_ns > ended.at_ns
    assert waiting.ended_target_ns is not None
    assert waiting.ended_target_ns - waiting.sent_target_ns == 5 * NS_PER_S
    assert ended.doubt is None


def test_what_a_plan_does_not_lift_ends_with_it(world: World) -> None:
    """The youngest first, after the plan's last instant; what happens then is no part of it."""
    played = play(
        world,
        CALL,
        Inject("a", ProcessPaused("target")),
        Inject("b", ClockStepped(by_ns=AN_HOUR_NS)),
        Cut("redis"),
    )
    assert played.ended is None
    assert faults(since(world, played)) == [
        ("began", "a", "paused"),
        ("began", "b", "wall clock set forward by 1h"),
        ("began", "", "killed"),
        ("ended", "", "is back, empty"),
        ("ended", "b", "has its wall clock again"),
        ("ended", "a", "runs again"),
    ]
    assert all(
        e.at_ns > played.at_ns[-1] for e in since(world, played) if isinstance(e, FaultEnded)
    )
    assert world.services["redis"].probe()


def test_a_service_that_is_killed_in_a_plan(world: World) -> None:
    """Its calls are refused, which ends no plan, until it is back as another process."""
    old = world.target.pid
    played = play(
        world,
        CALL,
        Inject("k", ProcessKilled("target")),
        Send(caller="b", times=7),
        Lift("k"),
        CALL,
    )
    assert played.ended is None
    told = [[world.call(index).error for index in step] for step in played.steps]
    assert told == [[None], [], ["refused"] * 7, [], [None]]
    events = since(world, played)
    assert [e.clock for e in events if isinstance(e, TargetStarted)] == ["frozen"]
    connections = [world.call(index).connection for step in played.steps for index in step]
    assert len(connections) == len(set(connections)) == 9
    assert world.target.pid != old
    assert not world.is_fresh


def test_a_lift_of_nothing_does_nothing(world: World) -> None:
    """As where a shrunk plan has lost what began it."""
    played = play(world, Lift("x"), Heal("redis"), CALL)
    assert played.ended is None
    assert faults(since(world, played)) == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((Inject("m", MemoryLimited("target", 1 << 26)), CALL), "none of its processes met"),
        ((Inject("m", MemoryLimited("target", 1 << 26)), CALL, Lift("m"), CALL), "met the limit"),
        ((CALL, Inject("p", ProcessPaused("nobody"))), "there are target, redis"),
        ((CALL, Inject("p", ProcessPaused("other"))), "there is no store 'other' here"),
        ((CALL, Inject("d", DiskFull("target", folder="/nowhere"))), "there is no folder /nowhere"),
        (
            (CALL, Inject("p", ProcessPaused("redis")), Inject("q", ProcessPaused("redis"))),
            "redis is paused .*: that is so already; lift it first",
        ),
        (
            (CALL, Inject("k", ProcessKilled("redis")), Inject("q", ProcessPaused("redis"))),
            "it is killed; lift that first",
        ),
        (
            (CALL, Inject("p", ProcessPaused("redis")), Cut("redis")),
            "paused is what it is already, and would end with its process",
        ),
    ],
)
def test_a_fault_in_vain_is_told(world: World, steps: tuple[Step, ...], said: str) -> None:
    """The plan says why it proves nothing; nothing is left of its faults."""
    played = play(world, *steps)
    assert played.ended is not None
    assert re.search(said, played.ended), played.ended


def test_what_cannot_be_is_seen_before_the_first_call(world: World) -> None:
    """No call is made for a plan that this world cannot play."""
    played = play(world, CALL, Inject("p", ProcessPaused("nobody")))
    assert played.steps == ()


def test_a_disk_is_there_from_the_start(world: World) -> None:
    """The world starts anew before such a plan, never within it, and once more before the next."""
    full = Inject("d", DiskFull("target", 1 << 20))
    played = play(world, CALL, full, CALL, Lift("d"), CALL)
    assert played.ended is None
    assert not any(isinstance(e, TargetStarted) for e in since(world, played)[1:])
    assert world.target.parts()[0].prefix
    assert world.hurts.any
    play(world, Inject("p", ProcessPaused("redis")), CALL)
    assert not world.target.parts()[0].prefix


def test_in_real_time(worlds: Worlds) -> None:
    """The same faults; the wall clock of the machine is not ours to set."""
    with worlds(clock="real") as world:
        played = play(
            world,
            Inject("p", ProcessPaused("redis")),
            Inject("e", DescriptorsExhausted("target", spare=5)),
            CALL,
            Lift("p"),
            Lift("e"),
            Inject("k", ProcessKilled("target")),
            Send(caller="a", times=2),
            Lift("k"),
            CALL,
        )
        assert played.ended is None
        assert world.call(played.steps[-1][0]).status == 200
        refused = play(world, CALL, Inject("c", ClockStepped()))
        assert refused.ended is not None
        assert "a held clock would settle it" in refused.ended


def test_an_unknown_that_names_the_fault(world: World) -> None:
    """A trial whose fault had no effect is inconclusive with that reason, and the world is not used again."""
    promise = world.contract.promises[0]
    verification = Verification(world, promise, 60.0, lambda *_: None)
    trial = Trial(
        name="T", purpose="it", steps=(Inject("m", MemoryLimited("target", 1 << 26)), CALL)
    )
    verification._deadline_s = time.monotonic() + 60
    result = verification._play(trial)
    assert "met the limit" in result.verdict.reason
    assert result.verdict.status.value == "unknown"


def test_a_store_that_came_back_in_a_plan(world: World) -> None:
    """A cut store that somebody else brings back was not away: nobody is judged by that."""
    world.cut("redis")
    world._topology.heal(world.services["redis"])
    with pytest.raises(CouldNotRun, match="ran again before it was brought back"):
        world.heal("redis")
