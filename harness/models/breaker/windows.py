"""What a closed breaker remembers of its results, and whether that may or must open it.

Results are kept with the interval of target time in which they came; those of one instant are one
entry. Where honest windows differ in what they still hold (buckets, results from before the last
closing), all that may be held is tried: it *may* open if any content allowed opens it, and it *must* if
all do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from harness.models.breaker.rules import Consecutive, Counted, Timed, Trip, Weak
from harness.units import NS_PER_S

Span = tuple[int, int]
"""The earliest and the latest instant of target time at which something happened."""
LONG_AGO: Final = -(1 << 62)


class Entry(NamedTuple):
    """Results of one moment: failures, successes and calls begun."""

    lo: int
    hi: int
    failed: int
    good: int
    begun: int


class Results(NamedTuple):
    """What a window of time, or of the last results, holds.

    Attributes:
        entries: results since the last closing, the oldest first.
        calls: calls begun since then.
        past: all that ever came and may still be held where closing does not clear the window;
            the same in every state, so that it never tells two apart.
        closed: a closing came before.
        forgot_ns: when all was last forgotten at once, at the earliest.
    """

    entries: tuple[Entry, ...] = ()
    calls: tuple[Entry, ...] = ()
    past: tuple[Entry, ...] = ()
    closed: bool = False
    forgot_ns: int = LONG_AGO


class WeakWindow(NamedTuple):
    """What the weakest promise can be held to.

    Attributes:
        begun, failed: calls and failures so far.
        streak: failures since anything else.
        others: all that may dilute failures in a window.
        pure: nothing but failures so far.
        closed: a closing came before.
        first: when the first call began.
        at_once: everything was at that one instant.
    """

    begun: int = 0
    failed: int = 0
    streak: int = 0
    others: int = 0
    pure: bool = True
    closed: bool = False
    first: Span | None = None
    at_once: bool = True


Window = int | Results | WeakWindow
Sides = tuple[bool, bool]
"""Whether it may open, and whether it must."""
Table = tuple[tuple[Sides, Sides], tuple[Sides, Sides]]
"""By volume (of results, of calls begun), then rate (at it, above it)."""


def fresh(trip: Trip) -> Window:
    """Nothing is remembered."""
    match trip:
        case Consecutive():
            return 0
        case Weak():
            return WeakWindow()
        case Timed() | Counted():
            return Results()


def begun(trip: Trip, window: Window, now: Span) -> Window:
    """A call begins while the breaker is closed."""
    match window:
        case WeakWindow():
            if window.closed:
                return window
            first = window.first or now
            at_once = window.at_once and first == now and now[0] == now[1]
            return window._replace(begun=window.begun + 1, first=first, at_once=at_once)
        case Results() if _has_rate(trip):
            entry = Entry(*now, 0, 0, 1)
            return window._replace(calls=_with(trip, window.calls, entry, in_order=False))
    return window


def added(trip: Trip, window: Window, now: Span, *, failed: bool) -> Window:
    """A result that is counted while the breaker is closed."""
    match window:
        case int():
            return window + 1 if failed else 0
        case WeakWindow():
            at_once = window.at_once and window.first == now
            some = 1 if window.closed else window.failed + 1
            more = window._replace(failed=some, streak=window.streak + 1, at_once=at_once)
            return more if failed else window
        case Results():
            entry = Entry(*now, int(failed), int(not failed), 0)
            return window._replace(entries=_with(trip, window.entries, entry))


def noted(trip: Trip, window: Window, now: Span, *, failed: int, good: int, calls: int) -> Window:
    """What a window that is never cleared may hold besides: whatever came, in any state."""
    if isinstance(window, WeakWindow) and good:
        return refused(window)
    if not isinstance(window, Results):
        return window
    entry = Entry(*now, failed, good, calls)
    if isinstance(trip, Counted):  # only how many there were ever, at most as many as count
        before = window.past[0] if window.past else Entry(0, 0, 0, 0, 0)
        sums = (min(trip.last, a + b) for a, b in zip(before[2:], entry[2:], strict=True))
        return window._replace(past=(Entry(0, 0, *sums),))
    return window._replace(past=_with(trip, window.past, entry, in_order=False))


def refused(window: Window) -> Window:
    """Whatever is no failure may dilute a window of which nothing is known, refusals too."""
    if isinstance(window, WeakWindow):
        return window._replace(pure=False, streak=0, others=window.others + 1)
    return window


def reopened(window: Window) -> Window:
    """After a closing: what was counted before may be forgotten, or kept."""
    match window:
        case int():
            return 0
        case WeakWindow():
            return WeakWindow(
                failed=min(window.failed, 1), others=window.others, pure=False, closed=True
            )
        case Results():
            return window._replace(entries=(), calls=(), closed=True)


def cleared(trip: Trip, window: Window) -> Window:
    """Closed with a clear count."""
    if isinstance(window, Results):
        return Results(past=window.past, forgot_ns=window.forgot_ns)
    return fresh(trip)


def table(trip: Trip, window: Window, now: Span) -> Table:
    """Whether it may and must open now, under each reading."""
    match trip, window:
        case Consecutive(), int():
            is_reached = window >= trip.failures
            return _same((is_reached, is_reached))
        case Weak(), WeakWindow():
            return _same(_weak_sides(trip, window, now))
        case Timed(), Results():
            return _timed_table(trip, window, now)
        case Counted(), Results():
            return _counted_table(trip, window)
    raise TypeError(f"{window} is no window of {trip}")


def forgettings(trip: Trip, window: Window, now: Span) -> Iterator[Results]:
    """What is left if all was forgotten at some moment before the newest result."""
    if not isinstance(trip, Timed) or trip.rolling or not isinstance(window, Results):
        return
    entries = window.entries
    for place in range(1, len(entries)):
        before, after = entries[place - 1], entries[place]
        if before.lo == after.hi:
            continue  # one instant lies in one window
        earliest = max(before.lo, window.forgot_ns + trip.within_ns)
        if earliest <= min(after.hi, now[1]):
            yield window._replace(entries=entries[place:], forgot_ns=earliest)


def _has_rate(trip: Trip) -> bool:
    return isinstance(trip, Timed | Counted) and trip.rate is not None


@lru_cache(maxsize=16384)
def _with(
    trip: Trip, entries: tuple[Entry, ...], entry: Entry, *, in_order: bool = True
) -> tuple[Entry, ...]:
    """One more entry; what surely no longer counts is left out, and one instant is one entry."""
    # Results of one span may be parted by a window that forgets all at once, or by a count of results.
    if in_order and not (isinstance(trip, Timed) and trip.rolling):
        is_one = bool(entries) and entry.lo == entry.hi and entries[-1][:2] == entry[:2]
        entries = (*entries[:-1], _both(entries[-1], entry)) if is_one else (*entries, entry)
    else:
        rest = tuple(each for each in entries if each[:2] != entry[:2])
        same = next((each for each in entries if each[:2] == entry[:2]), None)
        entries = tuple(sorted((*rest, entry if same is None else _both(same, entry))))
    if isinstance(trip, Timed):
        oldest = entry.lo - trip.never_ns
        return tuple(each for each in entries if each.hi >= oldest)
    if isinstance(trip, Counted) and in_order:
        later = sum(each.failed + each.good for each in entries)
        while len(entries) > 1 and later - entries[0].failed - entries[0].good >= trip.last:
            later -= entries[0].failed + entries[0].good
            entries = entries[1:]
    return entries


def _both(one: Entry, other: Entry) -> Entry:
    sums = (one.failed + other.failed, one.good + other.good, one.begun + other.begun)
    return Entry(one.lo, one.hi, *sums)


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

    def sides(self, rate: Fraction, minimum: int, *, of_begun: bool, above: bool) -> Sides:
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
def _timed_table(trip: Timed, window: Results, now: Span) -> Table:
    gone, sure = _edges(trip, window.entries, now)
    kept = (0, 0, 0)
    if window.closed:
        kept = _sums(each for each in window.past if now[0] - each.hi <= trip.never_ns)
    calls = _calls(trip, window, now)
    contents = []
    for place in range(gone, sure + 1):
        failed, good, _ = _sums(window.entries[place:])
        contents.append(
            _Held(
                (failed, max(failed, kept[0])),
                (good, max(good, kept[1])),
                (calls[0], max(calls[1], kept[2])),
            )
        )
    if trip.rate is None:
        needed = trip.failures or 1
        may = any(content.failed[1] >= needed for content in contents)
        return _same((may, all(content.failed[0] >= needed for content in contents)))
    return _rates(trip.rate, trip.minimum, contents)


def _edges(trip: Timed, entries: tuple[Entry, ...], now: Span) -> Span:
    """So many of the oldest entries are surely out, and so many may be."""
    gone = 0
    while gone < len(entries) and now[0] - entries[gone].hi > trip.never_ns:
        gone += 1
    sure = gone
    while sure < len(entries) and now[1] - entries[sure].lo >= trip.surely_ns:
        sure += 1
    return gone, sure


def _calls(trip: Timed, window: Results, now: Span) -> Span:
    """Calls begun that count: at least (none, if all may have been forgotten), and at most."""
    gone, sure = _edges(trip, window.calls, now)
    least = 0 if window.forgot_ns > LONG_AGO else _sums(window.calls[sure:])[2]
    return least, _sums(window.calls[gone:])[2]


@lru_cache(maxsize=8192)
def _counted_table(trip: Counted, window: Results) -> Table:
    """The oldest entry may hold more results than still count: which of them is not known."""
    entries = window.entries
    later = _sums(entries[1:])
    oldest = _sums(entries[:1])
    room = trip.last - later[0] - later[1]
    few, many = max(0, room - oldest[1]), min(oldest[0], room)
    if oldest[0] + oldest[1] <= room:
        few = many = oldest[0]
    goods = (min(oldest[1], room - many), min(oldest[1], room - few))
    calls = min(trip.last, _sums(window.calls)[2])
    failed, good = (later[0] + few, later[0] + many), (later[1] + goods[0], later[1] + goods[1])
    held = _Held(failed, good, (calls, calls))
    if window.closed and window.past:
        free = max(0, room - oldest[0] - oldest[1])
        past = window.past[0]
        held = _Held(
            (failed[0], failed[1] + min(free, past.failed)),
            (good[0], good[1] + min(free, past.good)),
            (calls, max(calls, past.begun)),
        )
    return _rates(trip.rate, trip.minimum, [held])


def _sums(entries: Iterable[Entry]) -> tuple[int, int, int]:
    failed = good = calls = 0
    for each in entries:
        failed += each.failed
        good += each.good
        calls += each.begun
    return failed, good, calls


def _rates(rate: Fraction, minimum: int, contents: list[_Held]) -> Table:
    def sides(*, of_begun: bool, above: bool) -> Sides:
        found = [each.sides(rate, minimum, of_begun=of_begun, above=above) for each in contents]
        return any(may for may, _ in found), all(must for _, must in found)

    return (
        (sides(of_begun=False, above=False), sides(of_begun=False, above=True)),
        (sides(of_begun=True, above=False), sides(of_begun=True, above=True)),
    )


def _same(sides: Sides) -> Table:
    return ((sides, sides), (sides, sides))
