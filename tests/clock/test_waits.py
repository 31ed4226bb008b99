"""Every kind of wait ends when the held clock has come there, and at no other time."""

from __future__ import annotations

import pytest

from harness.clock.errors import NothingToWaitFor
from harness.clock.held import HeldClock
from tests.clock.conftest import SECOND_NS, Program, Start

MS_NS = 1_000_000


def waited(line: str) -> tuple[int, str]:
    """How long it took on the target's clock, and the outcome."""
    before, after, outcome = line.split(" ", 2)
    return int(after) - int(before), outcome


@pytest.fixture
def waits(start: Start, clock: HeldClock) -> Program:
    """The program that waits, with time standing still."""
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.freeze()
    return program


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("sleep", "slept"),
        ("event", "False"),
        ("queue_get", "empty"),
        ("condition", "False"),
        ("lock", "False"),
        ("timer", "True"),
        ("select", "([], [], [])"),
        ("select_pipe", "1"),
        ("poll", "[]"),
        ("epoll", "[]"),
        ("to_thread", "slept"),
        ("itimer", "alarm"),
        ("alarm", "alarm"),
        ("alarm_in_pause", "alarm"),
        ("alarm_in_lock", "alarm"),
        ("old_alarm", "90"),
        ("timerfd", "1"),
        ("posix_timer", "alarm"),
        ("sigtimedwait", "None"),
        ("sem_timedwait", "Connection timed out"),
        ("cond_timedwait", "Connection timed out"),
        ("mutex_after_condition", "Connection timed out"),
        ("cnd_timedwait", "4"),
        ("mutex_timedlock", "Connection timed out"),
        ("futex", "Connection timed out"),
        ("epoll_pwait2", "0"),
        ("child", "0"),
        ("fork", "7"),
        ("forked_worker", "0"),
        ("fork_files", "0"),
        ("alarm_over_exec", "-14"),
        ("alarm_taken_over", "60"),
        ("closed", "([], [], [])"),
    ],
)
def test_a_wait_takes_its_length_to_the_nanosecond(waits: Program, kind: str, outcome: str) -> None:
    """Thirty seconds on the target's clock, no real waiting, and the outcome of a time-out."""
    waits.tell(f"{kind} 30")
    line, _ = waits.jump_to_answer()
    took_ns, said = waited(line)
    assert (took_ns, said) == (30 * SECOND_NS, outcome)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("asyncio", "slept"), ("asyncio_timeout", "timeout"), ("child_timeout", "timeout")],
)
def test_asyncio_and_polling_round_up_by_two_milliseconds(
    waits: Program, kind: str, outcome: str
) -> None:
    """Where the program itself rounds, it is late by that and never early."""
    waits.tell(f"{kind} 12.3456")
    line, _ = waits.jump_to_answer()
    took_ns, said = waited(line)
    late_ns = took_ns - 12_345_600_000
    assert said == outcome
    assert 0 <= late_ns <= (50 if kind == "child_timeout" else 2) * MS_NS


def test_uvloop_rounds_to_its_millisecond(waits: Program) -> None:
    """libuv counts whole milliseconds: half of one late or early."""
    pytest.importorskip("uvloop")
    waits.tell("uvloop 12.3456")
    line, _ = waits.jump_to_answer()
    assert abs(waited(line)[0] - 12_345_600_000) <= 501_000


def test_threads_of_an_executor_wait_side_by_side(waits: Program) -> None:
    """A result's time-out comes at its time while the work goes on to its own."""
    waits.tell("executor 30")
    line, _ = waits.jump_to_answer()
    before = int(line.split()[0])
    took_ns, said = waited(line)
    assert said == f"timeout@{before + 30 * SECOND_NS}"
    assert took_ns == 60 * SECOND_NS


def test_an_odd_length_is_exact(waits: Program) -> None:
    """Not rounded to anything: the target sees the very nanosecond."""
    waits.tell("sleep 0.100333700")
    line, jumps = waits.jump_to_answer()
    assert (waited(line)[0], jumps) == (100_333_700, 1)


def test_a_periodic_timer_ticks_at_each_period(waits: Program) -> None:
    """Five ticks, none lost or doubled, and the time left of the sixth is a whole period."""
    waits.tell("ticks 50")
    line, _ = waits.jump_to_answer()
    ticks, left = waited(line)[1].split(";")
    assert [int(tick) for tick in ticks.split(",")] == [n * 10 * SECOND_NS for n in range(1, 6)]
    assert left == "(10.0, 10.0)"


def test_an_advance_wakes_a_wait_only_when_it_is_due(waits: Program, clock: HeldClock) -> None:
    """One nanosecond short, it still sleeps; one more, and it is over."""
    waits.tell("sleep 60")
    assert clock.settle()
    clock.advance(60 * SECOND_NS - 1)
    assert clock.settle()
    assert not waits.has_answered()
    clock.advance(1)
    assert waited(waits.answer()) == (60 * SECOND_NS, "slept")


