"""Plans whose calls stay under way: unrolled as they were played, and made smaller."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.plan import (
    Answering,
    Fire,
    Jump,
    Kill,
    Leave,
    Mark,
    Played,
    Release,
    Send,
    Step,
    Wait,
)
from harness.script import HOLD, USUAL, Answer, Rule, always
from harness.shrink.plainer import plainer, settings
from harness.shrink.reduce import reduce, size
from harness.shrink.unroll import Steps, tidy, unrolled
from harness.units import NS_PER_S

FAIL = Answer(status=503, headers=(("Retry-After", "7"),))
HELD = Answering(dependency="d", script=always(HOLD))
PLAN: Steps = (
    HELD,
    Fire(group="a", times=9, together=False, until="rejected"),
    Mark("full"),
    Wait(ns=500, since="full"),
    Fire(group="b", times=2),
    Release(dependency="d", times=1),
    Jump(most_ns=90 * NS_PER_S),
    Fire(group="c", until="admitted"),
    Leave(group="a"),
)
PLAYED = Played(
    steps=((), (0, 1, 2), (), (), (3, 4), (), (), (), ()),
    first_call=0,
    end_call=5,
    began_ns=(0, 0, 0, 0, 500, 500, 500, NS_PER_S, NS_PER_S, NS_PER_S),
)


def test_everything_is_fixed_as_it_was_played() -> None:
    """What looked at answers is as many calls, and as long, as it was; what made no call goes.

    A loop rounds its timers anew each time, so a jump becomes a wait of a little more.
    """
    assert unrolled(PLAN, PLAYED) == (
        HELD,
        Fire(group="a", times=3, together=False),
        Wait(ns=500),
        Fire(group="b", times=2),
        Release(dependency="d", times=1),
        Wait(ns=NS_PER_S - 500 + 10_000_000),
        Leave(group="a"),
    )


def test_what_follows_the_last_call_belongs_to_it() -> None:
    """A wait, a release, a client that goes: all of it can be the proof."""
    for last in (Wait(ns=5), Release(dependency="d"), Leave(group="a"), Kill("a")):
        plan: Steps = (Fire(group="a"), last)
        assert tidy(plan) == plan
    assert tidy((Send(caller="a"), Wait(ns=5))) == (Send(caller="a"),)


RETRIED = Answering(
    dependency="d",
    script=(
        Rule(answers=(FAIL, Answer(status=500, delay_ns=5)), then=USUAL, per="call", method="GET"),
        Rule(then=FAIL, path="/b"),
    ),
)


@pytest.mark.parametrize(
    "step",
    [
        RETRIED,
        Fire(group="a", together=False, connection="x", fresh=True, part="half", slow=True),
        Release(dependency="d", answer=FAIL, order="random", group="a"),
        Leave(group="a", waiting=True),
    ],
)
def test_plainer_forms_end_at_the_plainest(step: Step) -> None:
    """Each form is smaller than the step, and following them always comes to an end."""
    seen = {step}
    todo = [step]
    while todo:
        for one in plainer(todo.pop()):
            if one not in seen:
                assert settings(one) < max(map(settings, seen))
                seen.add(one)
                todo.append(one)
    assert min(map(settings, seen)) == 0
    assert len(seen) < 2_000


def smallest(plan: Steps, shows: Callable[[Steps], bool]) -> Steps:
    """What is left of a plan; every plan that was accepted is smaller than the one before."""
    found = reduce([plan], shows)
    sizes = [size(one) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    return found[-1]


def fired(plan: Steps) -> int:
    return sum(step.times for step in plan if isinstance(step, Fire))


def test_a_bulkhead_one_too_wide() -> None:
    """Three held at once show it; the rest of the plan goes, a slow reader and all settings too."""
    plan: Steps = (
        HELD,
        Fire(group="a", caller="x", times=9, fresh=True, connection="k"),
        Wait(ns=77 * NS_PER_S),
        Fire(group="b", caller="y", times=2, slow=True),
        Release(dependency="d", answer=FAIL, times=4, order="newest"),
        Leave(group="a"),
    )

    def shows(plan: Steps) -> bool:
        held = False
        for step in plan:
            if isinstance(step, Answering):
                held = step.script == always(HOLD)
            if isinstance(step, Fire) and held and step.times >= 3:
                return True
        return False

    assert smallest(plan, shows) == (HELD, Fire(group="a", caller="x", times=3))


def test_a_slot_that_is_lost() -> None:
    """Calls, releases and waits go down to what shows it, in the order in which they must come."""
    plan: Steps = (
        HELD,
        Fire(group="a", times=6),
        Wait(ns=1_234_567_890),
        Release(dependency="d", answer=FAIL, times=5),
        Wait(ns=3 * NS_PER_S + 1),
        Fire(group="b", times=6),
    )

    def shows(plan: Steps) -> bool:
        at = [
            n for n, step in enumerate(plan) if isinstance(step, Release) and (step.times or 9) >= 2
        ]
        before = fired(plan[: at[0]]) if at else 0
        waits = [step.ns for step in plan if isinstance(step, Wait)]
        return before >= 2 and fired(plan[at[0] :]) >= 1 and max(waits, default=0) >= NS_PER_S

    assert smallest(plan, shows) == (
        Fire(group="a", times=2),
        Release(dependency="d", times=2),
        Wait(ns=NS_PER_S),
        Fire(group="b"),
    )


def test_a_script_is_made_simple() -> None:
    """Rules, answers, headers and delays that the proof does not need are left out."""

    def shows(plan: Steps) -> bool:
        scripts = [step.script for step in plan if isinstance(step, Answering)]
        answers = [
            one
            for script in scripts
            for rule in script
            for one in (*rule.answers, *([rule.then] if rule.then else []))
        ]
        return fired(plan) > 0 and any(one.status == 503 for one in answers)

    assert smallest((RETRIED, Fire(group="a")), shows) == (
        Answering(dependency="d", script=(Rule(then=Answer(status=503)),)),
        Fire(group="a"),
    )
