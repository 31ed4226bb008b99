"""From a history to visits: whose slot a call may use, when it was inside, and how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.history import Arrival, Call, History, Rested, TargetStarted
from harness.models.slots import NEVER, End, Rest, Rests, Stay, Visit, crowds
from harness.plan import Kill, Played, Trial
from harness.promises.answer_form import Form, lacking
from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.check import Book, Terms, spans
from harness.promises.concurrency_limit.holding import control_of
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.promises.rate_limit.keys import address
from harness.units import NS_PER_MS

_QUIET_NS: Final = 200 * NS_PER_MS
"""In real time a step is over when nothing new has come for a little longer."""
_OTHERS_REFUSE: Final = ("exceeded", "open")
"""Words under which promises of other kinds declare the form of their refusals."""


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
        for level in self.book.levels:
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
    facts = _Facts.of(history, around, to_ns)
    seen = [Rest(e.at_ns, e.target_ns) for e in history.events if isinstance(e, Rested)]
    rests = Rests(rest for rest in seen if from_ns <= rest.at_ns <= to_ns)
    looks = rests if around.frozen else _looks(played)
    labels = {index: name for name, calls in played.groups.items() for index in calls}
    killed = any(isinstance(step, Kill) for step in trial.steps)
    reader = _Reader(promise, facts, around, labels, killed=killed)
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
    )
    return Scene(
        book=book,
        visits=tuple(visit for visit in near if played.first_call <= visit.call < played.end_call),
        from_ns=from_ns,
        to_ns=to_ns,
        control=control,
        untold=facts.untold(promise.operation),
        strange={v.call: v.way for v in near if v.end == "strange" and v.sent_ns >= from_ns},
    )


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


def is_refusal(promise: ConcurrencyLimit, ok: Mapping[str, frozenset[int]], call: Call) -> bool:
    """Whether an answer to a call that never arrived is the refusal that is declared."""
    if promise.rejected is not None:
        return lacking(promise.rejected, call) is None
    return call.status is not None and not _is_ok(ok, call)


def _is_ok(ok: Mapping[str, frozenset[int]], call: Call) -> bool:
    admitting = ok.get(call.operation)
    return call.status in admitting if admitting else 200 <= (call.status or 0) < 300


# -- facts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """The calls since the target started, and their arrivals at the witnesses they use."""

    ok: Mapping[str, frozenset[int]]
    calls: Sequence[tuple[int, Call]]
    arrivals: Sequence[Arrival]
    by_token: Mapping[str, Sequence[Arrival]]
    to_ns: int

    @classmethod
    def of(cls, history: History, around: Surroundings, to_ns: int) -> _Facts:
        """As far as all had come at ``to_ns``."""
        starts = [each.at_ns for each in history.events if isinstance(each, TargetStarted)]
        since_ns = max((start for start in starts if start <= to_ns), default=0)
        calls = [
            (index, call)
            for index, call in enumerate(history.calls)
            if call.written and since_ns <= call.written_ns <= to_ns
        ]
        arrivals = [each for each in history.arrivals if since_ns <= each.at_ns <= to_ns]
        by_token: dict[str, list[Arrival]] = defaultdict(list)
        for each in arrivals:
            if each.token is not None:
                by_token[each.token].append(each)
        return cls(ok=around.ok, calls=calls, arrivals=arrivals, by_token=by_token, to_ns=to_ns)

    def stays(self, call: Call) -> tuple[Stay, ...]:
        """The arrivals of a call."""
        found = self.by_token.get(call.token, ()) if call.token is not None else ()
        return tuple(
            Stay(
                from_ns=each.at_ns,
                to_ns=self.by_then(None if each.state == "held" else each.ended_ns),
                by_target=each.state == "gone",
            )
            for each in found
        )

    def by_then(self, ns: int | None) -> int | None:
        """An instant, None if it came later than what is looked at."""
        return ns if ns is not None and ns <= self.to_ns else None

    def untold(self, operations: Sequence[str]) -> str | None:
        """Why arrivals cannot be told to calls; None where no call of these is without its token."""
        told = any(
            call.token in self.by_token for _, call in self.calls if call.operation in operations
        )
        if told or not self.arrivals or all(each.token is not None for each in self.arrivals):
            return None
        return (
            "requests reach the dependency without the X-Request-ID of the call they belong to, so "
            "nobody can tell who is inside; a service that passes it on, or `{call}` in the "
            "operation's call where the service passes that on, would settle it"
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the calls of one promise."""

    promise: ConcurrencyLimit
    facts: _Facts
    around: Surroundings
    labels: Mapping[int, str] = field(default_factory=dict)
    killed: bool = False

    def visits(self) -> Iterator[Visit]:
        """The calls that the limit speaks of."""
        for index, call in self.facts.calls:
            if call.operation in self.promise.operation and call.error != "refused":
                yield self.visit(index, call)

    def visit(self, index: int, call: Call) -> Visit:
        """What is known of one call."""
        stays = self.facts.stays(call)
        ended_ns = self.facts.by_then(_ended_ns(call))
        end = None if ended_ns is None else self._end(call, arrived=bool(stays))
        return Visit(
            call=index,
            key=self._key(call),
            sent_ns=call.written_ns,
            sent_target_ns=call.sent_target_ns,
            stays=stays,
            ended_ns=ended_ns,
            ended_target_ns=call.ended_target_ns or call.answered_target_ns,
            end=end,
            way="" if end is None else self._way(call, end),
            label=self.labels.get(index, ""),
        )

    def _key(self, call: Call) -> str:
        if self.promise.key == "global":
            return "all"
        if self.promise.key == "ip":
            return address(call.source) or call.source
        return call.caller

    def _end(self, call: Call, *, arrived: bool) -> End:
        if call.error == "left":
            return "left"
        if call.status is None:
            return "lost"
        if arrived:
            return "answered"
        if not is_refusal(self.promise, self.facts.ok, call):
            return "strange"
        return "strange" if another_refusing(self.around, call) else "refused"

    def _way(self, call: Call, end: End) -> str:
        """How it ended, for people."""
        if end == "left":
            return "client gone"
        if end == "lost":
            return "holder killed" if self.killed else "connection lost"
        if end == "strange":
            other = another_refusing(self.around, call)
            return f"answered {call.status}" if other is None else f"refused, perhaps by {other}"
        if end == "refused":
            return "refusal"
        arrivals = self.facts.by_token.get(call.token or "", ())
        last = arrivals[-1] if arrivals else None
        if last is None or last.state in ("held", "gone") or not _answered_first(last, call):
            return "timeout"
        if last.state == "cut":
            return "reset"
        return "ok" if _is_ok(self.facts.ok, call) else "error"


