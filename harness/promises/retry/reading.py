"""Which requests at the witness are the attempts of which call, and what became of each.

By the call's token; requests that carry none belong to the only call that was under way, unless the
service passes tokens on: then they are its own, in the background.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from harness.history import Arrival, Call, History, away, ran
from harness.models.advice import retry_after
from harness.plan import Played
from harness.promises.retry.attempts import HELD, TORN, Attempt, Tries
from harness.promises.retry.parts import CONNECTION, IDEMPOTENT, TIMEOUT
from harness.promises.retry.words import Retry

_ADVISING: Final = (413, 429, 503)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read.

    Attributes:
        dependency: the witness.
        tries: of each call asked for, in order; one without attempts where none was seen.
        shared: requests without a token that came while several of these calls were under way, and
            no other.
        strays: requests that may be anybody's.
        by_token: so many were told by their token.
        by_time: so many by the time at which they came.
        background: requests without a token at a service that passes tokens on, for other things.
        loose_ns: when requests arrived that may be attempts of any call: target time.
    """

    dependency: str
    tries: tuple[Tries, ...]
    shared: tuple[Arrival, ...]
    strays: int
    by_token: int
    by_time: int
    background: int = 0
    loose_ns: tuple[int, ...] = ()


def read(
    promise: Retry,
    history: History,
    played: Played,
    dependency: str,
    ok: Mapping[str, frozenset[int]],
) -> Read:
    """The attempts of a playing's own calls, as far as they came before the plan ended."""
    calls = history.calls
    fired = {index for step in played.steps for index in step}
    own = sorted(index for index in fired if calls[index].operation in promise.operation)
    if not own:
        return Read(dependency, (), (), 0, 0, 0)
    end_ns = played.at_ns[-1] if played.at_ns else max(a.at_ns for a in history.arrivals or ()) + 1
    begin_ns = min(calls[index].written_ns for index in own)
    arrivals = [a for a in history.arrivals if a.dependency == dependency and a.at_ns <= end_ns]
    tokens = {call.token for call in calls if call.operation in promise.operation}
    told = frozenset(_asked(a) for a in arrivals if a.token is not None and a.token in tokens)
    found = _matched(calls, own, [a for a in arrivals if begin_ns <= a.at_ns], end_ns, told)
    spans = [(since, until) for name, since, until in away(history.events) if name == dependency]
    until_ns = _seen_until(history, played, end_ns)
    view = _View(promise, ok, end_ns, until_ns, spans, tuple(ran(history.events)))
    tries = tuple(t for index in own for t in view.tries(index, calls[index], found.of[index]))
    by_token = sum(len(found.of[index]) for index in own) - found.by_time
    return Read(
        dependency=dependency,
        tries=tries,
        shared=tuple(found.shared),
        strays=len(found.strays),
        by_token=by_token,
        by_time=found.by_time,
        background=found.background,
        loose_ns=tuple(a.target_ns for a in (*found.shared, *found.strays)),
    )


def _asked(arrival: Arrival) -> tuple[str, str]:
    """What a request asks for: attempts of one call may differ in the query alone."""
    return arrival.method, arrival.path.partition("?")[0]


def _seen_until(history: History, played: Played, end_ns: int) -> int:
    if played.began_ns:
        return played.began_ns[-1]
    return max((a.target_ns for a in history.arrivals if a.at_ns <= end_ns), default=0)


