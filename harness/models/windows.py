"""Sliding windows: at most N in any W. Both halves, over intervals, in integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.models.intervals import FOREVER, Excess, Interval, Taken, Unused, Use


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """At most ``count`` in every half-open window of ``window_ns - slack_ns``.

    Attributes:
        count: N, at least 1.
        window_ns: W.
        slack_ns: g; nothing within it of a boundary is judged. Less than W.
    """

    count: int
    window_ns: int
    slack_ns: int

    @property
    def memory_ns(self) -> int:
        """After so long without a call, all of the budget is there again."""
        return self.window_ns + self.slack_ns

    def times(self, factor: int) -> SlidingWindow:
        """The sum of ``factor`` such budgets."""
        return SlidingWindow(self.count * factor, self.window_ns, self.slack_ns)

    def upper(self, taken: Taken) -> WindowRoom:
        """Prepare to judge what was admitted."""
        return WindowRoom(self.count, self.window_ns - self.slack_ns, taken)

    def lower(self, use: Use) -> WindowDebt:
        """Prepare to judge what was refused."""
        return WindowDebt(self.count, self.window_ns + self.slack_ns, self.window_ns, use)


@dataclass(frozen=True)
class WindowRoom:
    """The upper half: no half-open window of ``length_ns`` holds more than ``count`` of ``taken``."""

    count: int
    length_ns: int
    taken: Taken

    def excess(self) -> Excess | None:
        """Calls that no placement explains, or None.

        Exact if no interval lies within another; otherwise it may miss, but never accuses.
        """
        if len(self.taken.intervals) <= self.count:
            return None
        return self._crowded() or self._squeezed()

    def _crowded(self) -> Excess | None:
        """The earliest window that holds N+1 whole intervals."""
        ends: list[int] = []
        best: tuple[int, int] | None = None
        for each in sorted(self.taken.intervals, key=lambda each: each.start, reverse=True):
            insort(ends, each.end)
            if len(ends) <= self.count:
                continue
            end = ends[self.count]
            if end - each.start < self.length_ns and (best is None or end < best[1]):
                best = each.start, end
        if best is None:
            return None
        return Excess.by(self.taken.newest(*best, self.count + 1), self.count, 1)

    def _squeezed(self) -> Excess | None:
        """The first kN+1 whole intervals in less than k windows, found by the least placement.

        In any placement the j-th effect lies between the j-th start and the j-th end, and effects
        N apart differ by a window or more; ``earliest`` is the pointwise least such sequence.
        """
        starts, ends, count = self.taken.starts, self.taken.ends, self.count
        earliest: list[int] = []
        for j, start in enumerate(starts):
            pushed = earliest[j - count] + self.length_ns if j >= count else start
            earliest.append(max(start, pushed))
            if earliest[j] > ends[j]:
                break
        else:
            return None
        base, windows = j, 0
        while earliest[base] > starts[base]:
            base, windows = base - count, windows + 1
        bound = windows * count
        return Excess.by(self.taken.newest(starts[base], ends[j], bound + 1), bound, windows)

    @cached_property
    def _full_from(self) -> dict[int, tuple[int, ...]]:
        """By number of calls: the starts of windows that hold so many whole intervals or more."""
        starts, ends = self.taken.starts, self.taken.ends
        held = [
            (start, bisect_left(ends, start + self.length_ns) - rank)
            for rank, start in enumerate(starts)
            if not rank or starts[rank - 1] != start
        ]
        return {
            wanted: tuple(start for start, number in held if number >= wanted)
            for wanted in (self.count, self.count + 1)
        }

    def over(self, call: Interval, *, counted: bool) -> bool:
        """Whether the admission of ``call`` is a break; ``counted``: it is one of ``taken``."""
        wanted = self.count + 1 if counted else self.count
        starts, ends = self.taken.starts, self.taken.ends
        after, last = call.end - self.length_ns, call.start
        if after >= last:
            return False
        if bisect_left(ends, last + self.length_ns) - bisect_left(starts, last) >= wanted:
            return True
        full = self._full_from[wanted]
        return bisect_right(full, last) > bisect_right(full, after)

    @cached_property
    def _one_less(self) -> WindowRoom:
        return WindowRoom(self.count - 1, self.length_ns, self.taken)

    def drained(self, call: Interval) -> bool:
        """Whether ``call``, not admitted, met a budget that was used up."""
        return self.over(call, counted=False)

    def filled_by(self, call: Interval) -> bool:
        """Whether ``call``, one of ``taken``, was among N in a window."""
        return self.count == 1 or self._one_less.over(call, counted=True)


@dataclass(frozen=True, slots=True)
class WindowDebt:
    """The lower half: who finds fewer than ``count`` of ``use`` in the last ``length_ns`` is owed."""

    count: int
    length_ns: int
    window_ns: int
    use: Use

    def owes(self, call: Interval, *, counted: bool) -> bool:
        """Whether ``call`` must be admitted in every placement; ``counted``: it is one of ``use``.

        Placements are independent of each other, and each call at its latest instant before the
        one that is judged makes the count greatest.
        """
        use, count = self.use, self.count
        others = bisect_left(use.writtens, call.answered) - counted
        most = min(bisect_right(use.starts, call.end) - counted, others)
        if most - bisect_left(use.ends, call.start - self.length_ns) < count:
            return True
        return all(self._used(at, others, counted=counted) < count for at in instants(use, call))

    def _used(self, at: int, others: int, *, counted: bool) -> int:
        started = bisect_right(self.use.starts, at) - counted
        return min(started, others) - bisect_left(self.use.ends, at - self.length_ns)

    def unused(self, call: Interval) -> Unused:
        """The fullest that the budget can have been when ``call`` took effect."""
        others = bisect_left(self.use.writtens, call.answered)
        at = max(instants(self.use, call), key=lambda at: self._used(at, others, counted=False))
        calls = tuple(
            each.call
            for each in self.use.intervals
            if each.start <= at
            and each.end >= at - self.length_ns
            and each.call != call.call
            and not each.is_after(call)
        )
        return Unused(at, at - self.window_ns, len(calls), calls)


def instants(use: Use, call: Interval) -> Iterator[int]:
    """The instants of ``call`` at which what was used can be most: its start, and others' starts.

    The last comes early, because there a call that is not owed mostly shows it.
    """
    if call.end >= FOREVER:
        raise ValueError(f"call {call.call} has no answer: what it is owed cannot be said")
    yield call.start
    first, last = bisect_right(use.starts, call.start), bisect_right(use.starts, call.end)
    if last > first:
        yield use.starts[last - 1]
        yield from use.starts[first : last - 1]
