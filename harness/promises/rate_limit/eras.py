"""Stretches of a history within which a budget is one: restarts and store faults end them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from harness.history import Call, FaultBegan, FaultEnded, History, TargetStarted
from harness.models.intervals import FOREVER
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS

_STEP_NS: Final = 50 * NS_PER_MS
"""The wall clock may go by this much less or more between two calls."""


@dataclass(frozen=True, slots=True)
class Break:
    """An instant that no upper bound spans: order number and target time."""

    seq: int
    target_ns: int


@dataclass(frozen=True, slots=True)
class Era:
    """Calls from the first order number to the last share one budget, ``factor`` times the declared."""

    first_seq: int
    last_seq: int
    factor: int

    def holds(self, call: Call) -> bool:
        """Whether the call lies in this stretch whole."""
        return self.first_seq < call.written_seq and (call.answered_seq or 0) < self.last_seq


@dataclass(frozen=True, slots=True)
class Outage:
    """The store was away; ``counted``: somebody was seen to miss it."""

    first_seq: int
    last_seq: int
    counted: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where a history is cut, for one promise.

    Attributes:
        breaks: restarts of the target, loss of a store's data, cut and heal of the promise's store,
            a wall clock that was set back.
        eras: where the upper half is judged.
        outages: while the promise's store was away.
    """

    breaks: tuple[Break, ...]
    eras: tuple[Era, ...]
    outages: tuple[Outage, ...]

    def is_astride(self, call: Call) -> bool:
        """Whether the call overlaps a break: nothing can be said of it then."""
        rank = bisect_left([each.seq for each in self.breaks], call.written_seq)
        answered = FOREVER if call.answered_seq is None else call.answered_seq
        if rank < len(self.breaks) and self.breaks[rank].seq < answered:
            return True
        return rank > 0 and call.sent_target_ns < self.breaks[rank - 1].target_ns

    def outage_of(self, call: Call) -> Outage | None:
        """The outage in which the call was made."""
        for outage in self.outages:
            if outage.first_seq < call.written_seq < outage.last_seq:
                return outage
        return None

    def spans_break(self, earlier: Call, later: Call) -> bool:
        """Whether anything was cut between the two calls."""
        seqs = [each.seq for each in self.breaks]
        last = FOREVER if later.answered_seq is None else later.answered_seq
        return bisect_left(seqs, earlier.written_seq) != bisect_left(seqs, last)


def is_real(history: History) -> bool:
    """Whether the target's clock ran by itself."""
    return any(
        isinstance(event, TargetStarted) and event.clock == "real" for event in history.events
    )


def set_back(history: History) -> tuple[Break, ...]:
    """Where the wall clock of a real target was set back: what a service that reads it forgets or
    remembers then cannot be said.

    Slewing by NTP (500 ppm) is no such step.
    """
    return tuple(
        Break(call.written_seq, call.sent_target_ns) for call, by_ns in _steps(history) if by_ns < 0
    )


def clock_steps(history: History, first_call: int) -> int:
    """How often the wall clock of a real target was set, back or forward, from that call on.

    Nobody is accused for a step forward, since both clocks must agree; but a service that reads this
    clock has forgotten too early what it should have remembered, and a trial that saw it proves
    nothing.
    """
    if first_call >= len(history.calls):
        return 0
    since = history.calls[first_call].written_seq
    return sum(call.written_seq > since for call, _ in _steps(history))


def _steps(history: History) -> Iterator[tuple[Call, int]]:
    """Calls before which the wall clock of a real target was set, and by how much."""
    if not is_real(history):
        return
    for before, call in pairwise(history.calls):
        by_ns = _offset_ns(call) - _offset_ns(before)
        elapsed_ns = abs(call.sent_target_ns - before.sent_target_ns)
        if abs(by_ns) > _STEP_NS + elapsed_ns // 1_000:
            yield call, by_ns


def _offset_ns(call: Call) -> int:
    return call.sent_wall_ns - call.sent_target_ns


def timeline_of(promise: RateLimit, history: History) -> Timeline:
    """Cut ``history`` for ``promise``."""
    store = None if promise.store is None else promise.store.dependency
    first_written = min((call.written_seq for call in history.calls), default=FOREVER)
    breaks = [
        Break(event.seq, event.target_ns)
        for event in history.events
        if (isinstance(event, TargetStarted) and event.seq > first_written)
        or (isinstance(event, FaultBegan) and event.dependency == store)
        or (isinstance(event, FaultEnded) and (event.dependency == store or not event.data_kept))
    ]
    breaks = sorted([*breaks, *set_back(history)], key=lambda each: each.seq)
    outages = _outages(history, store)
    return Timeline(tuple(breaks), _eras(promise, breaks, outages), outages)


def _outages(history: History, store: str | None) -> tuple[Outage, ...]:
    outages: list[Outage] = []
    began: FaultBegan | None = None
    for event in history.events:
        if isinstance(event, FaultBegan) and event.dependency == store:
            began = began or event
        elif isinstance(event, FaultEnded) and event.dependency == store and began is not None:
            outages.append(Outage(began.seq, event.seq, began.effect > 0))
            began = None
    if began is not None:
        outages.append(Outage(began.seq, FOREVER, began.effect > 0))
    return tuple(outages)


def _eras(promise: RateLimit, breaks: list[Break], outages: tuple[Outage, ...]) -> tuple[Era, ...]:
    """Between breaks one budget; ``local`` gives each process its own while the store is away.

    After a heal such a process may go on by itself until it tries the store again, nobody knows
    when: from the cut on, all that can be said is that the processes' budgets and the store's
    together were not exceeded.
    """
    seqs = [-1, *(each.seq for each in breaks), FOREVER]
    cuts = {outage.first_seq: outage for outage in outages}
    heals = {outage.last_seq for outage in outages}
    is_local = promise.store is not None and promise.store.when_down == "local"
    eras: list[Era] = []
    for first, last in pairwise(seqs):
        if first not in cuts and not (is_local and first in heals):
            eras.append(Era(first, last, 1))
        elif is_local and first in cuts:
            following = [seq for seq in seqs if seq > cuts[first].last_seq]
            eras.append(Era(first, last, promise.workers))
            eras.append(Era(first, min(following, default=FOREVER), promise.workers + 1))
    return tuple(eras)
