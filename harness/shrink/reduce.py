"""Delta debugging of a plan. Pure but for ``seen``, which plays a plan and says if it shows the same."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import Final

from harness.plan import Answering, Fire, Leave, Release, Send, Step, Wait
from harness.shrink.merge import merged, unheld
from harness.shrink.plainer import plainer, settings
from harness.shrink.unroll import Steps, calls_in, tidy
from harness.units import NS_PER_MS, NS_PER_S

Seen = Callable[[Steps], bool]
"""Plays a plan in a fresh world; True if it breaks the same promise in the same way.

It raises :class:`Enough` where no more may be played.
"""


class Enough(Exception):
    """Time or plays are used up: what was found until now stays."""


_ROUND_MS: Final = (1, 10, 100)
_ROUND_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600)
ROUND_NS: Final = tuple(
    [ms * NS_PER_MS for ms in _ROUND_MS] + [s * NS_PER_S for s in (*_ROUND_S, 21_600, 86_400)]
)
"""Waits that a wait is shortened to: a reader grasps 20 s sooner than 18.372 s."""


def size(steps: Steps) -> tuple[int, ...]:
    """How much there is to read: steps, calls, waiting, callers, settings that are not plain, and how
    much is released or left.
    """
    ends = [step for step in steps if isinstance(step, Release | Leave)]
    callers = [step for step in steps if isinstance(step, Send | Fire)]
    return (
        len(steps),
        sum(step.times for step in callers),
        sum(step.ns for step in steps if isinstance(step, Wait)),
        len({step.caller for step in callers}),
        sum(settings(step) for step in steps),
        sum(step.times or 0 for step in ends),
    )


Suggest = Callable[[Steps], Sequence[Steps]]
"""Smaller plans that the last playing of an accepted plan suggests, the smallest first."""


@dataclass(slots=True)
class Search:
    """The smallest plan that was seen to show it, and those before it.

    Attributes:
        seen: plays.
        suggest: what an accepted plan's playing suggests.
        found: the plans that were accepted, each smaller than the one before.
    """

    seen: Seen
    suggest: Suggest = lambda _: ()
    found: list[Steps] = field(default_factory=list)
    _tried: set[Steps] = field(default_factory=set)

    @property
    def best(self) -> Steps:
        """The smallest plan until now."""
        return self.found[-1]

    def better(self, candidate: Sequence[Step]) -> bool:
        """Play a candidate if it is smaller than the best and new; keep it if it shows the same."""
        plan = tidy(candidate)
        if plan in self._tried or not calls_in(plan):
            return False
        if self.found and size(plan) >= size(self.best):
            return False
        self._tried.add(plan)
        if not self.seen(plan):
            return False
        self.found.append(plan)
        return True


def reduce(
    starts: Sequence[Steps], seen: Seen, suggest: Suggest = lambda _: ()
) -> tuple[Steps, ...]:
    """Find smaller and smaller plans that show the same.

    Args:
        starts: plans to start from, the smallest first; the first that shows it is made smaller.
        seen: plays one.
        suggest: what the playing of a plan that showed it suggests.
    Returns:
        Those that were accepted, the smallest last; none where not one of ``starts`` showed it.
    """
    search = Search(seen, suggest)
    try:
        if any(search.better(start) for start in starts):
            steps = None
            while steps != len(search.best):
                for reduction in _OF_STEPS:
                    reduction(search)
                steps = len(search.best)
                for reduction in _WITHIN_STEPS:
                    reduction(search)
    except Enough:
        pass
    return tuple(search.found)


def _as_suggested(search: Search) -> None:
    """What the best plan's playing did without, all at once."""
    while any(search.better(plan) for plan in search.suggest(search.best)):
        pass


def _all_neighbours_as_one(search: Search) -> None:
    """Steps of one kind in a row become one, all of them in one go."""
    search.better(merged(search.best))


def _neighbours_as_one(search: Search) -> None:
    """The same, pair by pair."""
    _all_neighbours_as_one(search)
    for at in reversed(range(len(search.best) - 1)):
        if at + 1 < len(search.best):
            search.better(merged(search.best, at))


