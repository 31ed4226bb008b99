"""``concurrency_limit`` as a kind: which trials, what one showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.history import Call, History
from harness.plan import Played, Trial
from harness.promises.base import LEFT_OUT, Surroundings, TrialResult
from harness.promises.concurrency_limit import sentences
from harness.promises.concurrency_limit.book import Break
from harness.promises.concurrency_limit.check import breaks
from harness.promises.concurrency_limit.conclusive import counted, marks_of, unconvincing
from harness.promises.concurrency_limit.proof import proof
from harness.promises.concurrency_limit.reading import is_refusal
from harness.promises.concurrency_limit.scene import Scene, scene
from harness.promises.concurrency_limit.trials import CONTROL, trials
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.units import NS_PER_S
from harness.verdict import Finding, Status, Verdict

_SMOKE: Final = ("T1 control", "T2 saturate", "T3 keys", "T6 error")
_SHOWN_MOST: Final = 8


class ConcurrencyLimitKind:
    """At most N calls at once for each key, a queue of so many, the rest refused."""

    name = "concurrency_limit"
    words = ConcurrencyLimit

    def trials(self, promise: ConcurrencyLimit, around: Surroundings) -> Sequence[Trial]:
        """The trials of the declared words."""
        return trials(promise, around)

    def smoke(self, trial: Trial) -> Trial | None:
        """The counts, the keys, and slots that are lost on errors."""
        return trial if trial.name in _SMOKE else None

    def admitted(self, promise: ConcurrencyLimit, around: Surroundings, call: Call) -> bool | None:
        """By the answer alone: a refusal in the declared form, a success, or neither."""
        if call.status is None:
            return None
        if is_refusal(promise, around.ok, call):
            return False
        ok = around.ok.get(call.operation)
        return True if (call.status in ok if ok else 200 <= call.status < 300) else None

    def judge(
        self,
        promise: ConcurrencyLimit,
        around: Surroundings,
        history: History,
        trial: Trial,
        played: Played,
    ) -> TrialResult:
        """Broken by proof; kept if the limit was met and every step could be told; else unknown."""
        seen = scene(promise, around, history, trial, played)
        evidence = counted(trial, seen)
        told = seen.untold is None and not _is_control(trial)
        findings = _findings(promise, around, seen) if told else []
        if findings:
            return TrialResult(trial=trial, verdict=Verdict.broken(findings, evidence))
        reason = played.ended or unconvincing(promise, trial, seen, evidence)
        if reason is None:
            verdict = Verdict.kept("so many inside, so many waiting, as promised", evidence)
        else:
            verdict = Verdict.unknown(f"{trial.name} could not say: {reason}", evidence)
        again = bool(evidence["lost"]) and "killed" not in trial.name
        return TrialResult(
            trial=trial, verdict=verdict, again=again, marks=marks_of(promise, around, evidence)
        )

    def conclude(self, promise: ConcurrencyLimit, results: Sequence[TrialResult]) -> Verdict:
        """Kept if nothing needed is left open, the limit was reached and somebody was kept out."""
        evidence: Counter[str] = Counter()
        for result in results:
            evidence.update(result.verdict.evidence)
        evidence["trials"] = sum(result.verdict.status is Status.KEPT for result in results)
        doubt = _doubt(promise, evidence, results)
        if doubt is not None:
            return Verdict.unknown(doubt, dict(evidence))
        ways = [
            f"{evidence[way]} by {way.removeprefix('ended ')}" for way in evidence if way in _WAYS
        ]
        said = (
            f"{promise.limit} inside was reached {evidence['full']} times and never passed; "
            f"{evidence['refused']} calls refused, {evidence['waited']} waited; ended: "
            f"{', '.join(ways)}; {evidence['bursts']} bursts"
        )
        return Verdict.kept(said, dict(evidence))

    def quiet_ns(self, promise: ConcurrencyLimit) -> int:
        """Nothing is remembered of calls that have ended; who waits may do so for its time."""
        return max(NS_PER_S, promise.queue_timeout or 0)


_WAYS: Final = tuple(
    f"ended {way}" for way in ("ok", "error", "reset", "client gone", "timeout", "holder killed")
)


def _is_control(trial: Trial) -> bool:
    return any(getattr(step, "group", None) == CONTROL for step in trial.steps)


def _findings(promise: ConcurrencyLimit, around: Surroundings, seen: Scene) -> list[Finding]:
    own = {visit.call for visit in seen.visits}
    found = [
        each
        for each in breaks(seen.book)
        if each.at_ns <= seen.to_ns and any(visit.call in own for visit in each.visits)
    ]
    shown: Counter[str] = Counter()
    findings = []
    for each in found:
        shown[each.half] += 1
        if shown[each.half] <= _SHOWN_MOST:
            findings.append(_finding(promise, seen, each))
    return findings or _wrong_form(promise, around, seen)


def _finding(promise: ConcurrencyLimit, seen: Scene, found: Break) -> Finding:
    rests = seen.book.rests.all
    begun_ns = rests[0].target_ns if rests else 0
    then_ns = next((rest.target_ns for rest in rests if rest.at_ns >= found.at_ns), begun_ns)
    return Finding(
        half=found.half,
        said=sentences.told(
            found, seen.book.terms, workers=promise.workers, elapsed_ns=then_ns - begun_ns
        ),
        key=found.key,
        calls=tuple(visit.call for visit in found.visits),
        proof=proof(seen, found),
    )


def _wrong_form(promise: ConcurrencyLimit, around: Surroundings, seen: Scene) -> list[Finding]:
    """Calls that came when all was full, got an answer at once, and not the declared refusal."""
    if promise.rejected is None or not seen.strange or seen.book.rivals:
        return []
    for other in around.promises:
        if other.id != promise.id and set(other.operation) & set(promise.operation):
            return []
    proved = seen.beyond_limit()
    if len(proved) < _PROVED_BY:
        return []
    first = proved[0]
    return [
        Finding(
            half="form",
            said=sentences.wrong_form(
                first.way, len(proved), promise.limit, promise.rejected.statuses
            ),
            key=first.key,
            calls=tuple(visit.call for visit in proved),
            proof={"limit": promise.limit, "answered": first.way},
        )
    ]


_PROVED_BY: Final = 3
"""So many calls over the limit with another answer prove that it is the service's habit."""


def _doubt(
    promise: ConcurrencyLimit, evidence: Mapping[str, int], results: Sequence[TrialResult]
) -> str | None:
    """The first reason why *kept* is not earned."""
    for result in results:
        if result.trial.needed and result.verdict.status is Status.UNKNOWN:
            return result.verdict.reason
    if not evidence["full"]:
        return f"{promise.limit} calls were never inside at once"
    if not evidence["refused"] and not evidence["waited"]:
        return "nobody was ever refused or seen to wait"
    if any(result.trial.cannot == LEFT_OUT for result in results) or promise.workers == 1:
        return None
    marks = {mark for result in results for mark in result.marks}
    if "workers 2" in marks:
        return None
    if "workers unseen" in marks:
        return (
            f"{promise.workers} workers are declared, and the processes of this target cannot be "
            "seen; a target that is started by its command would settle it"
        )
    return (
        f"one worker seen: {promise.workers} are declared, and all calls were served by one process; "
        "see that the target starts them all and that they share its port"
    )
