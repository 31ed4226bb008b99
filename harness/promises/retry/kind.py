"""``retry`` as a kind: which trials, what one trial showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.contract.request import method_and_path
from harness.history import Call, History
from harness.plan import Played, Trial
from harness.promises.base import Surroundings, TrialResult
from harness.promises.retry.attempts import Tries
from harness.promises.retry.doubts import doubt, marks, unearned, unexercised
from harness.promises.retry.judgement import Judgement, judged
from harness.promises.retry.reading import read
from harness.promises.retry.rules import Case
from harness.promises.retry.scene import Scene
from harness.promises.retry.sharing import sharing
from harness.promises.retry.trials import trials
from harness.promises.retry.words import Retry
from harness.units import NS_PER_S
from harness.verdict import Status, Verdict

_SMOKE = ("T1", "T5 waits", "T5 48", "T5 spread 1")


class RetryKind:
    """Failed calls are repeated as often, as late and only where declared."""

    name = "retry"
    words = Retry

    def trials(self, promise: Retry, around: Surroundings) -> Sequence[Trial]:
        """The trials of the declared words; one that cannot be played where no witness is used."""
        dependency = dependency_of(promise, around)
        if isinstance(dependency, Nowhere):
            return (Trial(name="T1 always", purpose="", steps=(), cannot=dependency.why),)
        scene = Scene(
            breaking=sharing(promise, dependency, around).breaking,
            promise=promise,
            dependency=dependency,
            operations=[
                (name, method_and_path(around.operations[name].call)[0])
                for name in promise.operation
            ],
            frozen=around.frozen,
        )
        return tuple(trials(scene))

    def smoke(self, trial: Trial) -> Trial | None:
        """How often and how late, and the law of the waits by its first sample."""
        return trial if trial.name.startswith(_SMOKE) else None

    def admitted(
        self,
        promise: Retry,  # noqa: ARG002
        around: Surroundings,
        call: Call,
    ) -> bool | None:
        """True: answered as callers want it; False: with a failure; None: not at all."""
        if call.status is None:
            return None
        ok = around.ok.get(call.operation)
        return call.status in ok if ok else 200 <= call.status < 300

    def judge(
        self, promise: Retry, around: Surroundings, history: History, trial: Trial, played: Played
    ) -> TrialResult:
        """Broken by proof; kept if the trial showed what it was to show; else unknown."""
        dependency = dependency_of(promise, around)
        if isinstance(dependency, Nowhere):
            return TrialResult(trial=trial, verdict=Verdict.unknown(dependency.why))
        seen = read(promise, history, played, dependency, around.ok)
        shares = sharing(promise, dependency, around)
        case = Case(
            promise,
            tuple(_due(tries, shares.within_ns) for tries in seen.tries),
            "frozen" if around.frozen else "real",
            keys_given=_keys_given(promise, around),
            shared_ns=tuple(arrival.target_ns for arrival in seen.shared),
            loose_ns=seen.loose_ns,
            background=seen.background,
            sharing=shares,
        )
        said = judged(case, trial, played)
        shown = marks(seen, trial, said)
        # Whoever asks while nobody calls asks during calls, too: what is told by time may be its own.
        if said.findings and not (seen.by_time and seen.strays):
            verdict = Verdict.broken(said.findings, said.evidence)
            return TrialResult(trial=trial, verdict=verdict, marks=shown)
        reason = doubt(case, seen, trial, played, said)
        if reason is None:
            verdict = Verdict.kept(_kept(said), said.evidence)
        else:
            verdict = Verdict.unknown(f"{trial.name} could not say: {reason}", said.evidence)
        return TrialResult(trial=trial, verdict=verdict, marks=shown)

    def conclude(self, promise: Retry, results: Sequence[TrialResult]) -> Verdict:
        """Kept if calls were repeated, the law of their waits is shown, and nothing is left open."""
        evidence: Counter[str] = Counter()
        for result in results:
            evidence.update(result.verdict.evidence)
        evidence["trials"] = sum(result.verdict.status is Status.KEPT for result in results)
        open_ = unearned(promise, evidence, results)
        if open_ is not None:
            return Verdict.unknown(open_, dict(evidence))
        said = (
            f"{evidence['attempts']} attempts of {evidence['calls']} calls, {evidence['repeated']} of "
            f"them repeated, in {evidence['trials']} trials"
        )
        left = unexercised(promise, evidence)
        return Verdict.kept(f"{said}{'; not exercised: ' if left else ''}{left}", dict(evidence))

    def quiet_ns(self, promise: Retry) -> int:
        """A budget remembers; the waits of a call do not outlive its trial."""
        return (0 if promise.budget is None else promise.budget.over) + NS_PER_S


def _due(tries: Tries, within_ns: int | None) -> Tries:
    """With the time by which its caller is promised an answer."""
    return tries if within_ns is None else replace(tries, deadline_ns=tries.sent_ns + within_ns)


class Nowhere:
    """There is no witness to look from."""

    def __init__(self, why: str) -> None:
        self.why = why


def dependency_of(promise: Retry, around: Surroundings) -> str | Nowhere:
    """The witness whose requests are attempts."""
    used = dict.fromkeys(
        name
        for operation in promise.operation
        if operation in around.operations
        for name in around.operations[operation].uses
        if name in around.dependencies and around.dependencies[name].kind == "witness"
    )
    if promise.dependency is not None:
        if promise.dependency in used:
            return promise.dependency
        return Nowhere(
            f"no operation of {promise.id} uses a witness `{promise.dependency}`: retries are counted "
            f"where they arrive; add `uses: [{promise.dependency}]` to the operation"
        )
    if len(used) == 1:
        return next(iter(used))
    if not used:
        return Nowhere(
            f"no operation of {promise.id} uses a witness, and retries are counted where they arrive; "
            "add a dependency of `kind: witness`, and `uses: [NAME]` to the operation"
        )
    return Nowhere(
        f"several witnesses are used ({', '.join(used)}); say which with `dependency: NAME`"
    )


def _keys_given(promise: Retry, around: Surroundings) -> bool:
    """Whether the contract's own calls carry the idempotency key."""
    name = (promise.idempotency_key or "").lower()
    return any(
        header.lower() == name
        for operation in promise.operation
        if operation in around.operations
        for header in around.operations[operation].headers
    )


def _kept(said: Judgement) -> str:
    law = said.look
    if law is not None and law.calls:
        left = sorted({k for reading in law.readings for k in reading.left_out})
        named = f"; not shown: wait {', '.join(map(str, left))}" if left else ""
        return f"the waits of {law.calls} calls follow the declared law{named}"
    return "every call was repeated as promised"
