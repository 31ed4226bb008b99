"""When each call can have taken effect, on each time axis that must agree before anybody is accused."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from harness.history import History, TargetStarted
from harness.models.intervals import FOREVER, Interval
from harness.promises.rate_limit.eras import is_real, set_back

Spans = tuple[tuple[Interval, ...], ...]


def spans_of(history: History) -> Spans:
    """The interval of each call on each axis: target time, and where it is real also its wall clock.

    A call without an answer is bounded by the next restart of the target only. On a wall clock that
    was set back nothing from before ever ends; an interval that this turned round is widened.
    """
    restarts = [(each.seq, each.target_ns) for each in starts(history)]
    seqs = [seq for seq, _ in restarts]
    last_step = max((each.seq for each in set_back(history)), default=-1)
    target, wall = [], []
    for index, call in enumerate(history.calls):
        order, end = (call.written_seq, FOREVER), call.answered_target_ns
        if call.status is not None and call.answered_seq is not None:
            order = (call.written_seq, call.answered_seq)
        elif end is None:
            rank = bisect_right(seqs, call.written_seq)
            end = restarts[rank][1] if rank < len(restarts) else FOREVER
        wall_end = None if call.written_seq < last_step else call.answered_wall_ns
        target.append(_interval(call.sent_target_ns, end, order, index))
        wall.append(_interval(call.sent_wall_ns, wall_end, order, index))
    return (tuple(target), tuple(wall)) if is_real(history) else (tuple(target),)


def _interval(start: int, end: int | None, order: tuple[int, int], index: int) -> Interval:
    last = FOREVER if end is None else end
    return Interval(min(start, last), max(start, last), *order, index)


def starts(history: History) -> Iterable[TargetStarted]:
    """When the target came up."""
    return (event for event in history.events if isinstance(event, TargetStarted))
