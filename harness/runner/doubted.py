"""What a promise says while a process is hurt: only of the faults that its kind has words for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.faults.process import TARGET, whose
from harness.history import FaultBegan, History
from harness.plan import Played
from harness.verdict import Finding, Status, Verdict

_MEANT: Final[Mapping[str, frozenset[tuple[bool, str]]]] = {
    "rate_limit": frozenset({(True, "killed"), (True, "paused"), (False, "killed")}),
    "deadline": frozenset({(False, "killed"), (False, "paused")}),
}
"""By kind: of which faults, of the service itself (True) or of a store, it says what is promised.

A limit knows what a restart forgets, and a stopped service admits nobody; it says what the loss of a
store means, but not what one means that is short of something. A deadline is promised whatever becomes
of a store. To accuse under any other fault would be to accuse of what nobody promised.
"""


def doubted(kind: str, history: History, played: Played, verdict: Verdict) -> Verdict:
    """The verdict of a playing, without findings that a fault may explain of which the kind says nothing.

    Args:
        kind: name of the promise's kind.
        history: of the playing.
        played: the playing.
        verdict: of its checker.
    """
    if verdict.status is not Status.BROKEN or not played.at_ns:
        return verdict
    meant = _MEANT.get(kind, frozenset())
    others = [
        event
        for event in history.events
        if isinstance(event, FaultBegan)
        and event.name
        and event.at_ns >= played.at_ns[0]
        and (event.dependency == TARGET, event.fault) not in meant
    ]
    if not others:
        return verdict
    sound = [each for each in verdict.findings if _end_ns(each, history) < others[0].at_ns]
    if sound:
        return Verdict.broken(sound, verdict.evidence)
    return Verdict.unknown(
        f"{verdict.reason}; but {whose(others[0].dependency)} was {others[0].fault} by then, and a "
        f"promise of the kind {kind} does not say what holds then",
        verdict.evidence,
    )


def _end_ns(finding: Finding, history: History) -> int:
    """When the last of its calls had ended; one that names none may be about anything."""
    calls = [history.calls[index] for index in finding.calls]
    ends = [1 << 62 if call.ended_ns is None else call.ended_ns for call in calls]
    return max(ends, default=1 << 62)