def _answered_at_once(search: Search) -> None:
    """Requests that are held and released later are answered at once instead."""
    for at in _places(search, Answering):
        step = search.best[at]
        if isinstance(step, Answering):
            for plan in unheld(search.best, at):
                search.better(plan)


def _fewer_acts(search: Search) -> None:
    """Do less in the same time: drop runs of steps, long ones first, but let their waits pass.

    The last step is left alone: mostly it completes the proof.
    """
    width = max(1, len(search.best) // 2)
    while width:
        at = 0
        while at < len(search.best) - 1:
            steps = search.best
            end = min(at + width, len(steps) - 1)
            waits = [step for step in steps[at:end] if isinstance(step, Wait)]
            if not search.better([*steps[:at], *waits, *steps[end:]]):
                at += width
        width //= 2


def _fewer_steps(search: Search) -> None:
    """Drop runs of steps, long ones first."""
    width = max(1, len(search.best) // 2)
    while width:
        at = 0
        while at < len(search.best):
            steps = search.best
            if not search.better(steps[:at] + steps[at + width :]):
                at += width
        width //= 2


def _fewer_calls(search: Search) -> None:
    """Lower the number of calls of each step, and of what is released or left."""
    for at in _places(search, Send | Fire | Release | Leave):
        step = search.best[at]
        if isinstance(step, Send | Fire | Release | Leave) and step.times:
            _least(search, at, [replace(step, times=times) for times in range(1, step.times)])


def _plainer(search: Search) -> None:
    """One caller for several, no header, no connection of its own, the simplest script."""
    callers = [step.caller for step in search.best if isinstance(step, Send | Fire)]
    for other in dict.fromkeys(callers[1:]):
        search.better([_renamed(step, other, callers[0]) for step in search.best])
    for at in _places(search, Send | Fire | Release | Leave | Answering):
        tried: set[Step] = set()
        while at < len(search.best):
            step = search.best[at]
            left = (one for one in plainer(step) if one not in tried)
            candidate = next(left, None)
            if candidate is None:
                break
            tried.add(candidate)
            _replaced(search, at, candidate)


def _renamed(step: Step, old: str, new: str) -> Step:
    if isinstance(step, Send | Fire) and step.caller == old:
        return replace(step, caller=new)
    return step


def _shorter_waits(search: Search) -> None:
    """Shorten each wait to a round span."""
    for at in _places(search, Wait):
        wait = search.best[at]
        if isinstance(wait, Wait):
            # Whole seconds where no rounder span does: a proof may need most of them.
            spans = {*ROUND_NS[: bisect_left(ROUND_NS, wait.ns)], wait.ns // NS_PER_S * NS_PER_S}
            spans -= {0, wait.ns}
            _least(search, at, [Wait(ns=ns) for ns in sorted(spans)])


def _least(search: Search, at: int, smaller: Sequence[Step]) -> None:
    """Bisect for the least of rising steps that still does; the last is tried first.

    Mostly it does not, and that settles it: a proof needs all the calls of a full limit.
    """
    low, high = -1, len(smaller) - 1
    if high < 0 or not _replaced(search, at, smaller[high]):
        return
    while low + 1 < high:
        middle = (low + high) // 2
        if _replaced(search, at, smaller[middle]):
            high = middle
        else:
            low = middle


def _replaced(search: Search, at: int, step: Step) -> bool:
    return search.better((*search.best[:at], step, *search.best[at + 1 :]))


def _places(search: Search, kind: type[Step] | UnionType) -> Iterator[int]:
    """Where steps of a kind stand, from the last to the first; the plan may shrink meanwhile."""
    for at in reversed(range(len(search.best))):
        if at < len(search.best) and isinstance(search.best[at], kind):
            yield at


_OF_STEPS: Final = (
    _as_suggested,
    _all_neighbours_as_one,
    _fewer_acts,
    _fewer_steps,
    _neighbours_as_one,
    _answered_at_once,
)
"""What saves most comes first."""
_WITHIN_STEPS: Final = (
    _fewer_calls,
    _neighbours_as_one,
    _answered_at_once,
    _plainer,
    _shorter_waits,
)
"""Where a step goes even here, all begins anew."""
