"""A witness whose time stands still: its waits are the target's, exact, and found by jumps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from harness.clock.held import HeldClock
from harness.history import Arrival
from harness.script import HOLD, USUAL, Answer, Rule, always
from harness.witness.handle import Witness
from tests.clock.conftest import Program, Start, start
from tests.witness.conftest import MS_NS, SECOND_NS, Client, get, rest

__all__ = ["start"]  # a fixture of the clock's tests: programs under this test's clock

Call = Callable[[], Client]
CALLER = Path(__file__).parent / "programs" / "caller.py"


def fired(clock: HeldClock) -> int:
    """Jump once; the new time."""
    for _ in range(1000):
        rest(clock)
        at_ns = clock.jump()
        if at_ns is not None:
            rest(clock)
            return at_ns
    raise AssertionError(clock.state())


def ended_after_ns(arrival: Arrival) -> int:
    """From its arrival to its end, on the target's clock; the same on its wall clock."""
    assert arrival.ended_target_ns is not None
    assert arrival.ended_wall_ns is not None
    span_ns = arrival.ended_target_ns - arrival.target_ns
    assert span_ns == arrival.ended_wall_ns - arrival.wall_ns
    return span_ns


@pytest.mark.parametrize("delay_ns", [100 * MS_NS, 200 * MS_NS, 400 * MS_NS, 100_333_701, 1])
def test_a_delay_is_exact(frozen: Witness, clock: HeldClock, call: Call, delay_ns: int) -> None:
    """To the nanosecond, in one jump; before it, nothing comes."""
    frozen.script(always(Answer(delay_ns=delay_ns)))
    client = call()
    client.send(get())
    rest(clock)
    began_ns = clock.now_ns()
    if delay_ns > 1:
        clock.advance(delay_ns - 1)
        rest(clock)
        assert client.silent()
        assert frozen.truth().held == 1
        rest(clock)
    assert fired(clock) == began_ns + delay_ns
    assert client.answer()[0] == 200
    (arrival,) = frozen.arrivals()
    assert arrival.target_ns == began_ns
    assert ended_after_ns(arrival) == delay_ns
    assert arrival.head_target_ns == arrival.ended_target_ns
    assert arrival.ended_ns is not None
    assert arrival.ended_ns > arrival.at_ns


def test_many_delays_end_one_by_one(frozen: Witness, clock: HeldClock, call: Call) -> None:
    """Forty, in whatever order they began, each at its own instant."""
    spans_ns = [(1 + n * 17 % 40) * MS_NS for n in range(40)]
    frozen.script((Rule(answers=tuple(Answer(delay_ns=span_ns) for span_ns in spans_ns)),))
    callers = [call() for _ in spans_ns]
    for client in callers:
        client.send(get())
    rest(clock)
    began_ns = clock.now_ns()
    assert [fired(clock) - began_ns for _ in spans_ns] == sorted(spans_ns)
    assert [ended_after_ns(arrival) for arrival in frozen.arrivals()] == spans_ns


