"""What the visits prove of a concurrency limit; "What `concurrency_limit` means", sections 1 and 2.

The upper half is proved by overlap that is certain, at any instant. The lower half (who gets in, who
waits, who is refused) is proved at rest only, and only where nobody else may have caused it: not a
service that can do too little at once, not another promise's limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from harness.models.slots import NEVER, Crowd, Level, Visit
from harness.promises.concurrency_limit.book import Book, Break, Half
from harness.units import NS_PER_MS

LATE_NS: Final = 2_001_000
"""So much later than due a timer of a healthy service may run (asyncio rounds up)."""
EARLY_NS: Final = NS_PER_MS
"""And so much earlier (libuv rounds to the next ms, a float is not exact)."""


def doubt(book: Book) -> str | None:
    """Why the lower half proves nothing: the service itself may do too little at once."""
    if book.narrow:
        return (
            f"the service serves {book.width} calls at once, on an operation without this limit too; "
            "more workers, or a larger pool, would settle it"
        )
    for level in book.told:
        theirs = any(book.by_rival(v, level.since_ns, level.rest.at_ns) for v in level.waiting)
        for key in () if theirs else {visit.key for visit in level.waiting}:
            taken = sum(visit.key == key for visit in level.taken)
            waiting = sum(visit.key == key for visit in level.waiting)
            places = waiting if book.terms.queue is None else book.terms.queue * book.terms.each
            if taken < book.terms.limit or waiting > places:
                return (
                    f"{taken} calls were inside and {waiting} waited, and nothing shows that the "
                    "service can do more at once; an operation without this limit that uses the same "
                    "dependency would settle it"
                )
    return None


def breaks(book: Book) -> list[Break]:
    """All that is proved, in the order in which the proofs were complete."""
    found = [*_too_many(book)]
    if not book.narrow:
        found += [*_at_rest(book), *_refused_early(book), *_late(book), *_out_of_order(book)]
    return sorted(found, key=lambda each: each.at_ns)


# -- the upper half -----------------------------------------------------------------------------------


def _too_many(book: Book) -> Iterator[Break]:
    bound = book.terms.limit * book.terms.each
    for key, full in book.full.items():
        yield from (_excess(book, key, each) for each in full if len(each.visits) > bound)


def _excess(book: Book, key: str, crowd: Crowd) -> Break:
    """Too many inside: a slot given back twice, if it was just full and some of those are inside still."""
    upper = Break(
        half="upper", at_ns=crowd.at_ns, key=key, count=len(crowd.visits), visits=crowd.visits
    )
    now = {visit.call for visit in crowd.visits}
    for before in reversed([each for each in book.full[key] if each.at_ns < crowd.at_ns]):
        if len(before.visits) > book.terms.limit * book.terms.each:
            break
        if now.isdisjoint(visit.call for visit in before.visits):
            break
        ended = _ended(book, key, before.at_ns, crowd.at_ns)
        if book.terms.arrivals:
            ended = [each for each in ended if each.finished_ns <= crowd.at_ns]
        if ended:
            visits = _with(crowd.visits, before.visits, ended)
            return replace(upper, half="twice", visits=visits, way=_way(ended))
    return upper


# -- at rest ------------------------------------------------------------------------------------------


def _at_rest(book: Book) -> Iterator[Break]:
    """A free slot beside one who waits; more waiting than may."""
    terms = book.terms
    for level in book.told:
        hands = level.served(book.width) - len(level.taken) - len(level.ghosts) - level.busy
        for key in sorted({visit.key for visit in level.waiting}):
            waiting = [visit for visit in level.waiting if visit.key == key]
            served = hands - (len(level.waiting) - len(waiting))
            taken = sum(visit.key == key for visit in level.taken)
            at_ns = level.rest.at_ns
            if served <= 0 or any(book.by_rival(v, level.since_ns, at_ns) for v in waiting):
                continue
            if taken < terms.limit:
                yield _kept_out(book, level, waiting[0], taken)
            elif terms.queue is not None and served > terms.queue * terms.each:
                late = any(visit.end == "refused" for visit in waiting)
                yield Break(
                    half="waits" if late else "queue",
                    at_ns=at_ns,
                    key=key,
                    count=served,
                    visits=_with(_inside(level, key), waiting),
                )


def _refused_early(book: Book) -> Iterator[Break]:
    """A refusal while slots are free, or places to wait; of one who had waited, see :func:`_late`."""
    for level in book.told:
        for visit in level.refused:
            ended_ns = visit.ended_ns or level.rest.at_ns
            if visit.sent_ns <= level.since_ns or book.by_rival(visit, visit.sent_ns, ended_ns):
                continue
            others = _beside(level, visit, ended_ns)
            if len(others) < book.terms.limit:
                yield _kept_out(book, level, visit, len(others))
            elif len(others) < book.terms.limit + (book.terms.queue or 0):
                yield Break(
                    half="early",
                    at_ns=level.rest.at_ns,
                    key=visit.key,
                    count=len(others) - book.terms.limit,
                    visits=_with(others, [visit]),
                )


def _beside(level: Level, visit: Visit, ended_ns: int) -> list[Visit]:
    """Who may have held a slot or a place while a call was refused."""
    near = (*level.taken, *level.waiting, *level.ghosts, *level.over)
    return [each for each in near if each.key == visit.key and each.sent_ns < ended_ns]


def _kept_out(book: Book, level: Level, visit: Visit, taken: int) -> Break:
    """One who should be inside is not: which kind of break this is."""
    key, at_ns = visit.key, level.rest.at_ns
    full = [each for each in book.full.get(key, ()) if each.at_ns < at_ns]
    ended = _ended(book, key, full[-1].at_ns, at_ns) if full else []
    beside = [each for each in ended if visit.sent_ns < each.finished_ns]
    others = [each for each in level.taken if each.key != key]
    half: Half
    if visit in level.waiting and beside and _way(beside) == "ok":
        half, way = "beside", "ok"
    elif ended:
        half, way = "lost", _way(ended)
    elif others and taken + len(others) >= book.terms.limit and not full:
        half, way = "key", others[0].key
    else:
        half, way = "few", ""
    inside = [each for each in level.taken if each.key == key]
    before = full[-1].visits if ended else ()
    shown = _with(inside, before, ended, others if half == "key" else (), [visit])
    return Break(half=half, at_ns=at_ns, key=key, count=taken, visits=shown, way=way)


# -- those who wait -----------------------------------------------------------------------------------


def _late(book: Book) -> Iterator[Break]:
    """One who waited is refused with no clock move in between, too soon, or not when due."""
    terms = book.terms
    if terms.queue is None and terms.queue_timeout_ns is None:
        return
    seen: set[int] = set()
    for level in book.told:
        if level.under_way > max(book.width, level.served(book.width)):
            continue  # some may not have been taken up yet
        seen.update(visit.call for visit in level.waiting)
        for visit in level.waiting:
            late_ns = (
                level.rest.target_ns - visit.sent_target_ns - (terms.queue_timeout_ns or NEVER)
            )
            if late_ns > LATE_NS and not book.rivals:
                yield Break(
                    half="timeout", at_ns=level.rest.at_ns, key=visit.key, count=1, visits=(visit,)
                )
    for visit in book.visits:
        if visit.call in seen and visit.end == "refused" and not book.rivals:
            yield from _turned_away(book, visit)


def _turned_away(book: Book, visit: Visit) -> Iterator[Break]:
    if visit.ended_ns is None or visit.ended_target_ns is None:
        return
    waited_ns = visit.ended_target_ns - visit.sent_target_ns
    due_ns = book.terms.queue_timeout_ns
    if waited_ns == 0 or (due_ns is not None and waited_ns < due_ns - EARLY_NS):
        yield Break(half="waits", at_ns=visit.ended_ns, key=visit.key, count=1, visits=(visit,))


def _out_of_order(book: Book) -> Iterator[Break]:
    """One who came later is inside, and one who was seen to wait before it came waits still."""
    if not book.terms.fifo or book.terms.each > 1 or book.rivals:
        return
    for level in book.told:
        if level.under_way > max(book.width, level.served(book.width)):
            continue
        entered = [v for v in level.taken if level.since_ns < v.entered_ns <= level.rest.at_ns]
        for visit in level.waiting:
            seen_ns = book.rests.first_from(visit.sent_ns)
            for other in entered:
                if other.key == visit.key and seen_ns < other.sent_ns:
                    yield Break(
                        half="order",
                        at_ns=level.rest.at_ns,
                        key=visit.key,
                        count=1,
                        visits=_with(_inside(level, visit.key), [visit, other]),
                    )


# -- parts --------------------------------------------------------------------------------------------


def _inside(level: Level, key: str) -> tuple[Visit, ...]:
    return tuple(visit for visit in level.inside if visit.key == key)


def _ended(book: Book, key: str, from_ns: int, to_ns: int) -> list[Visit]:
    """Visits of a key that were inside and ended in ``(from, to]``, for the user or for good."""
    return [
        visit
        for visit in book.visits
        if visit.key == key
        and visit.stays
        and (from_ns < visit.finished_ns <= to_ns or _left_within(visit, from_ns, to_ns))
    ]


def _left_within(visit: Visit, from_ns: int, to_ns: int) -> bool:
    return visit.ended_ns is not None and from_ns < visit.ended_ns <= to_ns


def _way(ended: Sequence[Visit]) -> str:
    """How those ended that a lost slot is blamed on: what is no success comes first."""
    ways = [visit.way for visit in ended if visit.way != "ok"]
    return max(sorted(set(ways)), key=ways.count) if ways else "ok"


def _with(*parts: Sequence[Visit]) -> tuple[Visit, ...]:
    """Each visit once, in the order of the calls."""
    found = {visit.call: visit for part in parts for visit in part}
    return tuple(found[call] for call in sorted(found))
