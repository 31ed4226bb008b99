"""The two halves: never more than promised, and never refused what is owed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.models.intervals import Excess, Taken
from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.eras import Era
from harness.promises.rate_limit.reading import Letter
from harness.verdict import Finding


def too_many(case: Case) -> Iterator[Finding]:
    """For each key, era and limit the earliest calls that should not all have been admitted."""
    admitted = [index for index in case.new if case.book.letters[index] is Letter.A]
    keys = {key for index in admitted if (key := case.book.keys[index]) is not None}
    for key in sorted(keys):
        for era in case.book.timeline.eras:
            taken = case.book.taken(key, era)
            if taken and taken[-1] >= case.first:
                for limit in range(len(case.book.budgets)):
                    finding = _too_many(case, taken, era, limit)
                    if finding is not None:
                        yield finding


def _too_many(case: Case, taken: tuple[int, ...], era: Era, limit: int) -> Finding | None:
    found = [_excess(case, taken, era, limit, axis) for axis in range(len(case.book.spans))]
    excess = found[0]
    if excess is None or None in found:
        return None
    rate = case.promise.limit[limit]
    owner, count = case.owner(excess.calls[-1]), len(excess.calls)
    said = sentences.upper(case.promise, rate, owner, excess, case.origin_ns)
    proof = {
        "limit": str(rate),
        "from_ns": excess.from_ns,
        "to_ns": excess.to_ns,
        "count": count,
        "bound": excess.bound,
        "windows": excess.windows,
        "budgets": era.factor,
        "origin_ns": case.origin_ns,
    }
    return Finding(half="upper", said=said, key=owner, calls=excess.calls, proof=proof)


def _excess(case: Case, taken: tuple[int, ...], era: Era, limit: int, axis: int) -> Excess | None:
    """An excess that needs a call of this trial; fewer calls never accuse, so old ones may go."""
    budget = case.book.budgets[limit].times(era.factor)
    spans = case.book.spans[axis]
    new = [spans[index] for index in taken if index >= case.first]
    old = sorted((spans[index] for index in taken if index < case.first), key=lambda i: i.end)
    recent, reach = [], min(each.start for each in new)
    while old and old[-1].end >= reach - 2 * budget.memory_ns:
        recent.append(old.pop())
        reach = min(reach, recent[-1].start)
    excess = budget.upper(Taken.of([*reversed(recent), *new])).excess()
    if excess is not None and excess.calls[-1] < case.first:
        excess = budget.upper(Taken.of(new)).excess()
    return excess


def refused_though_owed(case: Case) -> Iterator[Finding]:
    """For each key the first refusal of an entitled call."""
    accused: set[str | None] = set()
    for index in case.new:
        reading = case.readings[index]
        if reading is None or reading.letter is not Letter.R or not reading.entitled:
            continue
        if reading.key in accused or case.in_counted_outage(index):
            continue
        accused.add(reading.key)
        yield _refused(case, index)


def _refused(case: Case, index: int) -> Finding:
    """Shown under the limit that was nearest to being full."""
    key = case.book.keys[index]
    if key is None:
        raise ValueError(f"call {index} has no sure key, so it is owed nothing")
    span = case.book.spans[0][index]
    shown = [debt.unused(span) for debt in case.book.debts(key)[0]]
    caps = [case.promise.burst or rate.count for rate in case.promise.limit]
    limit = min(range(len(shown)), key=lambda each: caps[each] - shown[each].used)
    unused, who = shown[limit], case.who(index)
    said = sentences.lower(
        who,
        case.since(unused.at_ns),
        unused.used,
        caps[limit],
        case.since(unused.since_ns),
    )
    proof = {
        "limit": str(case.promise.limit[limit]),
        "from_ns": unused.since_ns,
        "to_ns": unused.at_ns,
        "count": unused.used,
        "bound": caps[limit] - 1,
        "refused": index,
        "origin_ns": case.origin_ns,
    }
    return Finding(half="lower", said=said, key=who, calls=(*unused.calls, index), proof=proof)
