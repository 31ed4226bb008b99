"""Which arrivals at the witness belong to which call: by token, else by who was under way."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.history import Arrival, Call, Event, History, Rested, TargetStarted, away

FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened since the target started, up to the end of a plan.

    Attributes:
        started: the start.
        calls: calls of the operations behind the breaker, by their index in the history.
        attempts: the arrivals of each of these calls, in order.
        others: calls of other operations, by their index.
        arrivals: all arrivals, whosever they are.
        rests_ns: instants at which everything was at rest, on the machine's clock.
        rests_target_ns: the same on the target's.
        until_ns: the end, on the machine's clock.
        unmatched: arrivals that may be several calls'.
        unseen: calls that were under way while the dependency could not be reached, so that nobody
            saw whether they tried it.
    """

    started: TargetStarted | None
    calls: Mapping[int, Call]
    attempts: Mapping[int, tuple[Arrival, ...]]
    others: Mapping[int, Call]
    arrivals: tuple[Arrival, ...]
    rests_ns: tuple[int, ...]
    rests_target_ns: tuple[int, ...]
    until_ns: int
    unmatched: int
    unseen: tuple[int, ...] = ()


def stretch(
    history: History, operations: Sequence[str], dependency: str, until_ns: int | None
) -> Stretch:
    """All that is known of these operations and this witness until an instant of the machine's clock."""
    until = FOREVER if until_ns is None else until_ns
    started = _started(history.events, until)
    since = started.at_ns if started is not None else -FOREVER
    indexed = [
        (index, _until(call, until))
        for index, call in enumerate(history.calls)
        if since <= call.written_ns <= until and call.written and call.error != "refused"
    ]
    calls = {index: call for index, call in indexed if call.operation in operations}
    others = {index: call for index, call in indexed if call.operation not in operations}
    arrivals = tuple(
        _arrival_until(each, until) for each in history.arrivals if since <= each.at_ns <= until
    )
    rests = [
        event
        for event in history.events
        if isinstance(event, Rested) and since <= event.at_ns <= until
    ]
    rests_ns = tuple(rest.at_ns for rest in rests)
    own = [each for each in arrivals if each.dependency == dependency]
    attempts, unmatched = _matched(calls, others, own, rests_ns)
    return Stretch(
        started=started,
        calls=calls,
        attempts=attempts,
        others=others,
        arrivals=arrivals,
        rests_ns=rests_ns,
        rests_target_ns=tuple(rest.target_ns for rest in rests),
        until_ns=until,
        unmatched=unmatched,
        unseen=tuple(
            index
            for index, call in calls.items()
            if any(
                call.written_ns <= to_ns and (call.ended_ns or FOREVER) >= from_ns
                for name, from_ns, to_ns in away(history.events)
                if name == dependency
            )
        ),
    )


def _started(events: Sequence[Event], until: int) -> TargetStarted | None:
    starts = (e for e in reversed(events) if isinstance(e, TargetStarted) and e.at_ns <= until)
    return next(starts, None)


def _until(call: Call, until: int) -> Call:
    """The call as it stood at that instant."""
    if call.ended_ns is None or call.ended_ns <= until:
        return call
    return replace(call, ended_ns=None, ended_target_ns=None, status=None, error=None)


def _arrival_until(arrival: Arrival, until: int) -> Arrival:
    if arrival.ended_ns is None or arrival.ended_ns <= until:
        return arrival
    return replace(arrival, state="held", ended_ns=None, ended_target_ns=None, status=None)


def _matched(
    calls: Mapping[int, Call],
    others: Mapping[int, Call],
    arrivals: Sequence[Arrival],
    rests_ns: Sequence[int],
) -> tuple[dict[int, tuple[Arrival, ...]], int]:
    by_token = {call.token: index for index, call in calls.items() if call.token is not None}
    foreign = {call.token for call in others.values() if call.token is not None}
    told = any(arrival.token in by_token for arrival in arrivals)
    found: dict[int, list[Arrival]] = {}
    unmatched = 0
    # By their ends, so that each finds a call that ended no sooner, if there is one for all of them.
    for arrival in sorted(arrivals, key=lambda each: each.ended_ns or FOREVER):
        if arrival.token in by_token:
            found.setdefault(by_token[arrival.token], []).append(arrival)
        elif arrival.token is None and told:
            continue  # the service passes tokens on: this is its own doing, for nobody's call
        elif arrival.token is None or arrival.token not in foreign:
            index = _by_time(calls, others, arrival, found, rests_ns)
            if index is None:
                unmatched += 1
            else:
                found.setdefault(index, []).append(arrival)
    attempts = {
        index: tuple(sorted(each, key=lambda arrival: arrival.at_ns))
        for index, each in sorted(found.items())
    }
    return attempts, unmatched


def _by_time(
    calls: Mapping[int, Call],
    others: Mapping[int, Call],
    arrival: Arrival,
    found: Mapping[int, list[Arrival]],
    rests_ns: Sequence[int],
) -> int | None:
    """The one call that was under way, or one of several that nobody could tell apart."""
    if any(_under_way(call, arrival.at_ns) for call in others.values()):
        return None
    open_calls = {i: call for i, call in calls.items() if _under_way(call, arrival.at_ns)}
    if len(open_calls) == 1:
        return next(iter(open_calls))
    fresh = {index: call for index, call in open_calls.items() if index not in found}
    place = bisect_left(rests_ns, arrival.at_ns)
    rest_ns = rests_ns[place] if place < len(rests_ns) else FOREVER
    ended_ns = FOREVER if arrival.ended_ns is None else arrival.ended_ns
    # At rest a call is under way exactly if its request is held; the others of a burst are refused.
    fitting = [
        (call.ended_ns or FOREVER, index)
        for index, call in fresh.items()
        if (ended_ns > rest_ns) == ((call.ended_ns or FOREVER) > rest_ns)
        and (call.ended_ns or FOREVER) >= (0 if ended_ns == FOREVER else ended_ns)
    ]
    return min(fitting)[1] if fitting else None


def _under_way(call: Call, at_ns: int) -> bool:
    return call.written_ns <= at_ns and (call.ended_ns is None or call.ended_ns >= at_ns)
