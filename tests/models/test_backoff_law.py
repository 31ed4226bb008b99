"""Where the waits of each law may lie, and which readings and rivals a contract's words have."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isclose
from random import Random

import pytest

from harness.models.backoff.law import Family, Law, Slack, Span, readings, rivals

MS = 1_000_000.0
LAW = Law(family="full", initial_ns=100 * MS, factor=2.0, cap_ns=300 * MS)


@pytest.mark.parametrize(
    ("family", "share", "second", "third"),
    [
        ("none", 0.0, (200, 200), (300, 300)),
        ("full", 0.0, (0, 200), (0, 300)),
        ("equal", 0.0, (100, 200), (150, 300)),
        ("proportional", 0.2, (160, 240), (240, 360)),
        ("upward", 0.5, (200, 300), (300, 450)),
    ],
)
def test_spans_with_the_cap_before_the_draw(
    family: Family, share: float, second: tuple[int, int], third: tuple[int, int]
) -> None:
    """The nominal wait is capped, what is drawn around it is not."""
    law = replace(LAW, family=family, share=share)
    for k, (low, high) in ((2, second), (3, third)):
        span = law.span(k)
        assert isclose(span.bottom_ns, low * MS)
        assert isclose(span.top_ns, high * MS)
        assert span.at_cap == 0


def test_spans_with_the_cap_after_the_draw() -> None:
    """What is drawn is cut: 1 in 4 of uniform [0, 400] lies at a cap of 300."""
    span = replace(LAW, cap_after=True).span(3)
    assert (span.bottom_ns, span.top_ns) == (0, 300 * MS)
    assert isclose(span.at_cap, 0.25)


def test_decorrelated_spans_hang_on_the_wait_before() -> None:
    """From the initial wait to three times the one before, or to three times the initial."""
    law = Law(family="decorrelated", initial_ns=100 * MS, cap_ns=1_000 * MS)
    slack = Slack(0.0, 0.0)
    assert [(s.lo_ns, s.top_ns) for s in law.spans([250_000_000, 600_000_000, 1], slack)] == [
        (100 * MS, 300 * MS),
        (100 * MS, 750 * MS),
        (100 * MS, 1_000 * MS),
    ]


def test_listed_waits_and_zero() -> None:
    """The last of the list stays; a wait of 0 is a point."""
    law = Law(family="full", initial_ns=0, listed_ns=(0.0, 400 * MS))
    assert [law.span(k).top_ns for k in (1, 2, 3)] == [0, 400 * MS, 400 * MS]
    assert law.span(1).holds(2_001_000, Slack())
    assert not law.span(1).holds(2_001_001, Slack())


def test_one_reading_where_the_cap_is_not_reached() -> None:
    """Two readings only where the number of waits can tell them apart."""
    assert len(readings(LAW, 2)) == 1
    assert [law.cap_after for law in readings(LAW, 3)] == [False, True]
    assert len(readings(replace(LAW, family="none"), 3)) == 1
    assert len(readings(replace(LAW, cap_ns=inf), 9)) == 1


def test_density_adds_up_to_one() -> None:
    """Of spans with an atom at the cap too, but for the blur of the edges."""
    slack, step = Slack(), 0.05 * MS
    for span in (Span(0, 400 * MS, 300 * MS), Span(100 * MS, 200 * MS), Span(5 * MS, 5 * MS)):
        total = sum(span.density(i * step, slack) for i in range(12_000)) * step
        assert 0.97 < total < 1.06, (span, total)


def test_rivals_are_others() -> None:
    """None of them is the law itself; a tenth more or less is among them."""
    found = rivals(LAW)
    assert LAW not in found.values()
    assert {"none", "equal", "decorrelated", "initial x 0.9", "factor x 1.1"} <= found.keys()
    assert "factor x 1.1" not in rivals(replace(LAW, listed_ns=(1.0, 2.0)))


def test_slack_is_that_of_event_loops() -> None:
    """Half a millisecond early with a float's width, two late; whole seconds either way."""
    slack, span = Slack(), Span(100 * MS, 100 * MS)
    assert span.holds(99_499_000, slack)
    assert not span.holds(99_498_999, slack)
    assert span.holds(102_001_000, slack)
    assert not span.holds(102_001_001, slack)
    assert Span(3e9, 3e9).holds(2_000_000_000, Slack.of(1_000_000_000))


def test_draws_lie_in_their_spans() -> None:
    """A thousand decorrelated sequences as a library draws them, capped or not in its state."""
    rng, slack = Random(3), Slack()
    law = Law(family="decorrelated", initial_ns=100 * MS, cap_ns=900 * MS)
    for number in range(1_000):
        state, delays = 100 * MS, []
        for _ in range(5):
            state = rng.uniform(100 * MS, 3 * max(100 * MS, state))
            delays.append(round(min(900 * MS, state)))
            state = min(900 * MS, state) if number % 2 else state
        assert all(
            span.holds(delay, slack)
            for delay, span in zip(delays, law.spans(delays, slack), strict=True)
        )
