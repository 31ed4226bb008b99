"""Whether a trial without a finding says anything: what was counted, and the first doubt."""

from __future__ import annotations

from collections import Counter
from typing import Final

from harness.plan import Trial
from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.check import doubt
from harness.promises.concurrency_limit.scene import Scene
from harness.promises.concurrency_limit.trials import BURSTS
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.units import number_of

_ROUNDS_LEAST: Final = 5
_WAYS: Final = {
    "T6 ok": "ok",
    "T6 error": "error",
    "T6 reset": "reset",
    "T6 client gone": "client gone",
    "T6 timeout": "timeout",
    "T6 killed": "holder killed",
}


def counted(trial: Trial, seen: Scene) -> Counter[str]:
    """What this playing showed, in numbers."""
    own = {visit.call for visit in seen.visits}
    levels = seen.book.levels
    found = Counter(calls=len(own))
    found["refused"] = sum(visit.end == "refused" for visit in seen.visits)
    found["waited"] = len({v.call for level in levels for v in level.waiting if v.call in own})
    found["full"] = sum(len(crowd) for crowd in _full_by_round(seen).values())
    found["lost"] = sum(visit.end == "lost" for visit in seen.visits)
    for visit in seen.visits:
        if visit.stays and visit.ended_ns is not None and visit.end != "lost":
            found[f"ended {visit.way}"] += 1
        elif visit.stays and visit.way == "holder killed":
            found["ended holder killed"] += 1
    found["left waiting"] = sum(
        v.end == "left" and v.entered_ns > (v.ended_ns or 0) for v in seen.visits
    )
    if trial.name.startswith("T7"):
        found["bursts"] = len(_full_by_round(seen))
    return found


def _full_by_round(seen: Scene) -> dict[str, list[int]]:
    """By group, the instants at which one of its calls made the limit full."""
    own = {visit.call: visit.label for visit in seen.visits}
    rounds: dict[str, list[int]] = {}
    for full in seen.book.full.values():
        for crowd in full:
            if len(crowd.visits) == seen.book.terms.limit:
                label = max((own[v.call] for v in crowd.visits if v.call in own), default="")
                rounds.setdefault(label, []).append(crowd.at_ns)
    return rounds


def marks_of(
    promise: ConcurrencyLimit, around: Surroundings, evidence: Counter[str]
) -> frozenset[str]:
    """What this trial showed that some trial must have shown."""
    marks = {"full"} if evidence["full"] else set()
    if promise.workers > 1:
        serving = around.serving
        marks.add("workers unseen" if serving is None else f"workers {min(serving, 2)}")
    return frozenset(marks)


def unconvincing(
    promise: ConcurrencyLimit, trial: Trial, seen: Scene, evidence: Counter[str]
) -> str | None:
    """The first reason why a trial that accuses nobody proves nothing, and what would settle it."""
    if seen.untold is not None:
        return seen.untold
    if trial.name.startswith("T1"):
        return _narrow(seen)
    if not any(visit.stays for visit in seen.visits):
        return (
            "no call reached the dependency: see what the operation does, and that no cache answers"
        )
    if not seen.book.rests.all:
        return (
            "the target was not seen at rest, and who waits cannot be told from who is on the way; "
            "a held clock would settle it"
        )
    if seen.strange:
        ways = Counter(seen.strange.values()).most_common(1)[0][0]
        return (
            f"{number_of(len(seen.strange), 'call was', 'calls were')} {ways}, though nothing reached the "
            "dependency; `rejected` "
            "must say what a refusal looks like, and nothing else may answer so"
        )
    if evidence["lost"] and "killed" not in trial.name:
        return f"the connection of {number_of(evidence['lost'], 'call')} was lost"
    narrow = doubt(seen.book)
    if narrow is not None:
        return narrow
    if not evidence["full"]:
        inside = number_of(promise.limit, "call")
        return f"{inside} {'was' if promise.limit == 1 else 'were'} never inside at once"
    return _purpose(promise, trial, evidence)


def _narrow(seen: Scene) -> str | None:
    if seen.control is None:
        return "the operation without this limit was not under way often enough at once"
    return doubt(seen.book) if seen.book.narrow else None


def _purpose(promise: ConcurrencyLimit, trial: Trial, evidence: Counter[str]) -> str | None:
    """Whether what the trial is for has happened often enough."""
    way = _WAYS.get(trial.name)
    if way is not None and evidence[f"ended {way}"] < _ROUNDS_LEAST:
        if way == "timeout":
            return "the service gave up on no call by itself"
        ended = number_of(evidence[f"ended {way}"], "call")
        return f"{ended} ended by {way}, where {_ROUNDS_LEAST} are needed"
    if trial.name.startswith("T5") and promise.queue and evidence["left waiting"] < _ROUNDS_LEAST:
        left = number_of(evidence["left waiting"], "caller")
        return f"{left} left while waiting, where {_ROUNDS_LEAST} are needed"
    if trial.name.startswith("T8") and not evidence["refused"]:
        return (
            "nobody waited so long: those who wait get in before, as calls end by the service's own "
            "timeout; a shorter `queue_timeout` would settle it"
        )
    if trial.name.startswith("T7") and evidence["bursts"] < BURSTS:
        inside = number_of(promise.limit, "call")
        return f"only {evidence['bursts']} of {BURSTS} bursts had {inside} inside at once"
    return None
