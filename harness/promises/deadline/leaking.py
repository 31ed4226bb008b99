"""What is left behind: counts of threads, descriptors, connections and processes, and who still serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from harness.history import Call, Resources
from harness.models.leaks import COUNTS, Growth, leak
from harness.models.slots import NEVER
from harness.promises.deadline import sentences
from harness.promises.deadline.reading import Seen
from harness.promises.deadline.trials import AFTER, BEFORE, PROBE
from harness.promises.deadline.words import Deadline, Lasting
from harness.verdict import Finding

_COUNTED: Final[Mapping[str, Callable[[Resources], int]]] = {
    "threads": lambda each: each.threads,
    "descriptors": lambda each: each.descriptors,
    "connections": lambda each: each.connections,
    "processes": lambda each: len(each.pids),
}
_CALLS_BETWEEN: Final = 50
_REACHED_LEAST: Final = 100


def findings(promise: Deadline, seen: Seen) -> Iterator[Finding]:
    """What grows, and that the service serves no more."""
    if len(seen.counts) >= COUNTS and not _replaced(seen.counts[:COUNTS]) and not _waiting(seen):
        for what in _COUNTED:
            yield from _grown(promise, seen, what)
    before, after = _served(seen, BEFORE), _served(seen, AFTER)
    asked = len(seen.group(BEFORE))
    fewer = before == asked and after * 2 < len(seen.group(AFTER))
    if asked and fewer and all(span.exact for span in seen.spans.values()):
        yield Finding(
            half="serves",
            said=sentences.serves(before, after),
            key="all",
            calls=seen.group(AFTER),
            proof={"before": before, "after": after, "of": asked},
        )


def _grown(promise: Deadline, seen: Seen, what: str) -> Iterator[Finding]:
    counts = _series(seen, what)
    found = leak(counts[:COUNTS], _CALLS_BETWEEN, _allowed(promise, what))
    if found.growth is not Growth.ENDLESS:
        return
    after = counts[COUNTS] if len(counts) > COUNTS else None
    yield Finding(
        half="leak",
        said=sentences.grows(what, found, counts[:COUNTS], after),
        key="all",
        calls=seen.group(PROBE),
        proof={"what": what, "a_call": float(found.a_call), "after": after, **counted(seen)},
    )


def doubt(promise: Deadline, seen: Seen, *, breaker: bool) -> str | None:
    """Why the counts say nothing, and what would settle it."""
    if len(seen.counts) < COUNTS:
        return f"resources were counted {len(seen.counts)} times of {COUNTS}"
    if _replaced(seen.counts[:COUNTS]):
        return (
            "a process of the service was replaced meanwhile, which hides what it kept; workers that "
            "are not restarted would settle it"
        )
    if _waiting(seen):
        return (
            f"{_waiting(seen)} calls were still under way when resources were counted: the service does "
            "too little at once; more workers would settle it"
        )
    for what in _COUNTED:
        counts = _series(seen, what)[:COUNTS]
        if leak(counts, _CALLS_BETWEEN, _allowed(promise, what)).growth is Growth.UNDECIDED:
            told = ", ".join(str(each) for each in counts)
            return f"{what} after 0, 50, 100, 150 and 200 calls: {told}; 200 more calls would settle it"
    reached = sum(bool(seen.arrivals[index]) for index in seen.group(PROBE))
    if reached < _REACHED_LEAST and not breaker:
        return (
            f"{reached} of {len(seen.group(PROBE))} calls reached the silent dependency (a cache, or an "
            "open breaker): an operation that asks it each time would settle it"
        )
    return None


def counted(seen: Seen) -> dict[str, Any]:
    """All counts, for a drawing."""
    return {"counts": {what: _series(seen, what) for what in _COUNTED}}


def _series(seen: Seen, what: str) -> list[int]:
    return [_COUNTED[what](each) for each in seen.counts]


def _allowed(promise: Deadline, what: str) -> int:
    return getattr(promise.leaks, what) if isinstance(promise.leaks, Lasting) else 0


def _replaced(counts: Sequence[Resources]) -> bool:
    """Whether a process was there and is not any more."""
    pids = [set(each.pids) for each in counts]
    return any(before - after for before, after in pairwise(pids))


def _waiting(seen: Seen) -> int:
    """Calls that had not ended when resources were counted, which hold some themselves."""
    counted_ns = [each.at_ns for each in seen.counts[:COUNTS]]
    calls = [seen.calls[index] for index in seen.group(PROBE)]
    return sum(
        any(call.written_ns < at_ns < _ended_ns(call) for at_ns in counted_ns) for call in calls
    )


def _ended_ns(call: Call) -> int:
    return NEVER if call.ended_ns is None else call.ended_ns


def _served(seen: Seen, group: str) -> int:
    return sum(index in seen.serving for index in seen.group(group))
