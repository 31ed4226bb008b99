"""Which fault a trial brings, and whether a call really met it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.history import Arrival
from harness.promises.deadline.check import Span
from harness.promises.deadline.reading import Seen, is_ok
from harness.promises.deadline.trials import PROBE

_UNDELIVERED: Final = ("T1 hang", "T2", "T3", "T4", "T7")
"""Trials in which the dependency never delivers, so that the declared form of the answer is due."""
_NO_STATUS: Final = ("T1 hang", "T2 head drips", "T7 all hang")
"""Trials in which no status line comes, or later than any call may last."""
_UNREACHABLE: Final = ("T3", "T4 refused")


def delivers_nothing(trial: str) -> bool:
    """Whether the declared form is due there."""
    return trial.startswith(_UNDELIVERED)


def told_status(trial: str, arrivals: Sequence[Arrival]) -> bool:
    """Whether a dependency's status line came: an operation may need no more than that."""
    return not trial.startswith(_NO_STATUS) and any(
        each.head_target_ns is not None for each in arrivals
    )


def reached(trial: str, seen: Seen, ok: Mapping[str, frozenset[int]]) -> list[int]:
    """The calls that met the fault, as far as the witness and the clock show it."""
    found = []
    for index in seen.group(PROBE):
        span, arrivals = seen.spans[index], seen.arrivals[index]
        if trial.startswith("T3"):
            met = not arrivals and _waited(span)
        elif trial.startswith("T4 refused"):
            met = not arrivals and not _succeeded(seen, index, ok)
        else:
            met = any(_not_delivered(each, span) for each in arrivals)
        if met:
            found.append(index)
    return found


def _waited(span: Span) -> bool:
    """Whether its user had to wait, or waits still: a cache or an open breaker answers at once."""
    return span.ended_ns is None or span.ended_ns > span.sent_ns


def _succeeded(seen: Seen, index: int, ok: Mapping[str, frozenset[int]]) -> bool:
    return seen.spans[index].end == "answered" and is_ok(ok, seen.calls[index])


def _not_delivered(arrival: Arrival, span: Span) -> bool:
    """Held, given up, cut or answered only after some time: whatever the script said, it took time."""
    whole_at_once = arrival.state == "answered" and arrival.ended_target_ns == arrival.target_ns
    return not whole_at_once or span.ended_ns is None


def not_met(trial: str) -> str:
    """The sentence for a fault that no call met."""
    if trial.startswith(_UNREACHABLE):
        return (
            "no call met the fault: it was answered at once, or by a connection that stood before (a "
            "cache, an open breaker, a pool that does not close); an operation that connects would "
            "settle it"
        )
    return (
        "no call reached the dependency while it was disturbed (a cache, or an open breaker); an "
        "operation that asks it each time would settle it"
    )
