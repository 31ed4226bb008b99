"""Small histories and what they prove: "What `deadline` means", section 5, for D = 5 s."""

from __future__ import annotations

import pytest

from harness.models.leaks import Growth, leak
from harness.promises.deadline.check import Broken, Span, Terms, judged
from harness.units import NS_PER_MS, NS_PER_S

D_NS = 5 * NS_PER_S
TERMS = Terms(within_ns=D_NS)


def answered(ms: float, **more: object) -> Span:
    """A call that was answered after so many ms."""
    ended_ns = round(ms * NS_PER_MS)
    given = {"arrivals": 1, "first_ns": ended_ns, "end": "answered", **more}
    return Span(call=0, sent_ns=0, ended_ns=ended_ns, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("ms", [0, 4_999, 5_000, 5_002])
def test_in_time_and_within_the_rounding_of_a_timer(ms: float) -> None:
    """An event loop may round up by 2 ms."""
    assert judged(TERMS, answered(ms)) is None


def test_late_on_a_held_clock() -> None:
    """10 ms are no rounding."""
    assert judged(TERMS, answered(5_010)) == Broken("late", 10 * NS_PER_MS)
    assert judged(Terms(within_ns=D_NS, resolution_ns=NS_PER_S), answered(5_990)) is None


def test_late_on_a_real_clock_proves_nothing_without_rest() -> None:
    """The machine may have been slow, unless the target was seen at rest after the time was over."""
    assert "too slow to tell" in str(judged(TERMS, answered(5_010, exact=False)))
    seen = answered(5_010, exact=False, idle_ns=5_005 * NS_PER_MS)
    assert judged(TERMS, seen) == Broken("late", 10 * NS_PER_MS)
    assert judged(TERMS, answered(20_000, exact=False), quick=True) == Broken("late", 15 * NS_PER_S)
    assert "too slow to tell" in str(judged(TERMS, answered(20_000, exact=False)))
    assert "too slow to tell" in str(judged(TERMS, answered(19_000, exact=False), quick=True))
    early = answered(5_010, exact=False, idle_ns=4_999 * NS_PER_MS)
    assert "too slow to tell" in str(judged(TERMS, early))


def test_no_answer_at_rest() -> None:
    """Without a timer it waits for ever; with one, the verdict names its instant."""
    waits = Span(call=0, sent_ns=0, arrivals=1, idle_ns=50 * NS_PER_S)
    assert judged(TERMS, waits) == Broken("never")
    timed = Span(
        call=0,
        sent_ns=0,
        arrivals=1,
        idle_ns=50 * NS_PER_S,
        timers_ns=(30 * NS_PER_S,),
    )
    assert judged(TERMS, timed) == Broken("never", 30 * NS_PER_S)
    let_go = answered(50_000, idle_ns=50 * NS_PER_S)
    assert judged(TERMS, let_go) == Broken("never")


def test_each_attempt_in_time_and_all_of_them_late() -> None:
    """Three attempts of 2.4 s: 7.2 s in all."""
    three = answered(7_200, arrivals=3, timers_ns=(2_400_000_000, 4_800_000_000, 7_200_000_000))
    assert judged(TERMS, three) == Broken("late", 2_200 * NS_PER_MS)


def test_the_rounding_grows_with_the_timers_on_the_way() -> None:
    """Three attempts and two waits are five timers."""
    assert judged(TERMS, answered(5_010, arrivals=3)) is None
    assert judged(TERMS, answered(5_011, arrivals=3)) == Broken("late", 11 * NS_PER_MS)
    assert judged(TERMS, answered(5_018, arrivals=0)) is None
    assert judged(Terms(within_ns=D_NS, attempts=3), answered(5_010)) is None


def test_the_first_byte_in_time_is_not_enough() -> None:
    """First byte at 1 s, last at 400 s: bounded between bytes only, unless a stream is declared."""
    dripping = answered(400_000, first_ns=NS_PER_S)
    assert judged(TERMS, dripping) == Broken("late", 395 * NS_PER_S)
    assert judged(Terms(within_ns=D_NS, stream=True), dripping) is None


def test_a_closed_connection_is_no_answer() -> None:
    """Unless it is declared to be one."""
    closed = answered(4_900, end="closed", first_ns=None)
    assert judged(TERMS, closed) == Broken("closed", 4_900 * NS_PER_MS)
    assert judged(Terms(within_ns=D_NS, closes=True), closed) is None


@pytest.mark.parametrize(
    ("counts", "growth"),
    [
        ([10, 40, 42, 41, 42], Growth.NONE),
        ([10, 35, 60, 85, 110], Growth.ENDLESS),
        ([10, 17, 24, 27, 33], Growth.UNDECIDED),
        ([10, 60, 110, 160, 210], Growth.ENDLESS),
        ([10, 9, 10, 11, 10], Growth.NONE),
        ([10, 60, 110, 112, 113], Growth.NONE),
    ],
)
def test_growth_that_goes_on_is_a_leak(counts: list[int], growth: Growth) -> None:
    """A pool stops growing, a leak does not, and some counts say neither."""
    assert leak(counts, 50).growth is growth


def test_a_declared_rest_may_stay() -> None:
    """Thirty threads that are declared to last are no leak; the rate is told a call."""
    assert leak([10, 20, 30, 36, 42], 50, allowed=32).growth is Growth.NONE
    assert leak([10, 35, 60, 85, 110], 50, allowed=32).growth is Growth.ENDLESS
    assert float(leak([10, 35, 60, 85, 110], 50).a_call) == 0.5
