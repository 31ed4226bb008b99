"""From a history to spans: when a call was sent and answered, what reached the witness, who slept."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.history import Arrival, Call, ClockMoved, History, Resources, Rested, ran
from harness.models.slots import NEVER
from harness.plan import Played
from harness.promises.base import Surroundings
from harness.promises.deadline.check import Span, Terms
from harness.promises.deadline.words import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One playing of a trial, as far as it had come when the plan ended.

    Attributes:
        calls: of this playing, by index.
        spans: the same as spans.
        arrivals: by call, the attempts that reached a witness.
        groups: the calls of each group.
        counts: resources, each time they were counted.
        serving: of calls in a burst, those that were answered before the clock was moved.
    """

    calls: Mapping[int, Call]
    spans: Mapping[int, Span]
    arrivals: Mapping[int, tuple[Arrival, ...]]
    groups: Mapping[str, tuple[int, ...]]
    counts: tuple[Resources, ...]
    serving: frozenset[int]

    def group(self, name: str) -> tuple[int, ...]:
        """The calls of the groups whose name begins so."""
        return tuple(
            sorted(
                i for group, calls in self.groups.items() if group.startswith(name) for i in calls
            )
        )


def read(around: Surroundings, history: History, played: Played) -> Seen:
    """Everything that the check needs of one playing."""
    from_ns, to_ns = (played.at_ns[0], played.at_ns[-1]) if played.at_ns else (0, NEVER)
    fired = {index for step in played.steps for index in step}  # logins lie between them
    calls = {i: call for i, call in enumerate(history.calls) if i in fired and call.written}
    arrivals = _arrivals(history, calls, from_ns, to_ns)
    facts = _Facts.of(history, from_ns, to_ns)
    spans = {
        index: facts.span(index, call, len(arrivals[index]), exact=around.frozen)
        for index, call in calls.items()
    }
    return Seen(
        calls=calls,
        spans=spans,
        arrivals=arrivals,
        groups=played.groups,
        counts=tuple(
            each
            for each in history.events
            if isinstance(each, Resources) and from_ns <= each.at_ns <= to_ns
        ),
        serving=frozenset(index for index, span in spans.items() if _at_once(span)),
    )


def terms_of(promise: Deadline, around: Surroundings) -> Terms:
    """The promise as the checker needs it."""
    return Terms(
        within_ns=promise.within,
        closes=promise.answer == "closed",
        stream=promise.stream,
        resolution_ns=promise.resolution or 0,
        attempts=max((_attempts(other) for other in _sharing(promise, around)), default=0),
    )


def is_ok(ok: Mapping[str, frozenset[int]], call: Call) -> bool:
    """Whether an answer is a success of its operation."""
    admitting = ok.get(call.operation)
    return call.status in admitting if admitting else 200 <= (call.status or 0) < 300


def has_breaker(promise: Deadline, around: Surroundings) -> bool:
    """Whether a breaker may keep calls from the dependency, as the contract says."""
    return any(other.kind == "circuit_breaker" for other in _sharing(promise, around))


def _sharing(promise: Deadline, around: Surroundings) -> Sequence[Any]:
    return [each for each in around.promises if set(each.operation) & set(promise.operation)]


def _attempts(other: Any) -> int:
    """How many attempts of one call another promise declares."""
    said = getattr(other, "attempts", None)
    most = said if isinstance(said, int) else getattr(said, "most", 0)
    return most if isinstance(most, int) else 0


