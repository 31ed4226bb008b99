"""One playing of a trial: its visits, its rests, and what else was under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from harness.history import Call, History, Rested, away
from harness.models.slots import NEVER, Rest, Rests, Visit, crowds
from harness.plan import Kill, Played, Trial
from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.book import Book, Terms, spans
from harness.promises.concurrency_limit.holding import control_of
from harness.promises.concurrency_limit.reading import Facts, Reader, ended_ns_of
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.units import NS_PER_MS

_QUIET_NS: Final = 200 * NS_PER_MS
"""In real time a step is over when nothing new has come for a little longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One playing of a trial, as far as it had come when the plan ended.

    Attributes:
        book: what is known of the limit.
        visits: the visits of this playing alone.
        from_ns, to_ns: when the plan began and ended, on the machine's clock.
        control: how many calls of an operation without this limit were inside at once; None: it was
            not tried.
        untold: why arrivals cannot be told to calls, None where they can.
        strange: what calls of this playing were answered that never reached the witness, and whose
            answer is no refusal in the declared form, by call.
    """

    book: Book
    visits: tuple[Visit, ...]
    from_ns: int
    to_ns: int
    control: int | None
    untold: str | None
    strange: Mapping[int, str] = field(default_factory=dict)

    def beyond_limit(self) -> list[Visit]:
        """Of the strange ones, those that came when all slots were certainly taken, and all places."""
        terms, found = self.book.terms, list[Visit]()
        for level in self.book.told:
            for visit in level.over:
                if visit.call not in self.strange or visit.sent_ns <= level.since_ns:
                    continue
                inside = sum(each.key == visit.key for each in level.inside)
                waiting = sum(each.key == visit.key for each in level.waiting)
                full = inside >= terms.limit * terms.each
                if full and waiting >= (terms.queue or 0) * terms.each:
                    found.append(visit)
        return found


def scene(
    promise: ConcurrencyLimit,
    around: Surroundings,
    history: History,
    trial: Trial,
    played: Played,
) -> Scene:
    """Everything that the check needs of one playing."""
    from_ns, to_ns = (played.at_ns[0], played.at_ns[-1]) if played.at_ns else (0, NEVER)
    facts = Facts.of(history, around, to_ns)
    seen = [Rest(e.at_ns, e.target_ns) for e in history.events if isinstance(e, Rested)]
    rests = Rests(rest for rest in seen if from_ns <= rest.at_ns <= to_ns)
    looks = rests if around.frozen else _looks(played)
    labels = {index: name for name, calls in played.groups.items() for index in calls}
    killed = any(isinstance(step, Kill) for step in trial.steps)
    reader = Reader(promise, facts, around, labels, killed=killed)
    near = [visit for visit in reader.visits() if visit.finished_ns >= from_ns]
    width, control = _widths(reader, Rests(seen) if around.frozen else looks)
    least = promise.limit + (promise.queue or 0)
    book = Book(
        terms=terms_of(promise),
        visits=near,
        rests=rests,
        looks=looks,
        width=width,
        narrow=control is not None and control <= least,
        busy=_busy(promise, facts, rests),
        exact=len({each.dependency for each in facts.arrivals}) <= 1,
        rivals=tuple(_rivals(promise, around, facts, rests, from_ns)),
        unseen=_unseen(near, history, around),
    )
    return Scene(
        book=book,
        visits=tuple(visit for visit in near if played.first_call <= visit.call < played.end_call),
        from_ns=from_ns,
        to_ns=to_ns,
        control=control,
        untold=facts.untold(_asking(promise, around, facts)),
        strange={v.call: v.way for v in near if v.end == "strange" and v.sent_ns >= from_ns},
    )


def _unseen(visits: Iterable[Visit], history: History, around: Surroundings) -> frozenset[int]:
    """The calls that were under way while a witness could not be reached."""
    kinds = {name: each.kind for name, each in around.dependencies.items()}
    spans = [each for each in away(history.events) if kinds.get(each[0]) == "witness"]
    return frozenset(
        visit.call
        for visit in visits
        if any(
            visit.sent_ns <= to_ns and visit.finished_ns >= from_ns for _, from_ns, to_ns in spans
        )
    )


def _asking(
    promise: ConcurrencyLimit, around: Surroundings, facts: Facts
) -> dict[str, tuple[str, ...]]:
    """The operations with this limit that were called, else whichever were, and what each uses."""
    called = {call.operation for _, call in facts.calls}
    names = sorted(called.intersection(promise.operation) or called)
    known = around.operations
    return {name: known[name].uses if name in known else () for name in names}


def _looks(played: Played) -> Rests:
    """In real time: shortly before each step, when nothing new had come for longer than that."""
    return Rests(Rest(at_ns - _QUIET_NS) for at_ns in played.at_ns[1:])


def terms_of(promise: ConcurrencyLimit) -> Terms:
    """The promise as the checker needs it."""
    return Terms(
        limit=promise.limit,
        queue=promise.queue,
        queue_timeout_ns=promise.queue_timeout,
        fifo=promise.order == "fifo",
        arrivals=promise.counts == "arrivals",
        each=promise.workers if promise.scope == "process" else 1,
    )


def _widths(reader: Reader, looks: Rests) -> tuple[int, int | None]:
    """How many calls were seen inside at once: on any operation, and on the one without this limit.

    The latter is None where never more than limit and queue of them were under way at once.
    """
    promise, facts = reader.promise, reader.facts
    everything = replace(reader, promise=promise.model_copy(update={"key": "global"}))
    visits = {index: everything.visit(index, call) for index, call in facts.calls}
    control = control_of(promise, reader.around)
    others = [visits[index] for index, call in facts.calls if call.operation == control]
    tried = max((len(each.visits) for each in crowds(_under_way(others))), default=0)
    enough = tried > promise.limit + (promise.queue or 0)
    return _most(visits.values(), looks), _most(others, looks) if enough else None


def _under_way(visits: Iterable[Visit]) -> Iterator[tuple[Visit, int, int]]:
    for visit in visits:
        yield visit, visit.sent_ns, NEVER if visit.ended_ns is None else visit.ended_ns


def _most(visits: Iterable[Visit], looks: Rests) -> int:
    book = Book(terms=Terms(limit=1), visits=tuple(visits), rests=looks, looks=looks)
    return max((len(crowd.visits) for crowd in crowds(spans(book))), default=0)


def _busy(promise: ConcurrencyLimit, facts: Facts, rests: Rests) -> dict[int, int]:
    """By rest, how many calls of other operations were under way."""
    others = [
        (call.written_ns, _done_ns(facts, call))
        for _, call in facts.calls
        if call.operation not in promise.operation
    ]
    near = [span for span in others if rests.all and span[1] >= rests.all[0].at_ns]
    return {
        rest.at_ns: sum(begun <= rest.at_ns < ended for begun, ended in near)
        for rest in (rests.all if near else ())
    }


def _done_ns(facts: Facts, call: Call) -> int:
    """When the service had done with a call; one whose client has left it may work for all the same."""
    ended_ns = ended_ns_of(call)
    if ended_ns is None:
        return NEVER
    if call.error != "left":
        return ended_ns
    ends = [NEVER if stay.to_ns is None else stay.to_ns for stay in facts.stays(call)]
    return max(ended_ns, *ends, 0 if ends else NEVER)


def _rivals(
    promise: ConcurrencyLimit, around: Surroundings, facts: Facts, rests: Rests, from_ns: int
) -> Iterator[Book]:
    """Other limits that the same calls may meet."""
    for other in around.promises:
        shared = set(other.operation) & set(promise.operation)
        if isinstance(other, ConcurrencyLimit) and other.id != promise.id and shared:
            near = [v for v in Reader(other, facts, around).visits() if v.finished_ns >= from_ns]
            yield Book(terms=terms_of(other), visits=near, rests=rests, looks=rests)
