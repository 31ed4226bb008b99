"""Delta debugging without a wire: what it finds, what it never does, and when it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plan import Cut, Heal, Phase, Send, Step, Wait
from harness.shrink.reduce import Enough, Search, reduce, size
from harness.shrink.shrink import PLAYS_MOST, shrink
from harness.shrink.unroll import Steps, tidy
from harness.units import NS_PER_S

WHOLE: Steps = (
    Send(caller="x"),
    Send(caller="a", times=12, together=True),
    Wait(ns=17 * NS_PER_S),
    Send(caller="y", times=3),
    Cut("store"),
    Send(caller="a", times=9, forwarded="*"),
    Wait(ns=44 * NS_PER_S),
    Send(caller="b", connection="second"),
)


def calls(plan: Steps) -> int:
    return sum(step.times for step in plan if isinstance(step, Send))


def waits_ns(plan: Steps) -> int:
    return sum(step.ns for step in plan if isinstance(step, Wait))


def wait_between(plan: Steps) -> bool:
    """Ten calls, and then one at least 18 s later."""
    made = waited = 0
    for step in plan:
        if isinstance(step, Send):
            if waited >= 18 * NS_PER_S and made >= 10:
                return True
            made += step.times
        elif isinstance(step, Wait) and made >= 10:
            waited += step.ns
    return False


@pytest.mark.parametrize(
    ("shows", "least"),
    [
        (lambda plan: calls(plan) >= 7, (Send(caller="a", times=7),)),
        (lambda plan: Cut("store") in plan, (Cut("store"), Send(caller="a"))),
        (
            wait_between,
            (Send(caller="a", times=10), Wait(ns=20 * NS_PER_S), Send(caller="a")),
        ),
        (
            lambda plan: any(isinstance(step, Send) and step.together for step in plan),
            (Send(caller="a", times=2, together=True),),
        ),
    ],
)
def test_it_finds_the_least_plan(shows: Callable[[Steps], bool], least: Steps) -> None:
    """Steps, calls, callers and settings that the defect does not need are gone; waits are round."""
    found = reduce([WHOLE], shows)[-1]
    renamed = tuple(
        Send(caller="a", times=step.times, together=step.together)
        if isinstance(step, Send)
        else step
        for step in found
    )
    assert renamed == least


def test_nothing_is_found_where_nothing_shows() -> None:
    """A plan that does not break it again gives no smaller one."""
    assert reduce([WHOLE], lambda _: False) == ()
    assert shrink([WHOLE], lambda _: None, manner="careful", worlds=2) is None


def steps() -> st.SearchStrategy[Step]:
    sends = st.builds(
        Send,
        caller=st.sampled_from("abc"),
        times=st.integers(1, 40),
        together=st.booleans(),
        per_caller=st.none() | st.integers(1, 3),
    )
    waits = st.builds(Wait, ns=st.integers(0, 90 * NS_PER_S))
    others = st.sampled_from([Cut("s"), Heal("s"), Phase(5)])
    return st.one_of(sends, waits, others)


@given(st.lists(steps(), min_size=1, max_size=12), st.integers(1, 60), st.integers(0, 60))
def test_it_is_never_worse_and_always_shows(plan: list[Step], needed: int, waited_s: int) -> None:
    """Whatever the plan and the defect, each accepted plan shows it and is smaller than the last."""
    whole = tidy(plan)

    def shows(candidate: Steps) -> bool:
        return calls(candidate) >= needed and waits_ns(candidate) >= waited_s * NS_PER_S

    found = reduce([whole], shows)
    assert bool(found) == (shows(whole) and calls(whole) > 0)
    assert all(shows(one) and tidy(one) == one for one in found)
    sizes = [size(one) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert not found or (len(found[-1]) <= len(whole) and calls(found[-1]) <= calls(whole))
    assert found == reduce([whole], shows)


def test_nothing_that_is_as_large_is_played() -> None:
    """A plan that is no smaller than the best cannot be better, whatever it shows."""
    asked: list[Steps] = []

    def seen(plan: Steps) -> bool:
        asked.append(plan)
        return plan == (Send(caller="a"),)

    assert reduce([(Send(caller="a"),), (Send(caller="b"),)], seen) == ((Send(caller="a"),),)
    assert asked == [(Send(caller="a"),)]
    search = Search(seen)
    assert search.better((Send(caller="a"),))
    assert not search.better((Send(caller="a", times=2),))
    assert len(asked) == 2


def test_when_time_is_up_the_smallest_until_then_stays() -> None:
    """Enough in the middle loses nothing."""
    left = count()

    def seen(plan: Steps) -> bool:
        if next(left) == 3:
            raise Enough
        return calls(plan) >= 2

    found = reduce([WHOLE], seen)
    assert found
    assert calls(found[-1]) >= 2


def test_plays_are_bounded() -> None:
    """However large the plan, no more than so many are played."""
    whole: Steps = tuple(
        step for n in range(400) for step in (Send(caller=f"c{n}"), Wait(ns=NS_PER_S + n))
    )
    played = []

    def play(plan: Steps) -> int | None:
        played.append(plan)
        return len(plan) if len(plan) > 300 else None

    made = shrink([whole], play, manner="careful", worlds=1)
    assert len(played) <= PLAYS_MOST
    assert made is not None
    assert made.plays == len(played)
    assert len(made.plan) <= len(whole)


def in_turn(answers: Iterator[bool]) -> Callable[[Steps], Steps | None]:
    return lambda plan: plan if next(answers) else None


def test_a_plan_that_was_lucky_once_is_walked_back() -> None:
    """The last proof fails for the smallest plan, so the one before it is told."""
    plan = (Send(caller="a", times=2),)
    small = (Send(caller="a"),)
    answers = {plan: iter([True] * 9), small: iter([True, True, True, False])}
    made = shrink([plan], lambda p: p if next(answers[p]) else None, manner="careful", worlds=2)
    assert made is not None
    assert made.plan == plan
    assert (made.seen, made.worlds) == (2, 2)


def test_what_a_playing_suggests_is_tried_at_once() -> None:
    """Of many calls one is named by the playing, and that plan is the second that is played."""
    asked: list[Steps] = []

    def seen(plan: Steps) -> bool:
        asked.append(plan)
        return Cut("store") in plan

    found = reduce([WHOLE], seen, lambda _: [(Cut("store"), Send(caller="z"))])
    assert asked[:2] == [WHOLE, (Cut("store"), Send(caller="z"))]
    assert found == tuple(asked[:2])


def test_boldly_each_plan_on_the_way_is_played_once() -> None:
    """Only the last one is played in every world, and so often it was seen."""
    played: list[Steps] = []

    def play(plan: Steps) -> Steps | None:
        played.append(plan)
        return plan if calls(plan) >= 7 else None

    made = shrink([WHOLE], play, manner="bold", worlds=4)
    assert made is not None
    assert calls(made.plan) == 7
    assert (made.seen, made.worlds, made.plays) == (4, 4, len(played))
    assert played[-4:] == [made.plan] * 4
    assert all(played.count(plan) == 1 for plan in played if plan != made.plan)


def test_boldness_that_was_lucky_is_found_out() -> None:
    """A plan that shows in every second world alone is passed on the way, and not told."""
    turn = count()

    def play(plan: Steps) -> Steps | None:
        if calls(plan) >= 7:
            return plan
        return plan if calls(plan) == 6 and next(turn) % 2 == 0 else None

    made = shrink([WHOLE], play, manner="bold", worlds=4)
    assert made is not None
    assert 7 <= calls(made.plan) < calls(WHOLE)
    assert (made.seen, made.worlds) == (4, 4)


def test_a_world_that_earlier_plans_have_worn_proves_nothing() -> None:
    """On the way each plan shows; the last proof is played elsewhere, and there none of them does."""
    assert shrink([WHOLE], lambda plan: plan, manner="bold", worlds=2, last=lambda _: None) is None


def test_the_last_proof_has_time_of_its_own() -> None:
    """When no more may be played on the way, the smallest until then is still proved."""
    left = count()

    def play(plan: Steps) -> Steps | None:
        if next(left) >= 6:
            raise Enough
        return plan if calls(plan) >= 2 else None

    proved: list[Steps] = []

    def last(plan: Steps) -> Steps | None:
        proved.append(plan)
        return plan

    made = shrink([WHOLE], play, manner="bold", worlds=3, last=last)
    assert made is not None
    assert proved == [made.plan] * 3
    assert made.plan != WHOLE


@pytest.mark.parametrize(("proofs", "kept"), [(1, False), (2, True)])
def test_a_last_proof_that_is_cut_short_counts_from_half_of_its_worlds(
    proofs: int, kept: bool
) -> None:
    """Of four worlds two are enough when no time is left for more."""
    left = iter([True] * proofs)

    def last(plan: Steps) -> Steps | None:
        if not next(left, False):
            raise Enough
        return plan

    asked = count()

    def play(plan: Steps) -> Steps | None:
        if next(asked) >= 4:
            raise Enough
        return plan

    made = shrink([WHOLE], play, manner="bold", worlds=4, last=last)
    assert (made is not None) is kept


def test_an_intermittent_defect_is_shrunk_too() -> None:
    """Seen in one world of several is enough on the way, twice of five at the end."""
    turn = count()
    made = shrink(
        [WHOLE],
        lambda plan: plan if next(turn) % 2 and calls(plan) >= 5 else None,
        manner="now and then",
        worlds=4,
    )
    assert made is not None
    assert calls(made.plan) == 5
    assert made.worlds == 5
    assert 2 <= made.seen < 5