def _arrivals(
    history: History, calls: Mapping[int, Call], from_ns: int, to_ns: int
) -> dict[int, tuple[Arrival, ...]]:
    """By call: by token, else by time where no other call was under way.

    Where a witness has ever seen a token of such an operation's calls, requests without one are the
    service's own.
    """
    by_token: dict[str, list[Arrival]] = defaultdict(list)
    bare: list[Arrival] = []
    for each in history.arrivals:
        if from_ns <= each.at_ns <= to_ns:
            (bare if each.token is None else by_token[each.token]).append(each)
    told = _told(history)
    others = [
        call
        for call in (history.calls if bare else ())
        if call.written_ns <= to_ns and (_ended_ns(call, to_ns) or NEVER) >= from_ns
    ]
    found: dict[int, tuple[Arrival, ...]] = {}
    for index, call in calls.items():
        own = list(by_token.get(call.token or "", ()))
        theirs = [each for each in bare if (call.operation, each.dependency) not in told]
        if theirs and _alone(call, others, to_ns):
            end_ns = _ended_ns(call, to_ns) or to_ns
            own += [each for each in theirs if call.written_ns <= each.at_ns <= end_ns]
        found[index] = tuple(sorted(own, key=lambda each: each.at_ns))
    return found


def _told(history: History) -> set[tuple[str, str]]:
    """Operations and the witnesses at which a call of theirs was known by its token."""
    operations = {call.token: call.operation for call in history.calls if call.token is not None}
    return {
        (operations[each.token], each.dependency)
        for each in history.arrivals
        if each.token in operations
    }


def _alone(call: Call, others: Any, to_ns: int) -> bool:
    """Whether no other call was under way at the same time."""
    end_ns = _ended_ns(call, to_ns) or NEVER
    return not any(
        other is not call
        and other.written_ns < end_ns
        and (_ended_ns(other, to_ns) or NEVER) > call.written_ns
        for other in others
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """Rests and timers in order: machine's clock, then target's."""

    rested_at: tuple[int, ...]
    rested_target: tuple[int, ...]
    moved_to: tuple[int, ...]
    to_ns: int
    ran_ns: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, history: History, from_ns: int, to_ns: int) -> _Facts:
        near = [
            e for e in history.events if not isinstance(e, Call) and from_ns <= e.at_ns <= to_ns
        ]
        moves = [each for each in near if isinstance(each, ClockMoved)]
        rests = [(each.at_ns, each.target_ns) for each in near if isinstance(each, Rested)]
        return cls(
            rested_at=tuple(at for at, _ in rests),
            rested_target=tuple(target for _, target in rests),
            moved_to=tuple(each.to_target_ns for each in moves if each.why == "deadline"),
            to_ns=to_ns,
            ran_ns=tuple(ran(near)),
        )

    def span(self, index: int, call: Call, arrivals: int, *, exact: bool) -> Span:
        """What became of a call."""
        ended_ns = _ended_ns(call, self.to_ns)
        before = bisect_left(self.rested_at, self.to_ns + 1 if ended_ns is None else ended_ns)
        first = bisect_left(self.rested_at, call.written_ns)
        ended = ended_ns is not None
        until_ns = _ended_target_ns(call) if ended else NEVER
        moved = any(since < until_ns and to > call.sent_target_ns for since, to in self.ran_ns)
        return Span(
            call=index,
            sent_ns=call.sent_target_ns,
            first_ns=call.answered_target_ns if ended or call.first_byte_ns is not None else None,
            ended_ns=_ended_target_ns(call) if ended else None,
            end=_end(call) if ended else None,
            idle_ns=max(self.rested_target[first:before], default=None),
            timers_ns=tuple(each for each in self.moved_to if each > call.sent_target_ns),
            arrivals=arrivals,
            exact=exact and not moved,
        )


def _ended_ns(call: Call, to_ns: int) -> int | None:
    ended_ns = call.ended_ns if call.ended_ns is not None else call.last_byte_ns
    return ended_ns if ended_ns is not None and ended_ns <= to_ns else None


def _ended_target_ns(call: Call) -> int:
    if call.ended_target_ns is not None:
        return call.ended_target_ns
    return call.sent_target_ns if call.answered_target_ns is None else call.answered_target_ns


def _end(call: Call) -> Literal["answered", "closed", "left"]:
    if call.error == "left":
        return "left"
    return "answered" if call.status is not None and call.complete else "closed"


def _at_once(span: Span) -> bool:
    """Answered whole before the clock was moved; in real time, answered at all."""
    if span.end != "answered" or span.ended_ns is None:
        return False
    return span.ended_ns == span.sent_ns or not span.exact
