"""``headers_always``: what each answer says of the budget, against what the calls after it then met.

Order numbers alone decide what may lie between two calls, so that most of it holds on any clock. A
budget only ever grows while nobody calls: what was left at one call is left at the next.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.answers import Answers, count_of
from harness.promises.rate_limit.book import Book
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.reading import Letter
from harness.promises.rate_limit.words import HeadersAlways
from harness.units import NS_PER_S
from harness.verdict import Finding


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """An answer that said how many calls are left."""

    answered: int
    index: int
    count: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules made of the headers.

    Attributes:
        findings: for each key and rule the first that is untrue.
        complete: answers that had all headers, with values that can be true.
        remaining: refusals before which an answer had said that calls are left.
        reset: calls that came when the budget was said to be there again.
    """

    findings: tuple[Finding, ...] = ()
    complete: int = 0
    remaining: int = 0
    reset: int = 0


def judged(case: Case) -> Judged:
    """Judge the headers of all answers of this stretch."""
    words = case.promise.headers_always
    if words is None:
        return Judged()
    rules = _Rules(case, words)
    found: dict[tuple[str, str], Finding] = {}
    for finding in chain(rules.alone(), *(rules.of_key(key) for key in rules.keys)):
        found.setdefault((finding.key, finding.proof["rule"]), finding)
    return Judged(tuple(found.values()), rules.complete, rules.remaining, rules.reset)


