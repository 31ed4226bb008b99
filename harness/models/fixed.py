"""Fixed windows of unknown phase: borders at least W apart, at most N between neighbours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from harness.models.intervals import Excess, Interval, Taken, Use
from harness.models.windows import WindowDebt

_BORDERS_MOST: Final = 100_000
_AROUND: Final = 3
"""Windows on each side that are looked at to say whether one call more would be a break."""


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """At most ``count`` between borders that are ``window_ns - slack_ns`` or more apart.

    Attributes:
        reach: an entitled caller finds the budget unused for so many windows (2: an approximate
            counter, which weighs the window before).
    """

    count: int
    window_ns: int
    slack_ns: int
    reach: int = 1

    @property
    def memory_ns(self) -> int:
        """After so long without a call, all of the budget is there again."""
        return self.reach * self.window_ns + self.slack_ns

    def times(self, factor: int) -> FixedWindow:
        """The sum of ``factor`` such budgets."""
        return replace(self, count=self.count * factor)

    def upper(self, taken: Taken) -> FixedRoom:
        """Prepare to judge what was admitted."""
        return FixedRoom(self.count, self.window_ns - self.slack_ns, taken)

    def lower(self, use: Use) -> WindowDebt:
        """Prepare to judge what was refused."""
        return WindowDebt(self.count, self.memory_ns, self.reach * self.window_ns, use)


@dataclass(frozen=True)
class FixedRoom:
    """The upper half: some placing of borders leaves at most ``count`` in each window."""

    count: int
    length_ns: int
    taken: Taken
    _known: dict[tuple[int, int, bool], bool] = field(default_factory=dict)

    def excess(self) -> Excess | None:
        """Calls in a row that no placing of windows explains, or None.

        Leaving calls out never accuses, so a history with too many borders to try loses its oldest
        calls first.
        """
        calls = sorted(self.taken.intervals, key=lambda each: (each.end, each.start))
        while _borders(calls, self.length_ns) > _BORDERS_MOST:
            calls = calls[len(calls) // 4 + 1 :]
        if self._fits(calls):
            return None
        last = _least(len(calls), lambda end: not self._fits(calls[:end]))
        calls = calls[:last]
        dropped = len(calls) - _least(len(calls), lambda size: not self._fits(calls[-size:]))
        members = calls[dropped:]
        windows = -(-len(members) // self.count) - 1
        return Excess.by(sorted(members, key=lambda each: each.call), self.count, windows)

    def _fits(self, calls: list[Interval]) -> bool:
        """Whether some borders explain ``calls``; a call astride a border is free.

        Any border can be moved right until it meets the end of a call or is one window before the
        next border, without a new call in any window; so only ends minus whole windows are tried.
        A border is reachable if the last reachable one, a window or more before it, leaves at most
        N calls between (a later one leaves fewer), or if N or fewer lie before it in all.
        """
        count, length = self.count, self.length_ns
        if len(calls) <= count:
            return True
        taken = Taken.of(calls)
        starts, ends = taken.starts, taken.ends
        reachable: list[tuple[int, int]] = []
        ended = started = behind = 0
        for border in _candidates(starts[0], ends, length):
            while ended < len(ends) and ends[ended] < border:
                ended += 1
            while behind < len(reachable) and reachable[behind][0] <= border - length:
                behind += 1
            before = reachable[behind - 1][1] if behind else 0
            if ended - before > count:
                continue
            while started < len(starts) and starts[started] < border:
                started += 1
            if len(starts) - started <= count:
                return True
            reachable.append((border, started))
        return False

    def over(self, call: Interval, *, counted: bool) -> bool:
        """Whether the admission of ``call`` is a break; ``counted``: it is one of ``taken``.

        Only calls nearby are looked at: it may miss, but what it says is proved.
        """
        place = call.start, call.end, counted
        if place not in self._known:
            self._known[place] = self._over(call)
        return self._known[place]

    def _over(self, call: Interval) -> bool:
        reach = _AROUND * self.length_ns
        near = [
            each
            for each in self.taken.intervals
            if each.end > call.start - reach
            and each.start < call.end + reach
            and each.call != call.call
        ]
        if len(near) < self.count:
            return False
        while _borders([*near, call], self.length_ns) > _BORDERS_MOST // 20:
            near = near[len(near) // 4 + 1 :]
        return self._fits(near) and not self._fits([*near, call])

    def drained(self, call: Interval) -> bool:
        """Whether ``call``, not admitted, certainly came when N had been admitted within W.

        In real time one refusal alone is hardly ever *over*: where the calls of a burst are astride
        a border, one of them is free on each side. That the limit was reached is seen without.
        """
        return self._held_before(call) >= self.count

    def filled_by(self, call: Interval) -> bool:
        """Whether ``call``, one of ``taken``, was the N-th within one window's length."""
        return self._held_before(call) >= self.count

    def _held_before(self, call: Interval) -> int:
        """At least so many lie whole in the window's length before the end of ``call``."""
        first = call.end - self.length_ns
        return bisect_right(self.taken.ends, call.end) - bisect_right(self.taken.starts, first)


def _candidates(first: int, ends: tuple[int, ...], length: int) -> list[int]:
    borders: set[int] = set()
    for end in set(ends):
        borders.update(range(end, first - 1, -length))
    return sorted(borders)


def _borders(calls: list[Interval], length: int) -> int:
    """About how many borders would have to be tried."""
    if not calls:
        return 0
    ends = {each.end for each in calls}
    return len(ends) * ((max(ends) - min(each.start for each in calls)) // length + 1)


def _least(most: int, holds: Callable[[int], bool]) -> int:
    """The least size in [1, most] for which a monotone test holds."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