def _answered_first(arrival: Arrival, call: Call) -> bool:
    """Whether the witness was done before the user had the answer."""
    ended_ns = _ended_ns(call)
    return arrival.ended_ns is not None and ended_ns is not None and arrival.ended_ns <= ended_ns


def _ended_ns(call: Call) -> int | None:
    return call.ended_ns if call.ended_ns is not None else call.last_byte_ns


# -- what else is under way ---------------------------------------------------------------------------


def _widths(reader: _Reader, looks: Rests) -> tuple[int, int | None]:
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


def _busy(promise: ConcurrencyLimit, facts: _Facts, rests: Rests) -> dict[int, int]:
    """By rest, how many calls of other operations were under way."""
    others = [
        (call.written_ns, self_ended if (self_ended := _ended_ns(call)) is not None else NEVER)
        for _, call in facts.calls
        if call.operation not in promise.operation
    ]
    near = [span for span in others if rests.all and span[1] >= rests.all[0].at_ns]
    return {
        rest.at_ns: sum(begun <= rest.at_ns < ended for begun, ended in near)
        for rest in (rests.all if near else ())
    }


def _rivals(
    promise: ConcurrencyLimit, around: Surroundings, facts: _Facts, rests: Rests, from_ns: int
) -> Iterator[Book]:
    """Other limits that the same calls may meet."""
    for other in around.promises:
        shared = set(other.operation) & set(promise.operation)
        if isinstance(other, ConcurrencyLimit) and other.id != promise.id and shared:
            near = [v for v in _Reader(other, facts, around).visits() if v.finished_ns >= from_ns]
            yield Book(terms=terms_of(other), visits=near, rests=rests, looks=rests)


def another_refusing(around: Surroundings, call: Call) -> str | None:
    """Another promise in whose form the call may have been refused as well, by its name."""
    for other in around.promises:
        if isinstance(other, ConcurrencyLimit) or call.operation not in other.operation:
            continue
        for word in _OTHERS_REFUSE:
            form = getattr(other, word, None)
            if getattr(form, "status", None) is not None and _fits(form, call):
                return other.id
    return None


def _fits(form: Any, call: Call) -> bool:
    """Whether the answer has the declared form of another kind's refusal."""
    headers, body = getattr(form, "headers", ()), getattr(form, "body", None)
    names = tuple(headers) if isinstance(headers, tuple | list) else ()
    return (
        lacking(Form.model_validate({"status": form.status, "headers": names, "json": body}), call)
        is None
    )
