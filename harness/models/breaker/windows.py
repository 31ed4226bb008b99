"""What a closed breaker remembers of its results, and whether that may or must open it.

Results are kept with the interval of target time in which they came. Where honest windows differ in
what they still hold (buckets, the oldest results), all that may be held is tried: it *may* open if
any content allowed opens it, and it *must* if all do.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from harness.models.breaker.rules import Consecutive, Counted, Timed, Trip, Weak
from harness.units import NS_PER_S

Span = tuple[int, int]
"""The earliest and the latest instant of target time at which something happened."""
LONG_AGO: Final = -(1 << 62)
NEW, OLD, EXTRA = 0, 1, 2
"""Results since the last closing, those from before, and those that a window may have left out."""


class Entry(NamedTuple):
    """Results of one moment: failures, successes and begun calls."""

    lo: int
    hi: int
    failed: int
    good: int
    begun: int
    age: int


class TimedWindow(NamedTuple):
    """Results by time, the oldest first; ``forgot_ns``: when all was last forgotten, at the earliest."""

    entries: tuple[Entry, ...] = ()
    forgot_ns: int = LONG_AGO


class CountedWindow(NamedTuple):
    """``(failed, age)`` of each result, the oldest first, and the calls begun since the closing."""

    results: tuple[tuple[int, int], ...] = ()
    begun: int = 0


class WeakWindow(NamedTuple):
    """What the weakest promise can be held to.

    ``pure``: nothing but failures so far. ``streak``: failures since anything else. ``others``: all
    that may dilute failures in a window. ``closed``: a closing came before.
    """

    begun: int = 0
    failed: int = 0
    streak: int = 0
    others: int = 0
    pure: bool = True
    closed: bool = False
    first: Span | None = None
    at_once: bool = True


Window = int | TimedWindow | CountedWindow | WeakWindow
Sides = tuple[bool, bool]
"""Whether it may open, and whether it must."""
Table = tuple[tuple[tuple[Sides, Sides], tuple[Sides, Sides]], ...]
"""By window (cleared, kept), then volume (results, begun), then rate (at, above)."""


def fresh(trip: Trip) -> Window:
    """Nothing is remembered."""
    match trip:
        case Consecutive():
            return 0
        case Weak():
            return WeakWindow()
        case Timed():
            return TimedWindow()
        case Counted():
            return CountedWindow()


def begun(trip: Trip, window: Window, now: Span) -> Window:
    """A call begins while the breaker is closed."""
    if isinstance(trip, Weak) and isinstance(window, WeakWindow):
        first = window.first or now
        at_once = window.at_once and first == now and now[0] == now[1]
        return window._replace(begun=window.begun + 1, first=first, at_once=at_once)
    if isinstance(trip, Timed) and isinstance(window, TimedWindow) and trip.rate is not None:
        return _with(trip, window, Entry(*now, 0, 0, 1, NEW))
    if isinstance(trip, Counted) and isinstance(window, CountedWindow):
        return window._replace(begun=min(window.begun + 1, trip.last))
    return window


def added(trip: Trip, window: Window, now: Span, *, failed: bool, age: int = NEW) -> Window:
    """A result that is counted; ``age``: ``EXTRA`` where a window may have left it out."""
    match window:
        case int():
            return (window + 1 if failed else 0) if age == NEW else window
        case WeakWindow():
            return _weakly(window, now, failed=failed and age == NEW)
        case TimedWindow() if isinstance(trip, Timed):
            begun_too = age != NEW and trip.rate is not None
            return _with(trip, window, Entry(*now, failed, not failed, begun_too, age))
        case CountedWindow() if isinstance(trip, Counted):
            results = (*window.results, (int(failed), age))
            surplus = sum(each != EXTRA for _, each in results) - trip.last
            for _ in range(max(0, surplus)):
                gone = next(place for place, (_, each) in enumerate(results) if each != EXTRA)
                results = results[gone + 1 :]
            return window._replace(results=results)
    raise TypeError(f"{window} is no window of {trip}")


def ignored(window: Window) -> Window:
    """A result or a refusal that counts for nothing, though it may dilute a window."""
    if isinstance(window, WeakWindow):
        return window._replace(pure=False, streak=0, others=window.others + 1)
    return window


def reopened(window: Window) -> Window:
    """After a closing: what was counted before may be forgotten, or kept."""
    match window:
        case int():
            return 0
        case WeakWindow():
            return window._replace(closed=True, streak=0)
        case TimedWindow():
            entries = tuple(each._replace(age=max(each.age, OLD)) for each in window.entries)
            return window._replace(entries=entries)
        case CountedWindow():
            results = tuple((failed, max(age, OLD)) for failed, age in window.results)
            return CountedWindow(results)


def table(trip: Trip, window: Window, now: Span) -> Table:
    """Whether it may and must open now, under each reading."""
    match trip, window:
        case Consecutive(), int():
            is_reached = window >= trip.failures
            return _same((is_reached, is_reached))
        case Weak(), WeakWindow():
            return _same(_weak_sides(trip, window, now))
        case Timed(), TimedWindow():
            return _timed_table(trip, window, now)
        case Counted(), CountedWindow():
            return _counted_table(trip, window)
    raise TypeError(f"{window} is no window of {trip}")


def forgettings(trip: Trip, window: Window, now: Span) -> Iterator[TimedWindow]:
    """What is left if all was forgotten at some moment before the newest result."""
    if not isinstance(trip, Timed) or trip.rolling or not isinstance(window, TimedWindow):
        return
    entries = window.entries
    for place in range(1, len(entries)):
        before, after = entries[place - 1], entries[place]
        if before.lo == after.hi:
            continue  # one instant lies in one window
        earliest = max(before.lo, window.forgot_ns + trip.within_ns)
        if earliest <= min(after.hi, now[1]):
            yield TimedWindow(entries[place:], earliest)


def _with(trip: Timed, window: TimedWindow, entry: Entry) -> TimedWindow:
    """One more entry; what surely no longer counts is left out, and one instant is one entry."""
    live = tuple(each for each in window.entries if entry.lo - each.hi <= trip.never_ns)
    if live and entry.lo == entry.hi:
        last = live[-1]
        if last[:2] == entry[:2] and last.age == entry.age:
            sums = (last.failed + entry.failed, last.good + entry.good, last.begun + entry.begun)
            return window._replace(entries=(*live[:-1], Entry(last.lo, last.hi, *sums, last.age)))
    return window._replace(entries=(*live, entry))


def _weakly(window: WeakWindow, now: Span, *, failed: bool) -> WeakWindow:
    at_once = window.at_once and window.first == now
    if not failed:
        return window._replace(pure=False, streak=0, others=window.others + 1)
    return window._replace(failed=window.failed + 1, streak=window.streak + 1, at_once=at_once)


def _weak_sides(trip: Weak, window: WeakWindow, now: Span) -> Sides:
    surely = trip.surely
    if window.closed:
        return window.failed > 0, window.streak >= 2 * surely + 12 + window.others
    may = window.begun >= trip.failures and window.failed > 0
    is_short = window.first is not None and now[1] - window.first[0] <= NS_PER_S
    enough = surely if window.at_once else 2 * surely - 1
    is_pure = window.pure and window.begun == window.failed and (window.at_once or is_short)
    return may, is_pure and window.failed >= enough


class _Held(NamedTuple):
    """How many failures, successes and begun calls a window holds: at least and at most."""

    failed: Span
    good: Span
    begun: Span

    def sides(
        self, rate: Fraction, minimum: int, *, of_begun: bool, above: bool
    ) -> tuple[bool, bool]:
        (few, many), (good_few, good_many), (begun_few, begun_many) = self

        def reaches(failed: int, total: int) -> bool:
            share = failed * rate.denominator - rate.numerator * total
            return failed > 0 and (share > 0 if above and rate < 1 else share >= 0)

        if of_begun:
            may = begun_many >= minimum and reaches(many, many + good_few)
            must = begun_few >= minimum and reaches(few, max(few + good_many, begun_many))
            return may, must
        least = max(good_few, minimum - many)
        may = least <= good_many and reaches(many, many + least)
        return may, few + good_few >= minimum and reaches(few, few + good_many)


@lru_cache(maxsize=8192)
def _timed_table(trip: Timed, window: TimedWindow, now: Span) -> Table:
    entries = window.entries
    gone = 0
    while gone < len(entries) and now[0] - entries[gone].hi > trip.never_ns:
        gone += 1
    sure = gone
    while sure < len(entries) and now[1] - entries[sure].lo >= trip.surely_ns:
        sure += 1
    contents = [_held(entries[place:]) for place in range(gone, sure + 1)]
    if trip.rate is None:
        needed = trip.failures or 1
        found = []
        for kept in (0, 1):
            counts = [content[kept].failed for content in contents]
            may, must = any(c[1] >= needed for c in counts), all(c[0] >= needed for c in counts)
            found.append(_same((may, must))[0])
        return tuple(found)
    return _rates(trip.rate, trip.minimum, contents)


@lru_cache(maxsize=8192)
def _counted_table(trip: Counted, window: CountedWindow) -> Table:
    new = [failed for failed, age in window.results if age == NEW]
    old = [failed for failed, age in window.results if age == OLD]
    extra = [failed for failed, age in window.results if age == EXTRA]
    failed, good = sum(new), len(new) - sum(new)
    cleared = _Held((failed, failed), (good, good), (window.begun, window.begun))
    room = trip.last - len(new)
    more = old[-room:] if room and not extra else []
    if extra:
        bad = min(room, sum(old) + sum(extra))
        fine = min(room, len(old) + len(extra) - sum(old) - sum(extra))
        kept = _Held((failed, failed + bad), (good, good + fine), (0, 0))
    else:
        bad, fine = sum(more), len(more) - sum(more)
        kept = _Held((failed + bad,) * 2, (good + fine,) * 2, (0, 0))
    most = min(trip.last, window.begun + len(old) + len(extra))
    return _rates(trip.rate, trip.minimum, [(cleared, kept._replace(begun=(window.begun, most)))])


def _held(entries: tuple[Entry, ...]) -> tuple[_Held, _Held]:
    """What the entries hold if the window was cleared by the last closing, and if it was kept."""
    new, old, extra = [0, 0, 0], [0, 0, 0], [0, 0, 0]
    for entry in entries:
        sums = (new, old, extra)[entry.age]
        for place in range(3):
            sums[place] += entry[2 + place]
    cleared = _Held((new[0],) * 2, (new[1],) * 2, (new[2],) * 2)
    failed, good, calls = (
        (new[place] + old[place], new[place] + old[place] + extra[place]) for place in range(3)
    )
    return cleared, _Held(failed, good, calls)


def _rates(rate: Fraction, minimum: int, contents: list[tuple[_Held, _Held]]) -> Table:
    def sides(kept: int, *, of_begun: bool, above: bool) -> Sides:
        found = [
            content[kept].sides(rate, minimum, of_begun=of_begun, above=above)
            for content in contents
        ]
        return any(may for may, _ in found), all(must for _, must in found)

    def volumes(kept: int, *, of_begun: bool) -> tuple[Sides, Sides]:
        return (
            sides(kept, of_begun=of_begun, above=False),
            sides(kept, of_begun=of_begun, above=True),
        )

    return tuple((volumes(kept, of_begun=False), volumes(kept, of_begun=True)) for kept in (0, 1))


def _same(sides: Sides) -> Table:
    rates = (sides, sides)
    return ((rates, rates), (rates, rates))
