"""What the clock promises about time itself, seen from the targets and from the controller."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from harness.clock.errors import NothingToWaitFor
from harness.clock.held import HeldClock
from tests.clock.conftest import SECOND_NS, Start

SEED = 20261122
CHANGES = 15000


def test_monotonic_time_never_goes_back(start: Start, clock: HeldClock, tmp_path: Path) -> None:
    """Not for any reader of any process, whatever is done to the clock and when."""
    shared = tmp_path / "greatest"
    shared.write_bytes(bytes(8))
    readers = [start("readers.py", shared, "2") for _ in range(2)]
    assert [reader.answer() for reader in readers] == ["ready", "ready"]
    rng = random.Random(SEED)
    now_ns = clock.now_ns()
    for _ in range(CHANGES):
        change_at_random(clock, rng)
        assert clock.now_ns() >= now_ns
        now_ns = clock.now_ns()
    for _ in range(CHANGES):  # from fast to slow, a reader between two stores would see the most
        clock.run(1000.0)
        clock.run(1e-6)
    clock.release()
    for reader in readers:
        reader.tell("stop")
        reads, worst_ns = (int(word) for word in reader.answer().split())
        assert reads > 1000
        assert worst_ns <= 0


def change_at_random(clock: HeldClock, rng: random.Random) -> None:
    """One thing that a plan may do to a clock."""
    what = rng.randrange(5)
    if what == 0:
        clock.freeze()
    elif what == 1:
        clock.run(rng.choice([1e-6, 0.5, 1.0, 3.7, 50.0, 1000.0]))
    elif what == 2:
        clock.advance(rng.choice([0, 1, rng.randrange(10**6), rng.randrange(10**12)]))
    elif what == 3:
        clock.skew_wall(rng.randrange(-(10**12), 10**12))
    else:
        with contextlib.suppress(ValueError):  # time that runs fast may have passed that moment
            clock.advance_to(clock.now_ns() + rng.randrange(10**6, 10**9))


def test_frozen_time_stands_still_and_moves_exactly(clock: HeldClock) -> None:
    """Both axes, to the nanosecond."""
    assert not clock.frozen
    clock.freeze()
    assert clock.frozen
    begun_ns, wall_ns = clock.now_ns(), clock.wall_ns()
    assert {clock.now_ns() for _ in range(100)} == {begun_ns}
    clock.advance(1)
    clock.advance_to(begun_ns + 61 * SECOND_NS)
    assert (clock.now_ns() - begun_ns, clock.wall_ns() - wall_ns) == (61 * SECOND_NS,) * 2
    clock.skew_wall(-5)
    assert (clock.now_ns() - begun_ns, clock.wall_ns() - wall_ns) == (
        61 * SECOND_NS,
        61 * SECOND_NS - 5,
    )


def test_time_runs_on_from_where_it_stood(clock: HeldClock) -> None:
    """A new rate is no jump."""
    clock.freeze()
    stood_ns = clock.now_ns()
    clock.run(1e-6)
    assert stood_ns <= clock.now_ns() <= stood_ns + SECOND_NS
    clock.run(1000.0)
    first_ns = clock.now_ns()
    while clock.now_ns() == first_ns:
        pass
    assert clock.now_ns() > first_ns


@pytest.mark.parametrize("by_ns", [-1, -SECOND_NS])
def test_time_is_never_moved_back(clock: HeldClock, by_ns: int) -> None:
    """Neither by a length nor to a moment."""
    clock.freeze()
    now_ns = clock.now_ns()
    with pytest.raises(ValueError, match="time never goes back"):
        clock.advance(by_ns)
    with pytest.raises(ValueError, match=f"must be {now_ns} or later, got {now_ns + by_ns}"):
        clock.advance_to(now_ns + by_ns)
    assert clock.now_ns() == now_ns


def test_time_has_an_end(clock: HeldClock) -> None:
    """A century is refused, since deadlines must still fit behind it."""
    with pytest.raises(ValueError, match="the clock ends at"):
        clock.advance(100 * 365 * 86_400 * SECOND_NS)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1001.0, float("nan"), float("inf")])
def test_a_rate_has_bounds(clock: HeldClock, rate: float) -> None:
    """Zero has a name of its own."""
    with pytest.raises(ValueError, match=r"rate must be in .* or freeze"):
        clock.run(rate)


def test_an_empty_clock_is_idle_and_waits_for_nothing(clock: HeldClock) -> None:
    """No process at all: idle, and no time to jump to."""
    clock.freeze()
    assert clock.idle()
    with pytest.raises(NothingToWaitFor):
        clock.jump()
    assert clock.state() == []


def test_what_threads_wait_for_can_be_shown(start: Start, clock: HeldClock) -> None:
    """For the report of a clock that does not become idle."""
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.freeze()
    program.tell("sleep 60")
    assert clock.settle()
    (state,) = clock.state()
    assert (state.pid, state.tid, state.kind, state.blocked) == (
        program.pid,
        program.pid,
        "sleep",
        True,
    )
    assert state.deadline_ns is not None
    assert state.deadline_ns - clock.now_ns() == 60 * SECOND_NS


def test_an_unwatched_program_off_the_clock_is_not_scanned(start: Start, clock: HeldClock) -> None:
    """It spins; watched, nothing is idle; let go, it does not count."""
    program = start("waits.py", held=False)
    assert program.answer() == "ready"
    program.tell("spin 0")
    while clock.idle():
        pass
    clock.unwatch(program.pid)
    assert clock.settle()


def test_a_closed_clock_leaves_nothing(tmp_path: Path) -> None:
    """No file, no descriptor; and closing twice is no error."""
    folder = tmp_path / "clock"
    folder.mkdir()
    with HeldClock(folder) as clock:
        assert len(list(folder.iterdir())) == 2
        clock.freeze()
    clock.close()
    assert list(folder.iterdir()) == []
