"""From facts to points: what a breaker lived through, as calls and arrivals show it.

A call is one guarded attempt. It is *admitted* if it arrives at the witness, *rejected* if its answer
came without an arrival, *stuck* if it has neither while the target is at rest. Where one user call made
several attempts, the breaker may stand around each of them or around all: two readings.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from harness.history import Arrival, Call
from harness.models.breaker.points import Point, What
from harness.models.breaker.steps import Outcome
from harness.models.breaker.windows import Span
from harness.promises.circuit_breaker.coarse import coarsened
from harness.promises.circuit_breaker.matching import FOREVER, Stretch
from harness.promises.circuit_breaker.words import CircuitBreaker

_PER_CALL = 1 << 16
"""Point numbers: index of the call, times this, plus the number of the attempt."""


@dataclass(frozen=True, slots=True)
class Story:
    """A stretch of history as points, in each way to read it.

    Attributes:
        readings: points by the name of the reading, the likeliest first; those that are the same as
            another are left out.
        rejected: calls that were answered without an arrival.
        admitted: calls that arrived.
        stuck: calls that had neither at some rest.
        lost: calls whose end says nothing.
        unseen: calls that were answered at once while the dependency could not be reached.
        outcomes: how each attempt ended, as far as it did.
    """

    readings: Mapping[str, tuple[Point, ...]]
    rejected: tuple[int, ...]
    admitted: tuple[int, ...]
    stuck: tuple[int, ...]
    lost: tuple[int, ...]
    unseen: tuple[int, ...]
    outcomes: tuple[Outcome, ...]


def call_of(point: int) -> int:
    """Index in the history of the call that a point belongs to."""
    return point // _PER_CALL


def outcome_of(promise: CircuitBreaker, arrival: Arrival, call: Call) -> Outcome | None:
    """What an attempt ended as; None while it has not."""
    if call.error == "left" and call.ended_ns is not None:
        left_ns = call.ended_ns
        if arrival.ended_ns is None or arrival.ended_ns >= left_ns:
            return _after_leaving(promise, arrival)
    match arrival.state:
        case "answered":
            return _answered(promise, arrival.status or 0)
        case "cut":
            return "failed" if "connection" in promise.counted else "uncounted"
    if call.ended_ns is None and arrival.state == "held":
        return None
    return "failed" if "timeout" in promise.counted else "uncounted"


def _after_leaving(promise: CircuitBreaker, arrival: Arrival) -> Outcome:
    if arrival.state == "answered":
        found = _answered(promise, arrival.status or 0)
    elif arrival.state == "cut":
        found = "failed" if "connection" in promise.counted else "uncounted"
    else:
        return "gone"
    after: dict[Outcome, Outcome] = {
        "ok": "gone_ok",
        "failed": "gone_failed",
        "uncounted": "gone_uncounted",
    }
    return after[found]


def _answered(promise: CircuitBreaker, status: int) -> Outcome:
    counted = promise.counted
    if status in counted or f"{status // 100}xx" in counted:
        return "failed"
    return "ok" if status < 400 else "uncounted"


def _at(point: Point, edge: int) -> Point:
    """The point at one edge of its order; its time stays as wide as it was."""
    at = point.order[edge]
    return point if at >= FOREVER else replace(point, order=(at, at))


def _met_last(point: Point) -> Point:
    """The point, if calls that were stuck behind others met the breaker only after that."""
    if point.what not in {What.ADMITTED, What.REJECTED}:
        return point
    return replace(point, order=(point.order[1],) * 2, time=(point.time[1],) * 2)


class Reader:
    """Turns one stretch into points; everything is worked out once."""

    def __init__(self, promise: CircuitBreaker, stretch: Stretch, *, ours: frozenset[int]) -> None:
        """``ours``: calls whose answer, if they were refused, can only be this breaker's."""
        self.promise = promise
        self.stretch = stretch
        self.ours = ours
        started = stretch.started
        self.frozen = started is not None and started.clock == "frozen"

    def story(self) -> Story:
        """All points, in each reading."""
        calls, attempts = self.stretch.calls, self.stretch.attempts
        rejected: list[int] = []
        lost: list[int] = []
        unseen = [index for index in self.stretch.unseen if self._failed_unseen(index)]
        for index, call in calls.items():
            if (
                index in attempts
                or call.ended_ns is None
                or call.error == "left"
                or index in unseen
            ):
                continue
            (rejected if call.status is not None and index in self.ours else lost).append(index)
        outcomes = [
            outcome
            for index, each in attempts.items()
            for arrival in each
            if (outcome := outcome_of(self.promise, arrival, calls[index])) is not None
        ]
        stuck = tuple(self._stuck())
        common = [self._rejection(index) for index in rejected]
        common += [self._unseen(index) for index in unseen]
        common += [point for _, point in stuck]
        per_call = [point for index in attempts for point in self._as_one(index)]
        wide = {"around all attempts of a call": tuple(per_call + common)}
        if self._differs():
            each = [point for index in attempts for point in self._one_by_one(index)]
            wide["around each attempt"] = tuple(each + common)
        readings: dict[str, tuple[Point, ...]] = {}
        for name, points in wide.items():
            for how, guess in self._guesses(points):
                if guess != points:
                    readings[f"{name}, {how}"] = guess
            readings[name] = points if self.frozen else coarsened(points)
        return Story(
            readings=readings,
            rejected=tuple(rejected),
            admitted=tuple(attempts),
            stuck=tuple(dict.fromkeys(index for index, _ in stuck)),
            lost=tuple(lost),
            unseen=tuple(unseen),
            outcomes=tuple(outcomes),
        )

    def _guesses(self, points: tuple[Point, ...]) -> Iterator[tuple[str, tuple[Point, ...]]]:
        """Likely orders: if one of them is explained, none of all the others need be tried."""
        if self.frozen:
            yield "after any wait for others", tuple(map(_met_last, points))
            return
        yield "as late as can be", tuple(_at(point, -1) for point in points)
        results_first = (_at(point, 0 if point.what is What.ENDED else -1) for point in points)
        yield "ends as soon as can be", tuple(results_first)

    # -- points -----------------------------------------------------------------------------------

    def _rejection(self, index: int) -> Point:
        call = self.stretch.calls[index]
        return Point(
            what=What.REJECTED,
            call=index * _PER_CALL,
            order=self._order(call.written_ns, call.ended_ns or FOREVER),
            time=(call.sent_target_ns, call.ended_target_ns or FOREVER),
        )

    def _failed_unseen(self, index: int) -> bool:
        """Whether a call was answered without any wait: it was refused, or could not connect."""
        call = self.stretch.calls[index]
        if not self.frozen or call.ended_ns is None or call.status is None or call.error == "left":
            return False
        first, last = self._order(call.written_ns, call.ended_ns)
        is_alone = index not in self.stretch.attempts and index in self.ours
        return is_alone and first == last and call.ended_target_ns == call.sent_target_ns

    def _unseen(self, index: int) -> Point:
        failed = "connection" in self.promise.counted
        point = self._rejection(index)
        return replace(point, what=What.UNSEEN, outcome="failed" if failed else "uncounted")

    def _as_one(self, index: int) -> Iterator[Point]:
        """One admission and one result for all attempts of a call."""
        call, attempts = self.stretch.calls[index], self.stretch.attempts[index]
        yield self._admission(index, 0, (call.written_ns, call.sent_target_ns), attempts[0])
        outcome = outcome_of(self.promise, attempts[-1], call)
        if outcome is None or (call.ended_ns is None and len(attempts) > 1):
            return
        yield self._result(index, 0, attempts[-1], outcome, after=None)

    def _one_by_one(self, index: int) -> Iterator[Point]:
        call, attempts = self.stretch.calls[index], self.stretch.attempts[index]
        since = (call.written_ns, call.sent_target_ns)
        for number, arrival in enumerate(attempts):
            yield self._admission(index, number, since, arrival)
            outcome = outcome_of(self.promise, arrival, call)
            if outcome is None:
                return
            after = attempts[number + 1] if number + 1 < len(attempts) else None
            yield self._result(index, number, arrival, outcome, after=after)
            if arrival.ended_ns is None or arrival.ended_target_ns is None:
                return
            since = (arrival.ended_ns, arrival.ended_target_ns)

    def _admission(self, index: int, number: int, since: Span, arrival: Arrival) -> Point:
        return Point(
            what=What.ADMITTED,
            call=index * _PER_CALL + number,
            order=self._order(since[0], arrival.at_ns),
            time=(since[1], arrival.target_ns),
        )

    def _result(
        self, index: int, number: int, arrival: Arrival, outcome: Outcome, *, after: Arrival | None
    ) -> Point:
        first_ns, first_target_ns = self._earliest_end(index, arrival)
        last_ns, last_target_ns = self._latest_end(index, arrival, after)
        return Point(
            what=What.ENDED,
            call=index * _PER_CALL + number,
            order=self._order(first_ns, last_ns),
            time=(first_target_ns, last_target_ns),
            outcome=outcome,
        )

    def _earliest_end(self, index: int, arrival: Arrival) -> Span:
        """The first instant at which the breaker may have learnt of it."""
        call = self.stretch.calls[index]
        ends = []
        if arrival.ended_ns is not None:
            ends.append((arrival.ended_ns, arrival.ended_target_ns or 0))
        if call.ended_ns is not None and (arrival.state != "answered" or call.error == "left"):
            ends.append((call.ended_ns, call.ended_target_ns or 0))
        given_up = arrival.state in {"gone", "held"} and call.error != "left"
        if given_up and (arrival.ended_ns is None or not ends):
            return arrival.at_ns, arrival.target_ns  # nobody saw when the target gave it up
        first_ns, first_target_ns = min(ends)
        if not self.frozen and given_up:
            return min(arrival.at_ns, first_ns), min(arrival.target_ns, first_target_ns)
        return max(first_ns, arrival.at_ns), max(first_target_ns, arrival.target_ns)

    def _latest_end(self, index: int, arrival: Arrival, after: Arrival | None) -> Span:
        """The last one: its answer, the next attempt, or the rest after the witness had ended it."""
        call = self.stretch.calls[index]
        if after is not None:
            return after.at_ns, after.target_ns
        if call.ended_ns is not None and call.error != "left":
            return call.ended_ns, call.ended_target_ns or FOREVER
        rests = self.stretch.rests_ns
        if arrival.ended_ns is None or call.ended_ns is None or not self.frozen or self._differs():
            return FOREVER, FOREVER
        place = bisect_left(rests, arrival.ended_ns)
        if place == len(rests):
            return FOREVER, FOREVER
        return rests[place], self.stretch.rests_target_ns[place]

    def _differs(self) -> bool:
        """Whether a breaker around each attempt would have seen something else."""
        return any(len(each) > 1 for each in self.stretch.attempts.values())

    # -- order --------------------------------------------------------------------------------------

    def _order(self, first_ns: int, last_ns: int) -> Span:
        """Everything between two rests is of one order; without rests, it is the machine's clock's."""
        if not self.frozen or not self.stretch.rests_ns:
            return first_ns, max(first_ns, last_ns)
        rests = self.stretch.rests_ns
        return 2 * bisect_left(rests, first_ns), 2 * bisect_left(rests, max(first_ns, last_ns))

    def _stuck(self) -> Iterator[tuple[int, Point]]:
        """Calls that had neither answer nor arrival at a rest, where the service had room for them."""
        if not self.frozen:
            return
        calls, attempts = self.stretch.calls, self.stretch.attempts
        room = self._room()
        form = self.promise.refusal
        is_prompt = form is not None and form.within is not None
        last = len(self.stretch.rests_ns) - 1
        for place, rest_ns in enumerate(self.stretch.rests_ns):
            waiting = [
                index
                for index, call in calls.items()
                if call.written_ns < rest_ns
                and (call.ended_ns is None or call.ended_ns > rest_ns)
                and (index not in attempts or attempts[index][0].at_ns > rest_ns)
            ]
            if not waiting or self._inside(rest_ns) >= room:
                continue
            if is_prompt or (place == last and self._is_long(waiting[0], place)):
                index, now = waiting[0], self.stretch.rests_target_ns[place]
                yield (
                    index,
                    Point(
                        what=What.STUCK,
                        call=index * _PER_CALL + _PER_CALL - 1 - place,
                        order=(2 * place + 1, 2 * place + 1),
                        time=(now, now),
                    ),
                )

    def _is_long(self, index: int, place: int) -> bool:
        """Whether the call has waited for longer than the breaker may stay open."""
        longest_ns = self.promise.recovers_within or 0
        recovery = self.promise.recovery
        if recovery is not None:
            longest_ns = max(longest_ns, recovery if isinstance(recovery, int) else recovery.after)
        waited_ns = self.stretch.rests_target_ns[place] - self.stretch.calls[index].sent_target_ns
        return waited_ns > 2 * longest_ns

    def _room(self) -> int:
        """So many requests of the service were seen at witnesses at once; one, if any ever came."""
        seen = max(map(self._inside, self.stretch.rests_ns), default=0)
        return max(seen, bool(self.stretch.arrivals))

    def _inside(self, rest_ns: int) -> int:
        return sum(
            arrival.at_ns < rest_ns and (arrival.ended_ns is None or arrival.ended_ns > rest_ns)
            for arrival in self.stretch.arrivals
        )
