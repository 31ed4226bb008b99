"""``circuit_breaker`` as a kind: which trials, what one trial showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.history import Call, History
from harness.plan import Played, Trial
from harness.promises.answer_form import lacking
from harness.promises.base import Surroundings, TrialResult
from harness.promises.circuit_breaker.check import Facts, Search, facts_of, findings
from harness.promises.circuit_breaker.counting import NAME
from harness.promises.circuit_breaker.earned import (
    doubt,
    evidence_of,
    marks_of,
    readable,
    seen_words,
    unearned,
)
from harness.promises.circuit_breaker.numbers import Numbers, rules_of
from harness.promises.circuit_breaker.special import counted, cut_off, in_turn
from harness.promises.circuit_breaker.trials import trials
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.verdict import Finding, Status, Verdict

_SMOKE = ("T1 counting", "T2 opens and recovers", "T3 permits")


class CircuitBreakerKind:
    """A failing dependency is cut off, tried again after a while, and readmitted."""

    name = "circuit_breaker"
    words = CircuitBreaker

    def trials(self, promise: CircuitBreaker, around: Surroundings) -> Sequence[Trial]:
        """The trials that the words make meaningful, on the clock that we have."""
        return trials(promise, around)

    def smoke(self, trial: Trial) -> Trial | None:
        """Opening, recovery and permits; everything else refines them."""
        return trial if trial.name in _SMOKE else None

    def admitted(self, promise: CircuitBreaker, around: Surroundings, call: Call) -> bool | None:
        """By the answer alone: True where it is ok, False where it is the declared refusal."""
        if call.status is None or call.operation not in promise.operation:
            return None
        form = promise.refusal
        if form is not None and lacking(form, call) is None:
            return False
        ok = around.ok.get(call.operation)
        is_ok = call.status in ok if ok else 200 <= call.status < 300
        return True if is_ok else None

    def judge(
        self,
        promise: CircuitBreaker,
        around: Surroundings,
        history: History,
        trial: Trial,
        played: Played,
    ) -> TrialResult:
        """Broken if no reading explains it; kept if it showed all that a healthy breaker shows."""
        facts = facts_of(promise, around, history, trial, played)
        search = Search(facts)
        evidence = evidence_of(facts)
        found = _proved(facts, search) if readable(facts) else []
        marks = frozenset() if trial.name == NAME else marks_of(facts, search)
        if found:
            return TrialResult(trial=trial, verdict=Verdict.broken(found, evidence), marks=marks)
        reason = _doubt(facts, search)
        if reason is None:
            verdict = Verdict.kept("every call was treated as promised", evidence)
        else:
            verdict = Verdict.unknown(f"{trial.name} could not say: {reason}", evidence)
        return TrialResult(trial=trial, verdict=verdict, marks=marks)

    def conclude(self, promise: CircuitBreaker, results: Sequence[TrialResult]) -> Verdict:
        """Kept if nothing is left open and the breaker really opened and closed."""
        evidence: Counter[str] = Counter()
        for result in results:
            evidence.update(result.verdict.evidence)
        evidence["trials"] = sum(result.verdict.status is Status.KEPT for result in results)
        reason = unearned(promise, evidence, results)
        if reason is not None:
            return Verdict.unknown(reason, dict(evidence))
        said = (
            f"opened {evidence['openings']} times on {evidence['failures']} failures, refused "
            f"{evidence['refused']} calls, let {evidence['admitted']} through, in "
            f"{evidence['trials']} trials{seen_words(results)}"
        )
        return Verdict.kept(said, dict(evidence))

    def quiet_ns(self, promise: CircuitBreaker) -> int:
        """Past its recovery, and past every window."""
        n = Numbers(rules_of(promise), frozen=True)
        return max(n.due_ns(), n.forgotten_ns)


def _proved(facts: Facts, search: Search) -> list[Finding]:
    """All findings that a call of this playing completes."""
    if facts.trial.name == NAME:
        return list(counted(facts))
    return [*cut_off(facts), *in_turn(facts), *findings(facts, search)]


def _doubt(facts: Facts, search: Search) -> str | None:
    if facts.trial.name != NAME:
        return doubt(facts, search)
    if facts.played.ended is not None:
        return facts.played.ended
    if not facts.story.rejected:
        return "no call was refused: no worker was seen to open"
    return None
