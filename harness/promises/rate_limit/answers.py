"""Headers on every answer: which answers are judged, and what each of them says by itself."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from harness.models.advice import Advice
from harness.models.advice import reset as read_reset
from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.book import Book
from harness.promises.rate_limit.budgets import longest_wait_ns
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.form import may_be_anothers
from harness.promises.rate_limit.reading import Letter
from harness.promises.rate_limit.words import HeadersAlways, RateLimit

_COUNT: Final = re.compile(r"[ \t]*(\d{1,18})[ \t]*(?:[,;].*)?", re.ASCII | re.DOTALL)
"""A whole number, perhaps followed by the parameters that drafts of RateLimit headers append."""


def count_of(value: str) -> int | None:
    """Read a whole number; None if it is none.

    >>> count_of("100"), count_of("100, 100;w=60"), count_of("1.5"), count_of("-1")
    (100, 100, None, None)
    """
    match = _COUNT.fullmatch(value)
    return None if match is None else int(match[1])


class Answers:
    """The answers of a stretch whose headers are one promise's to judge, and each one alone."""

    def __init__(self, case: Case, words: HeadersAlways) -> None:
        self.case = case
        self.words = words

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Indexes of those answers."""
        return tuple(index for index in self.case.new if self._is_ours(index))

    def _is_ours(self, index: int) -> bool:
        case = self.case
        if not case.book.covers(index) or case.in_counted_outage(index):
            return False
        if case.book.timeline.is_astride(case.calls[index]):
            return False
        letter = case.book.letters[index]
        return letter is Letter.A or (letter is Letter.R and not may_be_anothers(case, index))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Whose calls they are."""
        keys = {self.case.book.keys[index] for index in self.own}
        return tuple(sorted(key for key in keys if key is not None))

    @cached_property
    def untrue(self) -> tuple[tuple[int, str, str], ...]:
        """Of each with a header that is missing, unreadable, or cannot be true: what, and which rule."""
        found = ((index, self._wrong(index)) for index in self.own)
        return tuple((index, *wrong) for index, wrong in found if wrong is not None)

    def _wrong(self, index: int) -> tuple[str, str] | None:
        call = self.case.calls[index]
        at_ns = self.case.since(call.answered_target_ns or call.sent_target_ns)
        for name in self.words.names:
            value = call.header(name)
            if value is None:
                return sentences.header_missing(at_ns, call.status, name), "missing"
            if name != self.reset_name and count_of(value) is None:
                return sentences.header_unreadable(at_ns, name, value), "unreadable"
        return self._wrong_limit(index, at_ns) or self._wrong_reset(index, at_ns)

    @property
    def reset_name(self) -> str | None:
        """Of the header that tells of an instant."""
        return None if self.words.reset is None else self.words.reset.header

    def _wrong_limit(self, index: int, at_ns: int) -> tuple[str, str] | None:
        name = self.words.limit
        if name is None:
            return None
        value = self.case.calls[index].header(name) or ""
        known = _caps(self.case.promise)
        for other in self._others_with(index, "limit"):
            known = known | _caps(other.promise)
        if count_of(value) in known:
            return None
        return sentences.header_limit(at_ns, name, value, sorted(known)), "limit"

    def _wrong_reset(self, index: int, at_ns: int) -> tuple[str, str] | None:
        if self.words.reset is None:
            return None
        case, call, name = self.case, self.case.calls[index], self.words.reset.header
        value, advice = self.reset_of(index)
        if advice is None:
            return sentences.header_unreadable(at_ns, name, value), "unreadable"
        if case.clock_set and advice.date_ns is not None:
            return None
        longest = max(
            longest_wait_ns(book.promise) + book.promise.granularity
            for book in (case.book, *self._others_with(index, "reset"))
        )
        if advice.over_ns(call) > longest:
            return sentences.header_absurd(at_ns, name, value, longest_wait_ns(case.promise)), (
                "absurd"
            )
        return None

    def reset_of(self, index: int) -> tuple[str, Advice | None]:
        """What the answer says of the reset, as it was sent and as a client reads it."""
        if self.words.reset is None:
            return "", None
        value = self.case.calls[index].header(self.words.reset.header) or ""
        return value, read_reset(value, is_date=self.words.reset.form == "epoch")

    def _others_with(self, index: int, field: str) -> list[Book]:
        """The books of other promises whose header of that name the answer may carry."""
        return [
            other
            for other in self.case.others
            if other.covers(index)
            and other.promise.headers_always is not None
            and getattr(other.promise.headers_always, field) is not None
        ]

    def named(self, index: int, field: str) -> frozenset[int]:
        """The limits (by place) that the answer may speak of; none where it may be another promise's."""
        rates = self.case.promise.limit
        others = self._others_with(index, field)
        name = self.words.limit
        if name is None:
            return frozenset() if others else frozenset(range(len(rates)))
        value = count_of(self.case.calls[index].header(name) or "")
        if any(value in _caps(other.promise) for other in others):
            return frozenset()
        burst = self.case.promise.burst
        return frozenset(place for place, rate in enumerate(rates) if value in (rate.count, burst))


def _caps(promise: RateLimit) -> set[int]:
    """The numbers that may stand in the header for the limit."""
    counts = {rate.count for rate in promise.limit}
    return counts if promise.burst is None else counts | {promise.burst}
