"""One step for several, and answers that need not be held."""

from __future__ import annotations

import pytest

from harness.plan import Answering, Cut, Fire, Heal, Kill, Leave, Release, Step, Wait
from harness.script import HOLD, USUAL, Answer, Rule, always
from harness.shrink.merge import merged, unheld
from harness.shrink.unroll import tidy

HELD = Answering(dependency="d", script=always(HOLD))
FAIL = Answer(status=503)
FAILS = Answering(dependency="d", script=always(FAIL))
COUNTED = Answering(dependency="d", script=(Rule(answers=(FAIL,), then=USUAL),))
RELEASE = Release(dependency="d", answer=FAIL, times=1)


@pytest.mark.parametrize(
    ("steps", "one"),
    [
        ([RELEASE, RELEASE], [Release(dependency="d", answer=FAIL, times=2)]),
        ([RELEASE, Release(dependency="d", answer=FAIL)], [Release(dependency="d", answer=FAIL)]),
        ([RELEASE, Release(dependency="d", times=1)], None),
        ([RELEASE, Release(dependency="e", answer=FAIL, times=1)], None),
        ([Leave(group="a", times=1)] * 2, [Leave(group="a", times=2)]),
        ([Leave(group="a", times=1), Leave(group="b", times=1)], None),
        (
            [Fire(group="a"), Fire(group="b", times=2, together=False), Leave(group="b")],
            [Fire(group="a", times=3, together=False), Leave(group="a")],
        ),
        (
            [Fire(group="a"), Fire(group="b", times=2), Fire(group="c"), Kill("c")],
            [Fire(group="a", times=4), Kill("a")],
        ),
        ([Fire(group="a"), Fire(group="b", caller="b")], None),
        ([Fire(group="a"), Fire(group="b", operation="other")], None),
        ([Fire(group="a"), Wait(ns=1), Fire(group="b")], None),
    ],
)
def test_neighbours_become_one(steps: list[Step], one: list[Step] | None) -> None:
    """Calls, releases and clients that leave add up where nothing else differs but their group."""
    assert merged(steps) == tuple(steps if one is None else one)


def test_two_calls_one_after_the_other_are_not_made_together() -> None:
    """The target rested between them."""
    assert merged([Fire(group="a"), Fire(group="b")]) == (Fire(group="a", times=2, together=False),)


def test_one_pair_alone_can_become_one() -> None:
    """Only the step that is named, and the next."""
    steps = [RELEASE, RELEASE, RELEASE]
    assert merged(steps, 1) == (RELEASE, Release(dependency="d", answer=FAIL, times=2))


def test_what_is_released_is_answered_at_once_instead() -> None:
    """Each answer that was given until the next script is one plan; what holds nothing is left."""
    steps: tuple[Step, ...] = (
        HELD,
        Fire(group="a", times=3),
        RELEASE,
        Release(dependency="d", times=2),
        FAILS,
        RELEASE,
    )
    rest = (Fire(group="a", times=3), FAILS, RELEASE)
    assert list(unheld(steps, 0)) == [
        (FAILS, *rest),
        (Answering(dependency="d", script=always(USUAL)), *rest),
    ]
    assert list(unheld(steps, 4)) == []
    assert list(unheld(steps, 1)) == []


@pytest.mark.parametrize(
    ("steps", "plain"),
    [
        ([HELD, FAILS, Fire(group="a")], [FAILS, Fire(group="a")]),
        (
            [FAILS, Fire(group="a"), FAILS, Fire(group="b")],
            [FAILS, Fire(group="a"), Fire(group="b")],
        ),
        ([Answering(dependency="d"), Fire(group="a")], [Fire(group="a")]),
        ([COUNTED, Fire(group="a"), COUNTED, Fire(group="b")], None),
        ([FAILS, Fire(group="a"), Answering(dependency="e", script=FAILS.script)], None),
        (
            [FAILS, Fire(group="a"), HELD, FAILS, Fire(group="b")],
            [FAILS, Fire(group="a"), Fire(group="b")],
        ),
        ([Cut("s"), Heal("s"), Fire(group="a")], None),
    ],
)
def test_a_witness_is_not_told_what_it_knows(steps: list[Step], plain: list[Step] | None) -> None:
    """Unless it counts anew; and of two scripts in a row the first is never met."""
    assert tidy(steps) == tuple(steps if plain is None else plain)
