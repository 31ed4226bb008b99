"""How little of a playing its proof needs, told by the recorded history alone. Pure.

The history is the model: a checker judges what was written down, as if a part of it had never been.
What the service would have done without that part only the wire can say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from harness.history import History
from harness.plan import Played, Step
from harness.shrink.guesses import guesses
from harness.shrink.unroll import Steps, flies

_LOOKS: Final = 200
"""So often the history of one playing is judged for what its proof can do without."""


@dataclass(frozen=True, slots=True)
class Playing:
    """What was played, and what proves something in it.

    Attributes:
        steps: the plan.
        played: what became of it.
        history: what happened.
        calls: indexes in the history of the calls that prove it.
    """

    steps: tuple[Step, ...]
    played: Played
    history: History
    calls: tuple[int, ...]


Proves = Callable[[Playing], tuple[int, ...] | None]
"""Judges a playing that was thought up: the calls of its proof, None if it does not prove the same."""


def suggested(playing: Playing, proves: Proves) -> tuple[Steps, ...]:
    """Smaller plans that a playing suggests, the smallest first."""
    if not flies(playing.steps):
        return _guessed(playing)
    short = until_proved(playing, proves)
    return (*_guessed(core(short, proves))[:-1], *_guessed(short))


def until_proved(playing: Playing, proves: Proves) -> Playing:
    """The playing up to the step that completes the proof."""
    found = playing
    low, high = 0, len(playing.played.steps)
    while low + 1 < high:
        middle = (low + high) // 2
        short = _proved(
            replace(
                playing,
                steps=playing.steps[:middle],
                played=first_steps(playing.played, middle),
            ),
            proves,
        )
        low, high = (low, middle) if short is not None else (middle, high)
        found = short or found
    return found


def core(playing: Playing, proves: Proves) -> Playing:
    """The playing as if the calls that its proof can do without had never been made.

    Calls of several steps in a row are left out at once, of many first.
    """
    looks = count()
    found = playing
    width = len(playing.played.steps)
    while width := width // 2:
        at = 0
        while at < len(found.played.steps) and next(looks) < _LOOKS:
            dropped = {call for step in found.played.steps[at : at + width] for call in step}
            if dropped:
                found = _proved(without(found, dropped), proves) or found
            at += width
    return found


def first_steps(played: Played, count: int) -> Played:
    """The same playing, ended after so many steps; what came later is nobody's."""
    made = played.steps[:count]
    calls = [index for step in made for index in step]
    own = set(calls)
    return replace(
        played,
        steps=made,
        first_call=min(calls, default=0),
        end_call=max(calls, default=-1) + 1,
        ended=played.ended if count >= len(played.steps) else None,
        began_ns=played.began_ns[: count + 1],
        at_ns=played.at_ns[: count + 1],
        groups={
            name: kept
            for name, group in played.groups.items()
            if (kept := tuple(index for index in group if index in own))
        },
    )


def without(playing: Playing, dropped: Collection[int]) -> Playing:
    """The same as if these calls had never been made, nor what they had asked of witnesses.

    Calls are counted anew in it. Requests that carry no call's token stay, whosever they were.
    """
    history, played = playing.history, playing.played
    calls = history.calls
    tokens = {calls[index].token for index in dropped} - {None}
    kept = [index for index in range(len(calls)) if index not in dropped]
    places = {index: place for place, index in enumerate(kept)}
    gone = {id(calls[index]) for index in dropped}
    steps = tuple(tuple(places[one] for one in step if one in places) for step in played.steps)
    own = [place for step in steps for place in step]
    return replace(
        playing,
        history=History(
            tuple(event for event in history.events if id(event) not in gone),
            tuple(each for each in history.arrivals if each.token not in tokens),
        ),
        calls=tuple(places[index] for index in playing.calls if index in places),
        played=replace(
            played,
            steps=steps,
            first_call=min(own, default=0),
            end_call=max(own, default=-1) + 1,
            groups={
                name: tuple(places[one] for one in group if one in places)
                for name, group in played.groups.items()
            },
        ),
    )


def _proved(playing: Playing, proves: Proves) -> Playing | None:
    calls = proves(playing)
    return None if calls is None else replace(playing, calls=calls)


def _guessed(playing: Playing) -> tuple[Steps, ...]:
    return guesses(playing.steps, playing.played, playing.calls, playing.history)
