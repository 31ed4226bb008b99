"""Which proof is told, and when a smaller plan counts."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from harness.plan import Send, Trial
from harness.runner.smallest import first_of, make_fresh_again
from harness.runner.stage import Stage
from harness.runner.world import World
from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Finding, Verdict
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import SimulatedWorld, simulated_contract


def finding(half: str) -> Finding:
    return Finding(half=half, said=f"{half} breaks", key="user-1", calls=(0,))


def test_the_same_half_is_told_first() -> None:
    """Other findings of the same playing stay, behind it; another half alone is not the same."""
    verdict = Verdict.broken([finding("form"), finding("upper"), finding("lower")])
    told = first_of(verdict, "upper")
    assert told is not None
    assert [one.half for one in told.findings] == ["upper", "form", "lower"]
    assert told.reason == "upper breaks"
    assert first_of(verdict, "retry_after") is None


def test_only_broken_is_broken() -> None:
    """Kept and unknown show nothing again."""
    assert first_of(Verdict.kept("fine", {}), "upper") is None
    assert first_of(Verdict.unknown("no answer"), "upper") is None


def stage() -> Stage:
    """A promise of 5 calls in 10 s before a simulated world."""
    contract = simulated_contract(limit="5/10s")
    world = SimulatedWorld(contract, Log(5, 10 * NS_PER_S), Seed(3))
    return Stage(cast("World", world), contract.promises[0])


TRIAL = Trial(name="t", purpose="", steps=(Send(caller="a"),))


def test_fresh_worlds_are_spread_over_the_window() -> None:
    """Each starts past all windows, and four in a row start in four quarters of one."""
    place = stage()
    begun = []
    for number in range(4):
        before = place.world.now_ns
        assert make_fresh_again(place, TRIAL, number, 0.0)
        assert place.world.now_ns >= before + place.quiet_ns()
        begun.append(place.world.now_ns % (place.kind.quiet_ns(place.promise) // 2))
    begun.sort()
    assert min(after - one for one, after in pairwise(begun)) > NS_PER_S


def test_a_world_can_start_at_the_same_place_of_the_hour() -> None:
    """Whatever the hour was, its minutes and seconds are those of the instant that was asked for."""
    place = stage()
    asked_ns = 1_700_000_123_456_789_012
    before = place.world.now_ns
    assert make_fresh_again(place, TRIAL, 0, 0.0, wall_ns=asked_ns)
    assert (place.world.wall_ns - asked_ns) % (3_600 * NS_PER_S) == 0
    assert place.world.now_ns >= before + place.quiet_ns()
