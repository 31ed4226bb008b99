"""The account of one promise over one history: who used which budget, and what that proves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from harness.history import Call, History
from harness.models.buckets import BucketDebt, BucketRoom
from harness.models.fixed import FixedRoom
from harness.models.intervals import FOREVER, Interval, Taken, Use
from harness.models.windows import WindowDebt, WindowRoom
from harness.promises.rate_limit.budgets import budgets_of
from harness.promises.rate_limit.eras import Era, timeline_of
from harness.promises.rate_limit.keys import key_of
from harness.promises.rate_limit.reading import Letter, letter_of
from harness.promises.rate_limit.spans import Spans, starts
from harness.promises.rate_limit.words import RateLimit

Room = WindowRoom | FixedRoom | BucketRoom
Debt = WindowDebt | BucketDebt


class Book:
    """What one promise makes of a history; everything is worked out once, when it is asked for.

    Args:
        promise: whose words decide.
        history: all calls since the target started.
        spans: from :func:`spans_of` of the same history.
        ok: statuses that mean admitted, by operation.
    """

    def __init__(
        self,
        promise: RateLimit,
        history: History,
        spans: Spans,
        ok: Mapping[str, frozenset[int]],
    ) -> None:
        self.promise = promise
        self.calls = history.calls
        self.spans = spans
        self.budgets = budgets_of(promise)
        self.timeline = timeline_of(promise, history)
        self.letters = tuple(letter_of(promise, ok, call) for call in self.calls)
        self.keys = tuple(key_of(promise, call) for call in self.calls)
        self.exclusive_from_ns = max(
            (each.target_ns for each in starts(history) if not each.exclusive), default=None
        )
        self._rooms: dict[tuple[str, Era, int], tuple[Room, ...]] = {}
        self._known_excessive: dict[tuple[str, Era], bool] = {}
        self._debts: dict[str, tuple[tuple[Debt, ...], ...]] = {}

    def covers(self, index: int) -> bool:
        """Whether the promise speaks of the call."""
        return self.letters[index] is not None and (
            self.calls[index].operation in self.promise.operation
        )

    def is_use(self, index: int) -> bool:
        """Whether the call may have used a budget: it is in ``P``."""
        letter = self.letters[index]
        return letter is not None and (letter is not Letter.R or self.promise.refused_count)

    @cached_property
    def _by_key(self) -> Mapping[str | None, tuple[int, ...]]:
        """All calls by key; None holds those that may be any key's."""
        found: dict[str | None, list[int]] = defaultdict(list)
        for index, key in enumerate(self.keys):
            if self.letters[index] is not None:
                found[key].append(index)
        return {key: tuple(indexes) for key, indexes in found.items()}

    def with_key(self, key: str | None) -> tuple[int, ...]:
        """Calls that certainly have this key (None: those that may have any)."""
        return self._by_key.get(key, ())

    def near_key(self, key: str) -> list[int]:
        """Calls that have this key or may have it, in the order of the history."""
        return sorted((*self.with_key(key), *self.with_key(None)))

    @cached_property
    def _first_refusals(self) -> Mapping[str | None, int]:
        found: dict[str | None, int] = {}
        for index, letter in enumerate(self.letters):
            answered = self.calls[index].answered_seq
            if letter is Letter.R and answered is not None:
                key = self.keys[index]
                found[key] = min(found.get(key, answered), answered)
        return found

    def first_refusal_answered(self, key: str | None) -> int | None:
        """Order number at which the key first read a refusal."""
        return self._first_refusals.get(key)

    # The upper half

    def taken(self, key: str, era: Era) -> tuple[int, ...]:
        """Calls that certainly used the key's budget of that era: ``A``."""
        return tuple(
            index
            for index in self.with_key(key)
            if self.letters[index] is Letter.A
            and era.holds(self.calls[index])
            and not self.timeline.is_astride(self.calls[index])
        )

    def rooms(self, key: str, era: Era, axis: int) -> tuple[Room, ...]:
        """The prepared upper half of each limit."""
        place = key, era, axis
        if place not in self._rooms:
            taken = Taken.of(self.spans[axis][index] for index in self.taken(key, era))
            self._rooms[place] = tuple(
                budget.times(era.factor).upper(taken) for budget in self.budgets
            )
        return self._rooms[place]

    def is_over(self, index: int) -> bool:
        """Whether an admission of the call is a break, under any limit, on every axis."""
        if self.letters[index] is not Letter.A:
            return self._meets(index, lambda room, span: room.over(span, counted=False))
        return self._is_exceeded(index) and self._meets(
            index, lambda room, span: room.over(span, counted=True)
        )

    def _is_exceeded(self, index: int) -> bool:
        """Whether too many were admitted of the call's key at all: it is asked once a key."""
        key = self.keys[index]
        return key is not None and any(self._excessive(key, era) for era in self.eras_of(index))

    def _excessive(self, key: str, era: Era) -> bool:
        if (key, era) not in self._known_excessive:
            rooms = self.rooms(key, era, 0)
            self._known_excessive[key, era] = any(room.excess() is not None for room in rooms)
        return self._known_excessive[key, era]

    def is_drained(self, index: int) -> bool:
        """Whether the call, not admitted, met a budget that was used up."""
        return self._meets(index, lambda room, span: room.drained(span))

    def is_filling(self, index: int, limit: int) -> bool:
        """Whether the admitted call was among all that the limit allows at once."""
        return self._meets(index, lambda room, span: room.filled_by(span), (limit,))

    def _meets(
        self,
        index: int,
        test: Callable[[Room, Interval], bool],
        limits: Iterable[int] | None = None,
    ) -> bool:
        """Whether the test holds on every axis, in some era of the call, under some limit."""
        key = self.keys[index]
        if key is None:
            return False
        return any(
            all(
                test(self.rooms(key, era, axis)[limit], spans[index])
                for axis, spans in enumerate(self.spans)
            )
            for era in self.eras_of(index)
            for limit in (range(len(self.budgets)) if limits is None else limits)
        )

    def was_over(self, index: int) -> bool:
        """Whether the call, not admitted, was over by what had been admitted by then.

        No call that came after it counts; without an answer it ended before the next was sent.
        """
        key, call = self.keys[index], self.calls[index]
        if self.letters[index] is not Letter.L and not self.is_over(index):
            return False
        axes = [self._closed(index, spans) for spans in self.spans]
        if key is None or None in axes or self.timeline.is_astride(call):
            return False
        return any(
            all(
                budget.times(era.factor)
                .upper(Taken.of(self._not_after(span, self.taken(key, era), spans)))
                .over(span, counted=False)
                for span, spans in zip(axes, self.spans, strict=True)
                if span is not None
            )
            for era in self.timeline.eras
            if era.holds(call)
            for budget in self.budgets
        )

    def _closed(self, index: int, spans: tuple[Interval, ...]) -> Interval | None:
        """The call's interval, ended by the next call where no answer ended it."""
        answered = self.calls[index].answered_seq
        if self.letters[index] is not Letter.L or answered is None:
            return None if self.letters[index] is Letter.L else spans[index]
        ends = [each.start for each in spans if each.written > answered]
        if not ends:
            return None
        return spans[index]._replace(end=max(min(ends), spans[index].start), answered=answered)

    @staticmethod
    def _not_after(
        span: Interval, others: Iterable[int], spans: tuple[Interval, ...]
    ) -> list[Interval]:
        return [
            spans[other]
            for other in others
            if other != span.call and not spans[other].is_after(span)
        ]

    def eras_of(self, index: int) -> list[Era]:
        """The eras in which the call lies whole; none for what nothing can be said of."""
        call = self.calls[index]
        if self.letters[index] is Letter.L or self.timeline.is_astride(call):
            return []
        return [era for era in self.timeline.eras if era.holds(call)]

    # The lower half

    def debts(self, key: str) -> tuple[tuple[Debt, ...], ...]:
        """The prepared lower half: by axis, by limit."""
        if key not in self._debts:
            used = [index for index in self.near_key(key) if self.is_use(index)]
            uses = (Use.of(spans[index] for index in used) for spans in self.spans)
            self._debts[key] = tuple(
                tuple(budget.lower(use) for budget in self.budgets) for use in uses
            )
        return self._debts[key]

    def owes(self, index: int) -> bool:
        """Whether this promise alone, under each of its limits, must admit the call."""
        return not self.maybe_full(index)

    def maybe_full(self, index: int) -> frozenset[int]:
        """The limits (by place) that may rightly have refused the call."""
        key, call = self.keys[index], self.calls[index]
        every = frozenset(range(len(self.budgets)))
        if key is None or self.timeline.is_astride(call) or self._is_closed(call):
            return every
        spans = [self._known_part(axis[index]) for axis in self.spans]
        if self.letters[index] is not Letter.L and any(
            axis[index].end >= FOREVER for axis in self.spans
        ):
            return every
        counted = self.is_use(index)
        return frozenset(
            limit
            for limit in every
            if not self._is_fresh(limit, spans[0])
            or not all(
                debts[limit].owes(span, counted=counted)
                for span, debts in zip(spans, self.debts(key), strict=True)
            )
        )

    @staticmethod
    def _known_part(span: Interval) -> Interval:
        """A lost call is looked at as if it took effect when it was sent."""
        return span if span.end < FOREVER else span._replace(end=span.start)

    def _is_closed(self, call: Call) -> bool:
        store = self.promise.store
        return (
            store is not None
            and store.when_down == "closed"
            and self.timeline.outage_of(call) is not None
        )

    def _is_fresh(self, limit: int, span: Interval) -> bool:
        """Whether nobody else can have used the budget: others may have, before we came."""
        if self.exclusive_from_ns is None:
            return True
        return span.start >= self.exclusive_from_ns + self.budgets[limit].memory_ns