@dataclass(slots=True)
class _Matched:
    """The requests of each call; of one of several; of anybody; how many were timed, or are of none."""

    of: dict[int, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    shared: list[Arrival] = field(default_factory=list)
    strays: list[Arrival] = field(default_factory=list)
    by_time: int = 0
    background: int = 0


def _matched(
    calls: Sequence[Call],
    own: Sequence[int],
    arrivals: Iterable[Arrival],
    end_ns: int,
    told: frozenset[tuple[str, str]],
) -> _Matched:
    """Whose each request is; ``told``: what calls asked for whose requests carried their token."""
    tokens = {call.token: index for index, call in enumerate(calls) if call.token is not None}
    mine, found = frozenset(own), _Matched()
    for arrival in arrivals:
        if arrival.token is not None:
            if arrival.token in tokens:
                found.of[tokens[arrival.token]].append(arrival)
            continue
        if told:
            # A repeat that lost its token asks for what was asked before; harmless others are no call's.
            if arrival.method in IDEMPOTENT and _asked(arrival) not in told:
                found.background += 1
            else:
                found.strays.append(arrival)
            continue
        under_way = [n for n in range(len(calls)) if _is_under_way(calls, n, arrival.at_ns, end_ns)]
        if len(under_way) == 1:
            found.of[under_way[0]].append(arrival)
            found.by_time += 1
        elif under_way and mine.issuperset(under_way):
            found.shared.append(arrival)
        else:
            found.strays.append(arrival)
    return found


def _is_under_way(calls: Sequence[Call], index: int, at_ns: int, end_ns: int) -> bool:
    """Whether a request at ``at_ns`` may be this call's; a service may go on for a client that left."""
    call = calls[index]
    if not call.written or at_ns < call.written_ns:
        return False
    if call.ended_ns is not None and call.error != "left":
        return at_ns <= call.ended_ns
    following = (
        each.written_ns for each in calls[index + 1 :] if each.written_ns > call.written_ns
    )
    return at_ns < min(following, default=end_ns + 1)


@dataclass(frozen=True, slots=True)
class _View:
    """What one playing is looked at with; nothing that came after ``end_ns`` is seen.

    ``away_ns``: from when to when the dependency could not be reached. ``ran_ns``: from when to when, on
    the target's clock, a held clock was let run.
    """

    promise: Retry
    ok: Mapping[str, frozenset[int]]
    end_ns: int
    until_ns: int
    away_ns: Sequence[tuple[int, int]]
    ran_ns: Sequence[tuple[int, int]]

    def tries(self, index: int, call: Call, arrivals: Sequence[Arrival]) -> Iterator[Tries]:
        """A call's attempts, apart for each thing that it asks of the dependency."""
        is_over = call.ended_ns is not None and call.ended_ns <= self.end_ns
        ended_ns = call.answered_target_ns if call.ended_target_ns is None else call.ended_target_ns
        left = is_over and call.error == "left"
        made = partial(
            Tries,
            call=index,
            caller=call.caller,
            operation=call.operation,
            sent_ns=call.sent_target_ns,
            ended_ns=ended_ns if is_over and not left else None,
            seen_until_ns=self.until_ns,
            left_at_ns=call.ended_ns if left else None,
            failed=not _is_ok(call.status, self.ok.get(call.operation, frozenset())),
            unseen=any(
                call.written_ns <= until and (not is_over or left or (call.ended_ns or 0) >= since)
                for since, until in self.away_ns
            ),
        )
        groups: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            groups[_asked(arrival)].append(arrival)
        if not groups:
            yield made(attempts=())
        for group in groups.values():
            following: list[Arrival | None] = [*group[1:], None]
            attempts = map(self._attempt, group, following)
            yield made(attempts=tuple(attempts))

    def _attempt(self, arrival: Arrival, after: Arrival | None) -> Attempt:
        # What the player clears up after the plan's end is no fact about the service.
        ended = arrival.ended_ns is None or arrival.ended_ns <= self.end_ns
        state = arrival.state if ended else "held"
        header = next((v for k, v in arrival.answer_headers if k == "retry-after"), None)
        told = header is not None and state == "answered"  # with other statuses some heed it too
        advises = told and arrival.status in _ADVISING
        outcome, span_ns = self._outcome(arrival, state, after)
        key = self.promise.idempotency_key
        return Attempt(
            number=arrival.number,
            method=arrival.method,
            arrived_ns=arrival.target_ns,
            ended_ns=span_ns,
            outcome=outcome,
            use=arrival.use,
            key=arrival.header(key) if key else None,
            advice=retry_after(header, arrival.wall_ns) if advises and header else None,
            told=told,
            ended_wall_ns=arrival.ended_wall_ns if state != "held" else None,
            at_ns=arrival.at_ns,
            ran=after is not None
            and any(
                since < after.target_ns and until > arrival.target_ns
                for since, until in self.ran_ns
            ),
            asks=f"{arrival.path.partition('?')[2]} {arrival.digest}",
        )

    def _outcome(
        self, arrival: Arrival, state: str, after: Arrival | None
    ) -> tuple[int | str, tuple[int, int] | None]:
        """How an attempt ended, and when: the earliest and the latest."""
        arrived, timeout = arrival.target_ns, self.promise.call_timeout or 0
        ended = arrived if arrival.ended_target_ns is None else arrival.ended_target_ns
        if state == "answered":
            return (TORN if arrival.torn else arrival.status or 0), (ended, ended)
        if state == "cut":
            return (CONNECTION if arrival.status is None else TORN), (ended, ended)
        if state == "gone":
            # Some clients wait before they let go of the connection: it ended no later than that.
            first = min(arrived + timeout, ended)
            return (TIMEOUT if arrival.status is None else TORN), (first, ended)
        if after is None:
            return HELD, None
        return TIMEOUT, (min(arrived + timeout, after.target_ns), after.target_ns)


def _is_ok(status: int | None, statuses: frozenset[int]) -> bool:
    if status is None:
        return False
    return status in statuses if statuses else 200 <= status < 300
