"""From a plan with repetitions, marks and advice to one of fixed calls and waits, as it was played."""

from __future__ import annotations

import pytest

from harness.faults.process import ProcessPaused
from harness.plan import (
    Cut,
    Expect,
    Heal,
    Inject,
    Lift,
    Mark,
    Phase,
    Played,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
)
from harness.shrink.guesses import guesses
from harness.shrink.unroll import tidy, unrolled

STILL = Inject("f", ProcessPaused("target"))
PLAN: tuple[Step, ...] = (
    Mark("start"),
    Send(caller="a", times=3, expect=Expect(3, 3)),
    Wait(ns=500, since="start"),
    Until(send=Send(caller="a"), most=9),
    WaitAdvised(extra_ns=2, most_ns=1_000),
    Send(caller="b", times=2, together=True),
)
PLAYED = Played(
    steps=((), (0, 1, 2), (), (3, 4), (), (5, 6)),
    first_call=0,
    end_call=7,
    began_ns=(100, 100, 100, 600, 600, 660, 660),
)


def test_everything_is_fixed_as_it_was_played() -> None:
    """Marks go, an Until is as many calls as it made, an advice is the wait that followed."""
    assert unrolled(PLAN, PLAYED) == (
        Send(caller="a", times=3),
        Wait(ns=500),
        Send(caller="a", times=2),
        Wait(ns=60),
        Send(caller="b", times=2, together=True),
    )


def test_a_plan_that_ended_early_ends_there() -> None:
    """What was never played is no part of what was seen."""
    played = Played(steps=((), (0, 1, 2)), first_call=0, end_call=3, ended="x", began_ns=(1, 1, 2))
    assert unrolled(PLAN, played) == (Send(caller="a", times=3),)


def test_a_repetition_over_many_callers_stays_one() -> None:
    """Each repetition had drawn a caller of its own."""
    plan = (Until(send=Send(caller="a", per_caller=7), most=9),)
    played = Played(steps=((0, 1, 2),), first_call=0, end_call=3, began_ns=(0, 0))
    assert unrolled(plan, played) == (Send(caller="a", times=3, per_caller=1),)


def test_unrolling_twice_changes_nothing() -> None:
    """A plan that is fixed is as it was played."""
    plan = unrolled(PLAN, PLAYED)
    played = Played(
        steps=((0, 1, 2), (), (3, 4), (), (5, 6)),
        first_call=0,
        end_call=7,
        began_ns=(0, 0, 501, 501, 561, 561),
    )
    assert unrolled(plan, played) == plan


@pytest.mark.parametrize(
    ("steps", "plain"),
    [
        ([Wait(ns=5), Send(caller="a"), Wait(ns=5)], [Send(caller="a")]),
        ([Send(caller="a"), Wait(ns=0), Send(caller="a")], [Send(caller="a", times=2)]),
        ([Send(caller="a", together=True)], [Send(caller="a")]),
        (
            [Send(caller="a"), Wait(ns=2), None, Wait(ns=3), Send(caller="b")],
            [Send(caller="a"), Wait(ns=5), Send(caller="b")],
        ),
        (
            [Send(caller="a", times=2, together=True), Send(caller="a")],
            [Send(caller="a", times=2, together=True), Send(caller="a")],
        ),
        ([Heal("s"), Send(caller="a"), Heal("s")], [Send(caller="a")]),
        (
            [Cut("s"), Cut("s"), Send(caller="a"), Heal("s"), Heal("s"), Send(caller="a")],
            [Cut("s"), Send(caller="a"), Heal("s"), Send(caller="a")],
        ),
        ([Phase(7), Send(caller="a"), Cut("s"), Phase(1)], [Phase(7), Send(caller="a")]),
        ([Lift("f"), Send(caller="a"), STILL, Lift("f")], [Send(caller="a")]),
        (
            [STILL, Send(caller="a"), Lift("g"), Lift("f"), Lift("f"), Send(caller="a")],
            [STILL, Send(caller="a"), Lift("f"), Send(caller="a")],
        ),
        ([Wait(ns=1), Cut("s")], []),
        (
            [Send(caller="a", per_caller=4), Send(caller="a", per_caller=4)],
            [Send(caller="a", per_caller=4), Send(caller="a", per_caller=4)],
        ),
    ],
)
def test_tidy(steps: list[Step | None], plain: list[Step]) -> None:
    """Equal neighbours are one step, and what has no effect is none; nothing else changes."""
    assert tidy(steps) == tuple(plain)


def test_guesses_are_what_the_proof_needs() -> None:
    """The proof's calls at once, with their waits, then all before them, and the whole at last."""
    witness = (0, 1, 3)
    assert guesses(PLAN, PLAYED, witness) == (
        (Send(caller="a", times=3),),
        (Send(caller="a", times=2), Wait(ns=500), Send(caller="a")),
        (Send(caller="a", times=3), Wait(ns=500), Send(caller="a", times=2)),
        unrolled(PLAN, PLAYED),
    )
