"""How little of a playing its proof needs, told by the history alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.history import Call, Rested
from harness.plan import Fire, Played
from harness.shrink.proof import Playing, core, first_steps, suggested, until_proved, without
from harness.units import NS_PER_S
from tests.flight_facts import PLAYED, TRIAL, flying, playing

HELD, FIRE, WAIT, FREED, LEAVE = TRIAL.steps
HISTORY = playing().history
PLAYING = Playing(TRIAL.steps, PLAYED, HISTORY, (0, 1, 2))
EACH = replace(
    PLAYING,
    steps=(HELD, *(Fire(group=f"{n}") for n in range(4)), WAIT),
    played=replace(
        PLAYED,
        steps=((), (0,), (1,), (2,), (3,), ()),
        began_ns=(0,) * 7,
        at_ns=(10, 20, 31, 32, 33, 40, 60),
        groups={f"{n}": (n,) for n in range(4)},
    ),
)
"""The same four calls, each by a step of its own."""


def of_tokens(*numbers: int) -> Callable[[Playing], tuple[int, ...] | None]:
    """A proof that needs the calls of these numbers, wherever they stand."""

    def proves(playing: Playing) -> tuple[int, ...] | None:
        calls = playing.history.calls
        own = {index for step in playing.played.steps for index in step}
        found = {calls[index].token: index for index in own}
        wanted = {f"sp-00c0ffee-{number}" for number in numbers}
        if not wanted <= set(found):
            return None
        return tuple(sorted(found[token] for token in wanted))

    return proves


def test_a_playing_ends_where_its_proof_is_complete() -> None:
    """The step that makes the last call that is needed is the last."""
    for last in (1, 2, 3, 4):
        short = until_proved(EACH, of_tokens(1, last))
        assert short.steps == EACH.steps[: last + 1]
        assert short.played == first_steps(EACH.played, last + 1)
        assert short.calls == tuple(sorted({0, last - 1}))


def test_a_playing_that_proves_nothing_by_its_history_alone_stays() -> None:
    """Then only the wire can tell."""
    assert until_proved(EACH, lambda _: None) == EACH
    assert core(EACH, lambda _: None) == EACH


def test_calls_that_are_not_needed_were_never_made() -> None:
    """Their arrivals, places and groups go with them; the steps stay, and are played in vain."""
    found = core(EACH, of_tokens(1, 3))
    assert [call.token for call in found.history.calls] == ["sp-00c0ffee-1", "sp-00c0ffee-3"]
    assert [each.number for each in found.history.arrivals] == [1, 3]
    assert found.played.steps == ((), (0,), (), (1,), (), ())
    assert found.played.groups == {"0": (0,), "1": (), "2": (1,), "3": ()}
    assert found.calls == (0, 1)
    assert (found.played.first_call, found.played.end_call) == (0, 2)


def test_what_others_did_stays() -> None:
    """Rests, starts, and requests that carry no call's token are nobody's."""
    strange = replace(HISTORY.arrivals[0], token=None, number=9)
    history = replace(HISTORY, arrivals=(*HISTORY.arrivals, strange))
    left = without(replace(PLAYING, history=history), {0, 1, 2, 3})
    assert left.history.arrivals == (strange,)
    assert left.history.events == tuple(
        event for event in HISTORY.events if not isinstance(event, Call)
    )
    assert any(isinstance(event, Rested) for event in left.history.events)
    assert left.calls == ()


def test_calls_are_told_apart_though_they_are_equal() -> None:
    """Of two calls that look the same only the one that is meant goes."""
    twin = flying(1, status=None, ended_ns=50)
    history = replace(HISTORY, events=(twin, replace(twin)), arrivals=())
    left = without(replace(PLAYING, history=history), {1})
    assert left.history.calls == (twin,)


def test_the_smallest_plan_is_suggested_first() -> None:
    """What the proof needs, then what it was complete with, each without what met no call."""
    plans = suggested(EACH, of_tokens(1, 3))
    one, two, three = (Fire(group=f"{n}") for n in range(3))
    assert plans[0] == (HELD, one, three)
    assert plans[-1] == (HELD, one, two, three)


def test_steps_that_came_later_are_not_of_a_playing() -> None:
    """Nor their instants, nor their calls, nor that it ended early."""
    played = Played(
        steps=((), (0, 1), (), (2,)),
        first_call=0,
        end_call=3,
        ended="out of time",
        began_ns=(0, 0, 0, NS_PER_S, NS_PER_S),
        at_ns=(1, 2, 3, 4, 5),
        groups={"a": (0, 1), "b": (2,)},
    )
    assert first_steps(played, 4) == played
    assert first_steps(played, 3) == Played(
        steps=((), (0, 1), ()),
        first_call=0,
        end_call=2,
        began_ns=(0, 0, 0, NS_PER_S),
        at_ns=(1, 2, 3, 4),
        groups={"a": (0, 1)},
    )
