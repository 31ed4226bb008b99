"""Steps: from timer to timer up to an instant, with one proof for each."""

from __future__ import annotations

import pytest

from harness.clock.errors import ClockEnded
from harness.clock.held import HeldClock
from tests.clock.conftest import PATIENCE_S, SECOND_NS, Start

DAY_NS = 86_400 * SECOND_NS


def walk(clock: HeldClock, to_ns: int) -> int:
    """Step until ``to_ns``, at rest each time; how many steps that took."""
    steps = 0
    assert clock.settle(PATIENCE_S)
    while clock.now_ns() < to_ns:
        clock.step(to_ns)
        assert clock.settle(PATIENCE_S)
        steps += 1
    return steps


def test_a_day_of_ticks_is_walked_tick_by_tick(clock: HeldClock, start: Start) -> None:
    """Each minute of a day is seen, none lost or doubled, and the walk ends at its instant."""
    program = start("ticker.py", "60", "1440")
    assert program.answer() == "ready"
    clock.freeze()
    assert clock.settle(PATIENCE_S)
    program.tell("go")
    begun_ns = clock.now_ns()
    assert walk(clock, begun_ns + DAY_NS + 7) == 1441
    assert clock.now_ns() == begun_ns + DAY_NS + 7
    assert program.answer() == "1440 ticks in 86400000000000 ns"


def test_a_step_ends_before_a_timer_that_is_later(clock: HeldClock, start: Start) -> None:
    """An instant between two ticks wakes nobody, and is hit to the nanosecond."""
    program = start("ticker.py", "60", "2")
    assert program.answer() == "ready"
    clock.freeze()
    assert clock.settle(PATIENCE_S)
    program.tell("go")
    begun_ns = clock.now_ns()
    assert walk(clock, begun_ns + 60 * SECOND_NS - 1) == 1
    assert clock.now_ns() == begun_ns + 60 * SECOND_NS - 1
    assert walk(clock, begun_ns + 120 * SECOND_NS - 1) == 2
    assert not program.has_answered()
    assert walk(clock, begun_ns + 120 * SECOND_NS) == 1
    assert program.answer() == "2 ticks in 120000000000 ns"


def test_a_step_needs_a_proof_and_a_moment_to_come(clock: HeldClock, start: Start) -> None:
    """What was proved before a move proves nothing after it; time never goes back, nor for ever."""
    program = start("ticker.py", "60", "2")
    assert program.answer() == "ready"
    clock.freeze()
    with pytest.raises(ValueError, match="needs a proof"):
        clock.step(clock.now_ns() + 1)
    assert clock.settle(PATIENCE_S)
    with pytest.raises(ValueError, match="a moment to come"):
        clock.step(clock.now_ns() - 1)
    with pytest.raises(ClockEnded):
        clock.step(1 << 62)
    assert clock.step(clock.now_ns() + 1) == clock.now_ns()
    with pytest.raises(ValueError, match="needs a proof"):
        clock.step(clock.now_ns() + 1)
