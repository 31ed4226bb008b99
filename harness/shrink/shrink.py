"""Shrinks a counterexample: guesses from the proof first, then delta debugging, then a last proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from harness.shrink.reduce import Enough, reduce
from harness.shrink.unroll import Steps

Shown = TypeVar("Shown")

PLAYS_MOST: Final = 400
_WALK_BACK: Final = 4
_OFTEN: Final = 2
_LAST: Final = 5
"""A plan that does not show it each time must show it so often in so many fresh worlds."""


@dataclass(frozen=True, slots=True)
class Shrunk(Generic[Shown]):
    """The smallest plan that was found.

    Attributes:
        plan: its steps.
        shown: what its last playing that showed it gave.
        seen, worlds: in how many of how many last fresh worlds it was seen.
        plays: how many plans were played for it in all.
    """

    plan: Steps
    shown: Shown
    seen: int
    worlds: int
    plays: int


@dataclass(slots=True)
class _Plays(Generic[Shown]):
    """Counts playings, and keeps what each plan showed last."""

    play: Callable[[Steps], Shown | None]
    count: int = 0
    shown: dict[Steps, Shown] = field(default_factory=dict)

    def show(self, plan: Steps) -> bool:
        if self.count >= PLAYS_MOST:
            raise Enough
        self.count += 1
        found = self.play(plan)
        if found is not None:
            self.shown[plan] = found
        return found is not None


def shrink(
    starts: Sequence[Steps],
    play: Callable[[Steps], Shown | None],
    *,
    steady: bool,
    worlds: int,
) -> Shrunk[Shown] | None:
    """The smallest plan that shows the same in fresh worlds.

    Args:
        starts: plans to start from, the smallest first, the whole plan last.
        play: plays a plan once; what it showed, or None if it did not break the same promise in
            the same way. Raises :class:`Enough` when no time is left.
        steady: a plan is accepted only if it shows in each of ``worlds`` fresh worlds, at least 1.
            Otherwise two of five are enough.
    Returns:
        None where no plan was seen often enough; then the original should stay.
    """
    plays = _Plays(play)
    if steady:
        accepted = reduce(starts, lambda plan: _each_time(plays, plan, worlds))
    else:
        accepted = reduce(starts, lambda plan: _twice(plays, plan))
    for plan in list(reversed(accepted))[:_WALK_BACK]:
        told = list(_last(plays, plan, worlds if steady else _LAST, steady=steady))
        if all(told) if steady else sum(told) >= _OFTEN:
            seen, tried = (sum(told), len(told)) if told else (worlds, worlds)
            return Shrunk(plan, plays.shown[plan], seen, tried, plays.count)
    return None


def _each_time(plays: _Plays[Shown], plan: Steps, worlds: int) -> bool:
    """Whether it shows in all worlds; where time ends after half of them, those decide."""
    for number in range(worlds):
        try:
            if not plays.show(plan):
                return False
        except Enough:
            if 2 * number < worlds:
                raise
            return True
    return True


def _twice(plays: _Plays[Shown], plan: Steps) -> bool:
    """Whether it shows often enough; no longer played than that is open."""
    seen = 0
    for left in reversed(range(_LAST)):
        seen += plays.show(plan)
        if seen == _OFTEN or seen + left < _OFTEN:
            break
    return seen == _OFTEN


def _last(plays: _Plays[Shown], plan: Steps, worlds: int, *, steady: bool) -> Iterator[bool]:
    """What the last fresh worlds showed, as many as time is left for; steady ends at a miss."""
    try:
        for _ in range(worlds):
            shown = plays.show(plan)
            yield shown
            if steady and not shown:
                return
    except Enough:
        return