class _Rules:
    """The rules over one case; counts what they could judge."""

    def __init__(self, case: Case, words: HeadersAlways) -> None:
        self._case = case
        self._words = words
        self._answers = Answers(case, words)
        self.keys = self._answers.keys
        self.complete = len(self._answers.own) - len(self._answers.untrue)
        self.remaining = self.reset = 0

    def alone(self) -> Iterator[Finding]:
        """Headers that are missing, unreadable, or cannot be true."""
        for index, said, rule in self._answers.untrue:
            yield self._finding(said, rule, (index,))

    def of_key(self, key: str) -> Iterator[Finding]:
        """What the answers to one key say, against what the key's calls then met."""
        own = [index for index in self._answers.own if self._case.book.keys[index] == key]
        if self._words.remaining is not None:
            left = sorted(self._left(own))
            yield from self._refused_though_left(key, own, left)
            if len(self._case.book.spans) == 1:
                yield from self._more_than_left(own, left)
        if self._words.reset is not None:
            yield from self._refused_after_reset(key, own)

    def _left(self, own: Sequence[int]) -> Iterator[Left]:
        name = self._words.remaining or ""
        for index in own:
            count, call = (
                count_of(self._case.calls[index].header(name) or ""),
                self._case.calls[index],
            )
            if (
                count is not None
                and call.answered_seq is not None
                and self._answers.named(index, "remaining")
            ):
                yield Left(call.answered_seq, index, count)

    def _refused_though_left(
        self, key: str, own: Sequence[int], left: Sequence[Left]
    ) -> Iterator[Finding]:
        """The next calls, as many as were said to be left, are not refused."""
        case, book = self._case, self._case.book
        told = [each for each in left if each.count]
        ends = [each.answered for each in told]
        between = _Between(book, key)
        most = max((each.count for each in told), default=0)
        for refused in own:
            if book.letters[refused] is not Letter.R:
                continue
            before = bisect_left(ends, case.calls[refused].written_seq)
            self.remaining += before > 0
            for each in reversed(told[:before]):
                used = between.used(each.index, refused)
                if used >= most:
                    break
                if used < each.count and self._is_its_fault(each.index, refused, "remaining"):
                    said = sentences.header_remaining(
                        case.who(refused),
                        case.since(case.calls[each.index].answered_target_ns or 0),
                        f"{self._words.remaining} {each.count}",
                        case.since(case.calls[refused].sent_target_ns),
                        used,
                    )
                    yield self._finding(said, "remaining", (each.index, refused))
                    return

    def _is_its_fault(self, told: int, refused: int, field: str) -> bool:
        """Whether no limit but the one that was told of can have refused."""
        case = self._case
        if case.book.timeline.spans_break(case.calls[told], case.calls[refused]):
            return False
        full = case.book.maybe_full(refused)
        return all(full <= {limit} for limit in self._answers.named(told, field))

    def _more_than_left(self, own: Sequence[int], left: Sequence[Left]) -> Iterator[Finding]:
        """At one instant of a held clock not more are admitted than were said to be left."""
        case, spans = self._case, self._case.book.spans[0]
        by_instant: dict[int, list[int]] = defaultdict(list)
        for index in own:
            if case.book.letters[index] is Letter.A and spans[index].start == spans[index].end:
                by_instant[spans[index].start].append(index)
        for each in left:
            admitted = by_instant.get(spans[each.index].end, [])
            after = bisect_right(admitted, each.answered, key=lambda i: case.calls[i].written_seq)
            if len(admitted) - after > each.count and not case.book.timeline.spans_break(
                case.calls[each.index], case.calls[admitted[-1]]
            ):
                said = sentences.header_more(
                    case.who(each.index),
                    case.since(spans[each.index].end),
                    self._words.remaining or "",
                    each.count,
                    len(admitted) - after,
                )
                witness = tuple(islice(admitted, after, after + each.count + 1))
                yield self._finding(said, "more", (each.index, *witness))
                return

    def _refused_after_reset(self, key: str, own: Sequence[int]) -> Iterator[Finding]:
        """Who calls a second after the reset, with nobody between, is admitted."""
        case, name = self._case, self._answers.reset_name or ""
        between = _Between(case.book, key)
        slack, real = NS_PER_S + case.promise.granularity, len(case.book.spans) > 1
        ordered = sorted(own, key=lambda index: case.calls[index].sent_target_ns)
        sent = [case.calls[index].sent_target_ns for index in ordered]
        for told in own:
            value, advice = self._answers.reset_of(told)
            if advice is None or not self._answers.named(told, "reset"):
                continue
            first = advice.due_ns(case.calls[told]) + slack
            later = next(
                (
                    index
                    for index in ordered[bisect_left(sent, first) :]
                    if advice.is_over(case.calls[told], case.calls[index], slack, real=real)
                ),
                None,
            )
            if later is None or between.used(told, later):
                continue
            self.reset += 1
            if case.book.letters[later] is Letter.R and self._is_its_fault(told, later, "reset"):
                said = sentences.header_reset(
                    case.since(case.calls[told].answered_target_ns or 0),
                    name,
                    value,
                    case.since(case.calls[later].sent_target_ns),
                )
                yield self._finding(said, "reset", (told, later))
                return

    def _finding(self, said: str, rule: str, calls: tuple[int, ...]) -> Finding:
        proof = {"rule": rule, "origin_ns": self._case.origin_ns}
        key = self._case.who(calls[-1])
        return Finding(half="headers", said=said, key=key, calls=tuple(sorted(calls)), proof=proof)


class _Between:
    """How many calls may have used the budget between two others."""

    def __init__(self, book: Book, key: str) -> None:
        self._book = book
        self._near = book.near_key(key)
        self._uses = self._orders([index for index in self._near if book.is_use(index)])

    def _orders(self, indexes: Sequence[int]) -> tuple[list[int], list[int]]:
        spans = self._book.spans[0]
        return (
            sorted(spans[index].written for index in indexes),
            sorted(spans[index].answered for index in indexes),
        )

    def used(self, earlier: int, later: int) -> int:
        """At most so many others took effect after ``earlier`` and before ``later``."""
        spans = self._book.spans[0]
        writtens, answereds = self._uses
        over = bisect_left(answereds, spans[earlier].written)
        to_come = len(writtens) - bisect_right(writtens, spans[later].answered)
        both = self._book.is_use(earlier) + self._book.is_use(later)
        return len(writtens) - over - to_come - both
