"""Shrinks a counterexample: guesses from the proof first, then delta debugging, then a last proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

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


Manner = Literal["bold", "careful", "now and then"]
"""In how many worlds a plan on the way must be seen: in one, in all, or in two of five."""


def shrink(
    starts: Sequence[Steps],
    play: Callable[[Steps], Shown | None],
    *,
    manner: Manner,
    worlds: int,
    last: Callable[[Steps], Shown | None] | None = None,
    suggest: Callable[[Shown], Sequence[Steps]] = lambda _: (),
) -> Shrunk[Shown] | None:
    """The smallest plan that shows the same in fresh worlds.

    Args:
        starts: plans to start from, the smallest first, the whole plan last.
        play: plays a plan once; what it showed, or None if it did not break the same promise in
            the same way. Raises :class:`Enough` when no time is left.
        manner: how plans on the way are seen. The last one must show in each of ``worlds`` fresh
            worlds, at least 1, or for ``now and then`` in two of five.
        last: the same as ``play`` for that last proof.
        suggest: smaller plans that what a playing showed suggests.
    Returns:
        None where no plan was seen often enough; then the original should stay.
    """
    spare = _WALK_BACK * worlds if manner == "bold" else 0
    way = _Shrinking(_Plays(play, last or play, spare), suggest, worlds)
    match manner:
        case "bold":
            return way.boldly(starts)
        case "careful":
            return way.carefully(starts)
        case "now and then":
            return way.now_and_then(starts)


@dataclass(slots=True)
class _Plays(Generic[Shown]):
    """Counts playings, and keeps what each plan showed last."""

    play: Callable[[Steps], Shown | None]
    last: Callable[[Steps], Shown | None]
    spare: int
    count: int = 0
    shown: dict[Steps, Shown] = field(default_factory=dict)

    def show(self, plan: Steps, *, last: bool = False) -> bool:
        if self.count >= PLAYS_MOST - (0 if last else self.spare):
            raise Enough
        self.count += 1
        found = self.last(plan) if last else self.play(plan)
        if found is not None:
            self.shown[plan] = found
        return found is not None


@dataclass(frozen=True, slots=True)
class _Shrinking(Generic[Shown]):
    """One counterexample on its way.

    Attributes:
        plays: plays plans and counts.
        suggest: what a playing suggests.
        worlds: how many fresh worlds a smaller plan must be seen in.
    """

    plays: _Plays[Shown]
    suggest: Callable[[Shown], Sequence[Steps]]
    worlds: int

    def reduced(self, starts: Sequence[Steps], seen: Callable[[Steps], bool]) -> tuple[Steps, ...]:
        return reduce(starts, seen, lambda plan: self.suggest(self.plays.shown[plan]))

    def boldly(self, starts: Sequence[Steps]) -> Shrunk[Shown] | None:
        """Each plan on the way is seen once, the last in all worlds.

        Where that one is not, plans on the way hung on chance or on what earlier ones had done.
        """
        accepted = self.reduced(starts, self.plays.show)
        for plan in reversed(accepted[-_WALK_BACK:]):
            told = self.told(plan)
            if all(told) and 2 * len(told) >= self.worlds:
                return self.shrunk(plan, told)
        return None

    def carefully(self, starts: Sequence[Steps]) -> Shrunk[Shown] | None:
        """Each plan on the way is seen in all worlds."""
        accepted = self.reduced(starts, self._each_time)
        for plan in reversed(accepted[-_WALK_BACK:]):
            told = self.told(plan)
            if all(told):
                return self.shrunk(plan, told or [True] * self.worlds)
        return None

    def now_and_then(self, starts: Sequence[Steps]) -> Shrunk[Shown] | None:
        """A plan need not show it each time."""
        accepted = self.reduced(starts, self._twice)
        for plan in reversed(accepted[-_WALK_BACK:]):
            told = list(self._last(plan, _LAST))
            if sum(told) >= _OFTEN:
                return self.shrunk(plan, told)
        return None

    def told(self, plan: Steps) -> list[bool]:
        """What the last fresh worlds showed, as many as time is left for; it ends at a miss."""
        told: list[bool] = []
        for shown in self._last(plan, self.worlds):
            told.append(shown)
            if not shown:
                break
        return told

    def shrunk(self, plan: Steps, told: Sequence[bool]) -> Shrunk[Shown]:
        plays = self.plays
        return Shrunk(plan, plays.shown[plan], sum(told), len(told), plays.count)

    def _each_time(self, plan: Steps) -> bool:
        """Whether it shows in all worlds; where time ends after half of them, those decide."""
        for number in range(self.worlds):
            try:
                if not self.plays.show(plan):
                    return False
            except Enough:
                if 2 * number < self.worlds:
                    raise
                return True
        return True

    def _twice(self, plan: Steps) -> bool:
        """Whether it shows often enough; no longer played than that is open."""
        seen = 0
        for left in reversed(range(_LAST)):
            seen += self.plays.show(plan)
            if seen == _OFTEN or seen + left < _OFTEN:
                break
        return seen == _OFTEN

    def _last(self, plan: Steps, worlds: int) -> Iterator[bool]:
        try:
            for _ in range(worlds):
                yield self.plays.show(plan, last=True)
        except Enough:
            return
