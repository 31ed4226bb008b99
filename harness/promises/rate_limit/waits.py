"""Who waits as Retry-After says is admitted: the judgement of each refusal's header."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from harness.models.advice import Advice, retry_after
from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.budgets import longest_wait_ns
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.form import may_be_anothers
from harness.promises.rate_limit.reading import Letter
from harness.verdict import Finding


@dataclass(frozen=True, slots=True)
class Obeyed:
    """A refusal, what it said, and the first call of the same key that waited so long."""

    refused: int
    value: str
    follower: int


def unreadable(case: Case) -> Iterator[Finding]:
    """For each key the first header that is malformed or asks for an absurd wait."""
    if not case.promise.has_retry_after:
        return
    accused: set[str | None] = set()
    for index in case.new:
        reading, value = case.readings[index], case.calls[index].header("retry-after")
        if reading is None or reading.letter is not Letter.R or value is None:
            continue
        if reading.key in accused or case.in_counted_outage(index):
            continue
        said = _unreadable(case, index, value)
        if said is not None and not may_be_anothers(case, index):
            accused.add(reading.key)
            yield _finding(case, said, value, (index,))


def _unreadable(case: Case, index: int, value: str) -> str | None:
    call, promise = case.calls[index], case.promise
    at_ns = case.since(call.answered_target_ns or call.sent_target_ns)
    wait = retry_after(value, call.sent_wall_ns)
    if wait is None:
        return sentences.malformed(at_ns, value)
    if case.clock_set and wait.date_ns is not None:
        return None
    longest = longest_wait_ns(promise)
    if promise.retry_after != "present" and wait.over_ns(call) > longest + promise.granularity:
        return sentences.absurd(at_ns, value, longest)
    return None


def obeyed(case: Case) -> Iterator[Obeyed]:
    """Refusals whose header a later call of this trial obeyed, where the answer says something."""
    if not case.promise.has_retry_after or case.promise.retry_after == "present":
        return
    for queue in _queues(case):
        for refused in queue.refused:
            value, wait = advice_of(case, refused)
            if value is None or wait is None:
                continue
            follower = queue.follower(refused, wait)
            if follower is not None and queue.can_judge(refused, follower):
                yield Obeyed(refused, value, follower)


def refused_again(case: Case, judged: list[Obeyed]) -> Iterator[Finding]:
    """For each key the first who obeyed and was refused all the same."""
    accused: set[str | None] = set()
    for each in judged:
        key = case.book.keys[each.refused]
        if case.book.letters[each.follower] is not Letter.R or key in accused:
            continue
        if not _one_limit_explains(case, each):
            continue
        accused.add(key)
        said = sentences.early(
            case.since(case.calls[each.refused].answered_target_ns or 0),
            each.value,
            case.since(case.calls[each.follower].sent_target_ns),
        )
        yield _finding(case, said, each.value, (each.refused, each.follower))


def _one_limit_explains(case: Case, each: Obeyed) -> bool:
    """Whether the limit that refused first is the only one that can have refused again.

    Of several limits, each gives the truth about itself only; where another one may be full by
    then, the second refusal may be that one's.
    """
    if may_be_anothers(case, each.refused) or may_be_anothers(case, each.follower):
        return False
    later = case.book.maybe_full(each.follower)
    return all(later <= {limit} for limit in case.book.maybe_full(each.refused))


def advice_of(case: Case, index: int) -> tuple[str | None, Advice | None]:
    """The Retry-After of an answer, as it was sent and as a client reads it."""
    call = case.calls[index]
    value = call.header("retry-after")
    return value, None if value is None else retry_after(value, call.sent_wall_ns)


def admitted_early(case: Case) -> Iterator[Finding]:
    """``exact``: for each key the first who was admitted over a second before the wait was over."""
    if not case.promise.has_retry_after or case.promise.retry_after != "exact":
        return
    for queue in _queues(case):
        for refused in queue.refused:
            value, wait = advice_of(case, refused)
            following = None if wait is None else queue.early(refused, wait)
            if value is None or following is None or may_be_anothers(case, refused):
                continue
            said = sentences.late(
                case.since(case.calls[refused].answered_target_ns or 0),
                value,
                case.since(case.calls[following].sent_target_ns),
            )
            yield _finding(case, said, value, (refused, following))
            break


def held_back(case: Case) -> int:
    """``exact``: how many calls came over a second before the wait was over, and were refused."""
    if not case.promise.has_retry_after or case.promise.retry_after != "exact":
        return 0
    return sum(queue.is_held_back(refused) for queue in _queues(case) for refused in queue.refused)


def _finding(case: Case, said: str, value: str, calls: tuple[int, ...]) -> Finding:
    proof = {"retry_after": value, "origin_ns": case.origin_ns}
    return Finding(half="retry_after", said=said, key=case.who(calls[0]), calls=calls, proof=proof)


def _queues(case: Case) -> Iterator[_Queue]:
    keys = {case.book.keys[index] for index in case.new if case.book.covers(index)}
    return (_Queue(case, key) for key in sorted(key for key in keys if key is not None))


@dataclass(frozen=True)
class _Queue:
    """The calls of one key, in the orders that the rule asks for."""

    case: Case
    key: str

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Calls of the promise's operations, in the order of writing."""
        book = self.case.book
        return tuple(index for index in book.with_key(self.key) if book.covers(index))

    @property
    def refused(self) -> Iterator[int]:
        """Refusals outside of outages."""
        book = self.case.book
        return (
            index
            for index in self.own
            if book.letters[index] is Letter.R
            and book.timeline.outage_of(self.case.calls[index]) is None
        )

    @cached_property
    def _by_time(self) -> list[tuple[int, int]]:
        return sorted((self.case.calls[index].sent_target_ns, index) for index in self.own)

    @cached_property
    def _by_wall(self) -> list[tuple[int, int]]:
        return sorted((self.case.calls[index].sent_wall_ns, index) for index in self.own)

    def follower(self, refused: int, wait: Advice) -> int | None:
        """The first call of this trial's key that was sent when the wait was over."""
        case, call = self.case, self.case.calls[refused]
        slack, real = case.promise.granularity, len(case.book.spans) > 1
        if wait.date_ns is not None:
            queue, at = self._by_wall, wait.date_ns + slack
        else:
            queue = self._by_time
            at = (call.answered_target_ns or 0) + (wait.delta_ns or 0) + slack
        for _, index in queue[bisect_left(queue, (at, 0)) :]:
            later = case.calls[index]
            if index > refused and wait.is_over(call, later, slack, real=real):
                return index if index >= case.first else None
        return None

    @cached_property
    def _others(self) -> tuple[list[int], list[int]]:
        """Of all that was not refused: order of writing, and up to there the last to be answered."""
        book = self.case.book
        spans = book.spans[0]
        used = [i for i in book.near_key(self.key) if book.letters[i] is not Letter.R]
        ordered = sorted((spans[i].written, spans[i].answered) for i in used)
        return [written for written, _ in ordered], list(
            accumulate((answered for _, answered in ordered), max)
        )

    def can_judge(self, refused: int, follower: int) -> bool:
        """Whether nothing but the limit itself can explain what the follower was answered."""
        case, spans = self.case, self.case.book.spans[0]
        timeline = case.book.timeline
        if case.book.letters[follower] not in (Letter.A, Letter.R):
            return False
        if timeline.spans_break(case.calls[refused], case.calls[follower]):
            return False
        if timeline.outage_of(case.calls[follower]) is not None:
            return False
        writtens, answered_last = self._others
        before = bisect_left(writtens, spans[follower].written)
        if before and answered_last[before - 1] >= spans[refused].written:
            return False
        if bisect_left(writtens, spans[follower].answered) > bisect_right(
            writtens, spans[follower].written
        ):
            return False
        return not case.promise.refused_count or self._is_next(refused, follower)

    def _is_next(self, refused: int, follower: int) -> bool:
        return self.own[bisect_left(self.own, refused) + 1] == follower

    def is_held_back(self, index: int) -> bool:
        """Whether the refused call came certainly over a second too early for who was refused before."""
        case = self.case
        place = bisect_left(self.own, index)
        if index < case.first or not place:
            return False
        before, later = self.own[place - 1], case.calls[index]
        _, wait = advice_of(case, before)
        if wait is None or case.book.letters[before] is not Letter.R:
            return False
        real = len(case.book.spans) > 1
        moved = later.sent_target_ns > (case.calls[before].answered_target_ns or 0)
        return moved and wait.is_over_by_far(
            case.calls[before], later, case.promise.granularity, real=real
        )

    def early(self, refused: int, wait: Advice) -> int | None:
        """The next admitted call, if this trial's and certainly far too early."""
        case, book = self.case, self.case.book
        slack, real = case.promise.granularity, len(book.spans) > 1
        for index in self.own[bisect_right(self.own, refused) :]:
            if book.letters[index] is not Letter.A:
                continue
            call, later = case.calls[refused], case.calls[index]
            if not book.spans[0][index].is_after(book.spans[0][refused]):
                continue
            judged = index >= case.first and not book.timeline.spans_break(call, later)
            return index if judged and wait.is_over_by_far(call, later, slack, real=real) else None
        return None