@pytest.mark.parametrize("trickle", ["all", "body"])
def test_a_trickle_comes_byte_by_byte(
    frozen: Witness, clock: HeldClock, call: Call, trickle: str
) -> None:
    """Each jump brings one byte; a move over several brings as many."""
    answer = Answer(body="abcdefgh", trickle_ns=SECOND_NS, trickle=trickle)  # type: ignore[arg-type]
    frozen.script(always(answer))
    client = call()
    client.send(get())
    rest(clock)
    began_ns = clock.now_ns()
    first = len(client.came())
    whole = first + 8 if trickle == "body" else 70 + 8
    assert first == (70 if trickle == "body" else 1)
    for count in range(1, 4):
        assert fired(clock) == began_ns + count * SECOND_NS
        assert len(client.came()) == first + count
    clock.advance(3 * SECOND_NS + SECOND_NS // 2)
    rest(clock)
    assert len(client.came()) == first + 6
    assert fired(clock) == began_ns + 7 * SECOND_NS
    while len(client.came()) < whole:
        (arrival,) = frozen.arrivals()
        assert (arrival.state, arrival.head_target_ns) == ("held", began_ns)
        fired(clock)
    assert ended_after_ns(frozen.arrivals()[0]) == (whole - first) * SECOND_NS
    assert client.answer()[2] == "abcdefgh"


def test_delays_count_from_the_release(frozen: Witness, clock: HeldClock, call: Call) -> None:
    """Of a request that was held."""
    frozen.script(always(HOLD))
    client = call()
    client.send(get())
    rest(clock)
    clock.advance(5 * SECOND_NS)
    rest(clock)
    assert frozen.release(Answer(delay_ns=100 * MS_NS)) == [1]
    assert frozen.held() == []
    assert client.silent()
    fired(clock)
    assert client.answer()[0] == 200
    assert ended_after_ns(frozen.arrivals()[0]) == 5_100 * MS_NS


def test_who_has_left_is_waited_for_no_more(frozen: Witness, clock: HeldClock, call: Call) -> None:
    """The timer of an answer that nobody wants is no instant to jump to."""
    frozen.script((Rule(answers=(Answer(delay_ns=SECOND_NS), Answer(delay_ns=3 * SECOND_NS))),))
    leaves, stays = call(), call()
    leaves.send(get())
    stays.send(get())
    rest(clock)
    began_ns = clock.now_ns()
    leaves.close()
    rest(clock)
    assert fired(clock) == began_ns + 3 * SECOND_NS
    gone, answered = frozen.arrivals()
    assert (gone.state, ended_after_ns(gone)) == ("gone", 0)
    assert (answered.state, ended_after_ns(answered)) == ("answered", 3 * SECOND_NS)


def test_a_date_is_the_targets(frozen: Witness, clock: HeldClock, call: Call) -> None:
    """Retry-After as a date counts on the clock that the target reads."""
    frozen.script(always(Answer(status=503, headers=(("Retry-After", "{date+7}"),))))
    clock.skew_wall(1_800_000_000 * SECOND_NS - clock.wall_ns())
    client = call()
    client.send(get())
    rest(clock)
    assert client.answer()[1]["retry-after"] == "Fri, 15 Jan 2027 08:00:07 GMT"
    (arrival,) = frozen.arrivals()
    assert arrival.answer_headers == (("retry-after", "Fri, 15 Jan 2027 08:00:07 GMT"),)


def test_a_witness_with_nothing_to_do_sleeps(frozen: Witness, clock: HeldClock, call: Call) -> None:
    """Its scheduling record stays the same while it holds requests; the clock takes it in."""
    frozen.script(always(HOLD))
    callers = [call() for _ in range(8)]
    for client in callers:
        client.send(get())
    assert frozen.pid is not None
    clock.supports(frozen.pid, lambda: frozen.script(always(HOLD)))
    rest(clock)
    schedstat = Path(f"/proc/{frozen.pid}/schedstat")
    before = schedstat.read_text()
    for _ in range(20):
        rest(clock)
    assert schedstat.read_text() == before
    assert any(state.pid == frozen.pid and state.blocked for state in clock.state())


# a target under the same clock


@pytest.fixture
def caller(frozen: Witness, start: Start) -> Program:
    """A program that calls the witness, on its clock."""
    program = start(str(CALLER), str(frozen.port))
    assert program.answer() == "ready"
    return program


def test_a_target_and_its_witness_share_their_time(
    frozen: Witness, clock: HeldClock, caller: Program
) -> None:
    """Four attempts 100, 200 and 400 ms apart, and the witness's own delays: exact, in seven jumps."""
    slow = Answer(status=503, delay_ns=33_333_333)
    frozen.script((Rule(answers=(slow, slow, slow), then=Answer(delay_ns=1_000_001)),))
    caller.tell("30 0.1 0.2 0.4")
    assert caller.jump_to_answer() == ("200", 7)
    arrivals = frozen.arrivals()
    gaps_ns = [b.target_ns - (a.ended_target_ns or 0) for a, b in pairwise(arrivals)]
    assert gaps_ns == [100 * MS_NS, 200 * MS_NS, 400 * MS_NS]
    assert [ended_after_ns(arrival) for arrival in arrivals] == [33_333_333] * 3 + [1_000_001]
    assert [arrival.use for arrival in arrivals] == [1] * 4
    assert [arrival.connection for arrival in arrivals] == [1, 2, 3, 4]


def test_a_target_that_gives_up(frozen: Witness, clock: HeldClock, caller: Program) -> None:
    """After its own 30 s: gone at that instant, in one jump."""
    frozen.script(always(HOLD))
    caller.tell("30")
    assert caller.jump_to_answer() == ("TimeoutError", 1)
    rest(clock)
    (arrival,) = frozen.arrivals()
    assert (arrival.state, arrival.reset, ended_after_ns(arrival)) == (
        "gone",
        False,
        30 * SECOND_NS,
    )


def test_a_target_in_a_black_hole(frozen: Witness, clock: HeldClock, caller: Program) -> None:
    """Its connect hangs until its own 30 s are over, in one jump; then the witness is there again."""
    frozen.reach("black_hole")
    began_ns = clock.now_ns()
    caller.tell("30")
    assert caller.jump_to_answer() == ("TimeoutError", 1)
    assert clock.now_ns() == began_ns + 30 * SECOND_NS
    frozen.reach("refuse")
    assert caller.ask("30") == "ConnectionRefusedError"
    frozen.reach("open")
    assert caller.ask("30") == "200"
    assert [arrival.number for arrival in frozen.arrivals()] == [1]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(cut="before"), "ConnectionResetError"),
        (Answer(cut="before", cut_by="close"), "RemoteDisconnected"),
        (Answer(cut="within"), "ConnectionResetError"),
        (Answer(cut="within", cut_by="close"), "IncompleteRead"),
        (Answer(cut="after"), "200"),
        (Answer(length_off=2, close=True), "IncompleteRead"),
        (Answer(length_off=2), "TimeoutError"),
        (HOLD, "TimeoutError"),
        (USUAL, "200"),
    ],
)
def test_what_a_target_sees_of_each_end(
    frozen: Witness, caller: Program, answer: Answer, error: str
) -> None:
    """As Python's own client calls it."""
    frozen.script(always(answer))
    caller.tell("5")
    assert caller.jump_to_answer()[0] == error
