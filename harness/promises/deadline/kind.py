"""``deadline`` as a kind: which trials, what one showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.history import Call, History
from harness.plan import Played, Trial
from harness.promises.base import LEFT_OUT, NOT_NEEDED, Surroundings, TrialResult
from harness.promises.deadline.case import Case
from harness.promises.deadline.faults import reached
from harness.promises.deadline.reading import is_ok, read
from harness.promises.deadline.trials import LEAKS, trials
from harness.promises.deadline.words import Deadline
from harness.units import NS_PER_S, format_duration
from harness.verdict import Status, Verdict

_SMOKE: Final = ("T1 hang", "T2 body drips", "T5 late 0.45")
_FORGOTTEN_NS: Final = 60 * NS_PER_S


class DeadlineKind:
    """Answers within D whatever its dependencies do, and keeps nothing of the calls that failed."""

    name = "deadline"
    words = Deadline

    def trials(self, promise: Deadline, around: Surroundings) -> Sequence[Trial]:
        """The trials of the declared words."""
        return trials(promise, around)

    def smoke(self, trial: Trial) -> Trial | None:
        """Silence, one byte at a time, and attempts that add up."""
        return trial if trial.name.startswith(_SMOKE) else None

    def admitted(
        self,
        promise: Deadline,  # noqa: ARG002 (any success is one)
        around: Surroundings,
        call: Call,
    ) -> bool | None:
        """True for a success, False for any other answer."""
        return None if call.status is None else is_ok(around.ok, call)

    def judge(
        self,
        promise: Deadline,
        around: Surroundings,
        history: History,
        trial: Trial,
        played: Played,
    ) -> TrialResult:
        """Broken by proof; kept if the fault was met and every call could be told; else unknown."""
        seen = read(around, history, played)
        met = reached(trial.name, seen, around.ok)
        case = Case(promise, around, trial, seen, met)
        found, doubts = case.findings()
        evidence = Counter(calls=len(seen.calls), met=len(met), counts=len(seen.counts))
        if found:
            return TrialResult(trial=trial, verdict=Verdict.broken(found, evidence))
        reason = played.ended or next(iter(doubts), None) or case.unconvincing()
        if reason is None:
            verdict = Verdict.kept("every call was answered in time", evidence)
        else:
            verdict = Verdict.unknown(f"{trial.name} could not say: {reason}", evidence)
        told = reason is None and case.counts
        marks = frozenset({f"{LEAKS} {trial.name}"}) if told else frozenset[str]()
        return TrialResult(trial=trial, verdict=verdict, marks=marks)

    def conclude(self, promise: Deadline, results: Sequence[TrialResult]) -> Verdict:
        """Kept if nothing needed is left open, and calls met the faults."""
        evidence: Counter[str] = Counter()
        for result in results:
            evidence.update(result.verdict.evidence)
        evidence["trials"] = sum(result.verdict.status is Status.KEPT for result in results)
        doubt = _doubt(evidence, results)
        if doubt is not None:
            return Verdict.unknown(doubt, dict(evidence))
        said = (
            f"{evidence['calls']} calls answered within {format_duration(promise.within)}, "
            f"{evidence['met']} of them while a dependency failed them, in {evidence['trials']} trials; "
            f"resources counted {evidence['counts']} times"
        )
        return Verdict.kept(said, dict(evidence))

    def quiet_ns(self, promise: Deadline) -> int:
        """Longer than any timer that a call may have left behind."""
        return max(_FORGOTTEN_NS, 2 * promise.within)


def _doubt(evidence: Mapping[str, int], results: Sequence[TrialResult]) -> str | None:
    """The first reason why *kept* is not earned."""
    for result in results:
        spared = result.trial.cannot in (LEFT_OUT, NOT_NEEDED)
        if result.trial.needed and not spared and result.verdict.status is Status.UNKNOWN:
            return result.verdict.reason
    return None if evidence["met"] else "no call met a fault of a dependency"
