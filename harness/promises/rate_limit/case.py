"""One promise before one history: the books of all promises that share its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.history import Call, History
from harness.promises.rate_limit.book import Book
from harness.promises.rate_limit.eras import clock_steps
from harness.promises.rate_limit.reading import Letter, Reading, is_whole, missing_form
from harness.promises.rate_limit.spans import spans_of
from harness.promises.rate_limit.words import RateLimit

EVERYBODY = "all callers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the checker needs from outside the promise.

    Attributes:
        ok: statuses that mean admitted, by operation; empty or missing: any 2xx.
        others: the contract's other rate limits; their budgets may refuse a call rightly.
    """

    ok: Mapping[str, frozenset[int]]
    others: tuple[RateLimit, ...] = ()


@dataclass(frozen=True)
class Case:
    """What all rules look at.

    Attributes:
        book: the promise's own account.
        others: accounts of the contract's other rate limits.
        first: index of the first call that is judged; older ones only count.
        origin_ns: target time that the sentences count from: when the first of them was sent.
        clock_set: the wall clock of a real target was set at some time, so that a date which it had
            told before says nothing any more.
    """

    book: Book
    others: tuple[Book, ...]
    first: int
    origin_ns: int
    clock_set: bool = False

    @classmethod
    def of(cls, promise: RateLimit, history: History, setting: Setting, first: int) -> Case:
        """Open the books."""
        spans = spans_of(history)
        calls = history.calls
        others = (each for each in setting.others if each.id != promise.id)
        return cls(
            Book(promise, history, spans, setting.ok),
            tuple(Book(each, history, spans, setting.ok) for each in others),
            first,
            min((call.sent_target_ns for call in calls[first:]), default=0),
            clock_steps(history, 0) > 0,
        )

    @property
    def promise(self) -> RateLimit:
        """The promise that is judged."""
        return self.book.promise

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls of the history."""
        return self.book.calls

    @property
    def new(self) -> range:
        """Indexes of the calls that are judged."""
        return range(self.first, len(self.calls))

    def since(self, target_ns: int) -> int:
        """Target time as the sentences tell it."""
        return target_ns - self.origin_ns

    def owner(self, index: int) -> str:
        """Who owns the budget that the call uses, as people know them."""
        if self.promise.key == "global":
            return EVERYBODY
        return self.who(index)

    def who(self, index: int) -> str:
        """Who made the call; behind a trusted proxy, the address that it stands for."""
        key = self.book.keys[index]
        return key if self.promise.key == "ip" and key is not None else self.calls[index].caller

    def others_owe(self, index: int) -> bool:
        """Whether no other rate limit can have refused the call."""
        return all(other.owes(index) for other in self.others if other.covers(index))

    def in_counted_outage(self, index: int) -> bool:
        """Whether the call was made while the promise's store was seen to be away."""
        call = self.calls[index]
        outage = self.book.timeline.outage_of(call)
        return outage is not None and outage.counted and not self.book.timeline.is_astride(call)

    @cached_property
    def readings(self) -> tuple[Reading | None, ...]:
        """One for each call; None before ``first`` and for what never became a call."""
        old = (None,) * self.first
        return (*old, *(self._reading(index) for index in self.new))

    def _reading(self, index: int) -> Reading | None:
        letter, key = self.book.letters[index], self.book.keys[index]
        if letter is None:
            return None
        if not self.book.covers(index) or letter is Letter.L:
            return Reading(letter, key, None, over=False, entitled=False)
        call = self.calls[index]
        refused = letter is Letter.R
        return Reading(
            letter,
            key,
            missing_form(self.promise.exceeded, call) if refused else None,
            over=self._is_over(index),
            entitled=self.is_entitled(index),
            whole=is_whole(call) if refused else True,
        )

    def _is_over(self, index: int) -> bool:
        store = self.promise.store
        if store is not None and self.in_counted_outage(index) and store.when_down != "local":
            return store.when_down == "closed"
        return self.book.is_over(index)

    def is_entitled(self, index: int) -> bool:
        """Whether the call must be admitted: nobody's budget can have been full."""
        store = self.promise.store
        if store is not None and store.when_down == "open" and self.in_counted_outage(index):
            return self.others_owe(index)
        return self.book.owes(index) and self.others_owe(index)
