"""One state of one breaker, and how the calls in flight are known by what they were begun as."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from harness.models.breaker.readings import Masks, unbound
from harness.models.breaker.rules import Rules
from harness.models.breaker.windows import Span, Window, cleared, fresh, reopened

NEVER: Final = 1 << 62
NOWHERE: Final = (0, 0)


class Mode(IntEnum):
    """Calls pass, are refused, or pass for trial."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Tag(IntEnum):
    """What a call in flight was admitted as; a change of state makes all of them late."""

    CLOSED = 0
    TRIAL = 1
    HANGING = 2
    """A trial that another one was admitted beside, because it took too long."""
    LATE = 3


Flight = tuple[int, Tag, int]
"""Calls that are alike in all that can be seen: their class, their tag, how many."""


class State(NamedTuple):
    """One thing that the breaker may be.

    Attributes:
        masks: what the readings may still be.
        windows: one for each trip.
        opened: when it opened last, or when a late failure opened it anew.
        since: the latest instant of the opening that ``within_ns`` counts from.
        level: trials failed in a row, as far as they make the recovery longer.
        good, bad: results of trials.
        lease: the earliest instant of the last trial's admission.
    """

    masks: Masks
    mode: Mode
    windows: tuple[Window, ...]
    flights: tuple[Flight, ...] = ()
    opened: Span = NOWHERE
    since: int = 0
    level: int = 0
    good: int = 0
    bad: int = 0
    lease: int = 0

    def in_flight(self, *tags: Tag) -> int:
        """How many calls are under way, of these tags or of any."""
        return sum(count for _, tag, count in self.flights if not tags or tag in tags)


def first_state(rules: Rules) -> State:
    """A fresh breaker."""
    return State(unbound(rules), Mode.CLOSED, tuple(fresh(trip) for trip in rules.trips))


def departed(state: State, call: int, tag: Tag) -> State:
    """One more call of that class in flight."""
    counts = {(each, its): count for each, its, count in state.flights}
    counts[call, tag] = counts.get((call, tag), 0) + 1
    return state._replace(flights=_flights(counts))


def landed(state: State, call: int, tag: Tag) -> State:
    """One less."""
    counts = {(each, its): count for each, its, count in state.flights}
    counts[call, tag] -= 1
    return state._replace(flights=_flights(counts))


def tags_of(state: State, call: int) -> tuple[Tag, ...]:
    """What the calls of a class may have been admitted as."""
    return tuple(tag for each, tag, _ in state.flights if each == call)


def retagged(state: State, old: Tag | None, new: Tag) -> State:
    """Calls in flight of one tag, or all, get another."""
    counts: dict[tuple[int, Tag], int] = {}
    for call, tag, count in state.flights:
        its = new if old is None or tag is old else tag
        counts[call, its] = counts.get((call, its), 0) + count
    return state._replace(flights=_flights(counts))


def renamed(state: State, kin: Mapping[int, int]) -> State:
    """The same with some classes of calls in flight made one."""
    counts: dict[tuple[int, Tag], int] = {}
    for call, tag, count in state.flights:
        key = (kin.get(call, call), tag)
        counts[key] = counts.get(key, 0) + count
    return state._replace(flights=_flights(counts))


def opening(state: State, now: Span, *, since: int, level: int) -> State:
    """Open from now on; all that is in flight is late."""
    return retagged(state, None, Tag.LATE)._replace(
        mode=Mode.OPEN, opened=now, since=since, level=level, good=0, bad=0, lease=0
    )


def half_opened(state: State) -> State:
    """Ready for trials."""
    return retagged(state, None, Tag.LATE)._replace(mode=Mode.HALF_OPEN, good=0, bad=0, lease=0)


def closing(state: State, *, rules: Rules | None = None) -> State:
    """Closed from now on; with ``rules``, with a clear count."""
    windows = tuple(map(reopened, state.windows))
    if rules is not None:
        pairs = zip(rules.trips, state.windows, strict=True)
        windows = tuple(cleared(trip, window) for trip, window in pairs)
    return retagged(state, None, Tag.LATE)._replace(
        mode=Mode.CLOSED, windows=windows, opened=NOWHERE, since=0, level=0, good=0, bad=0, lease=0
    )


def _flights(counts: dict[tuple[int, Tag], int]) -> tuple[Flight, ...]:
    return tuple(sorted((call, tag, count) for (call, tag), count in counts.items() if count))