def test_one_move_past_many_deadlines_wakes_all(waits: Program, clock: HeldClock) -> None:
    """A sleeper and its child, 24 hours at once."""
    waits.tell("child 3600")
    assert clock.settle()
    clock.advance(24 * 3600 * SECOND_NS)
    line, _ = waits.jump_to_answer()
    assert waited(line)[0] >= 24 * 3600 * SECOND_NS


def test_a_day_of_ticks_each_minute(start: Start, clock: HeldClock) -> None:
    """Jumping from tick to tick, none of 1,440 is lost or doubled."""
    program = start("ticker.py", "60", "1440")
    assert program.answer() == "ready"
    clock.freeze()
    program.tell("go")
    line, jumps = program.jump_to_answer()
    assert line == "1440 ticks in 86400000000000 ns"
    assert jumps == 1440


def test_an_alarm_set_while_time_ran_fires_on_held_time(start: Start, clock: HeldClock) -> None:
    """The kernel's own timer is taken back when time is frozen, and its deadline kept."""
    program = start("waits.py")
    assert program.answer() == "ready"
    program.tell("alarm 30")
    assert clock.settle()
    clock.freeze()
    line, jumps = program.jump_to_answer()
    took_ns, said = waited(line)
    assert said == "alarm"
    assert 30 * SECOND_NS <= took_ns < 30 * SECOND_NS + 5 * MS_NS
    assert jumps == 1


def test_an_alarm_set_on_held_time_fires_when_time_runs(waits: Program, clock: HeldClock) -> None:
    """Armed in the kernel again as soon as time runs, at its rate."""
    waits.tell("alarm 30")
    assert clock.settle()
    clock.run(300.0)
    assert waited(waits.answer())[1] == "alarm"


@pytest.mark.parametrize(
    "kind", ["sleep", "event", "select", "asyncio", "ticks", "timerfd", "child"]
)
def test_a_rate_makes_waits_shorter(waits: Program, clock: HeldClock, kind: str) -> None:
    """At three hundred times the speed, nobody has to jump; nothing ends early."""
    clock.run(300.0)
    waits.tell(f"{kind} 15")
    assert waited(waits.answer())[0] >= 15 * SECOND_NS


def test_an_alarm_that_the_kernel_has_fired_is_not_sent_again(
    waits: Program, clock: HeldClock
) -> None:
    """Nor while its owner sleeps where the library cannot see it; a second one would end it."""
    clock.run(300.0)
    waits.tell("alarm_in_pause 30")
    assert waited(waits.answer())[1] == "alarm"
    assert clock.settle()
    clock.freeze()
    assert clock.settle()
    clock.advance(SECOND_NS)
    assert clock.settle()
    assert int(waits.ask("now 0").split()[0]) == clock.now_ns()


def test_the_wall_clock_steps_alone(waits: Program, clock: HeldClock) -> None:
    """A step of the wall clock, back or forth, is not seen by the monotonic one."""
    first = [int(word) for word in waited(waits.ask("now 0"))[1].split()]
    assert first == [clock.now_ns(), clock.wall_ns(), clock.now_ns()]
    clock.skew_wall(-3600 * SECOND_NS)
    second = [int(word) for word in waited(waits.ask("now 0"))[1].split()]
    assert [b - a for a, b in zip(first, second, strict=True)] == [0, -3600 * SECOND_NS, 0]


def test_both_clocks_advance_together(waits: Program, clock: HeldClock) -> None:
    """Wall and monotonic time keep their distance."""
    distance_ns = clock.wall_ns() - clock.now_ns()
    clock.advance(86_400 * SECOND_NS)
    now, wall, _ = (int(word) for word in waited(waits.ask("now 0"))[1].split())
    assert wall - now == distance_ns


def test_a_wait_for_nobody_is_said(waits: Program, clock: HeldClock) -> None:
    """A read from a pipe that nobody writes to cannot be ended by any time."""
    waits.tell("nothing 0")
    assert clock.settle()
    with pytest.raises(NothingToWaitFor, match="nobody waits for a time"):
        clock.jump()


def test_a_spinning_thread_is_never_idle(waits: Program, clock: HeldClock) -> None:
    """So the runner can fall back to real time."""
    waits.tell("spin 0")
    assert not clock.settle(0.2)
    assert clock.jump() is None


def test_a_computing_thread_hands_over_the_gil_while_time_stands_still(waits: Program) -> None:
    """CPython's 5 ms wait for the GIL stays real; on frozen time it would wait for ever."""
    assert waited(waits.ask("gil 20"))[1] == "20"


def test_ended_threads_give_their_slots_back(waits: Program, clock: HeldClock) -> None:
    """Ninety short threads need four slots, not ninety."""
    waits.tell("many_threads 1")
    waits.jump_to_answer()
    assert clock.settle()
    assert len(clock.state()) == 1
    assert clock._page.slots_used <= 8
