"""``rate_limit`` as a kind: which trials, what one trial showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.history import Call, FaultBegan, History
from harness.plan import Expect, Played, Send, Trial, Wait
from harness.promises.base import Surroundings, TrialResult
from harness.promises.rate_limit.check import Judgement, Letter, Setting, judge
from harness.promises.rate_limit.numbers import Scene, quiet_ns, smallest
from harness.promises.rate_limit.trials import trials
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS
from harness.verdict import Status, Verdict

_REAL_BURST_NS = 200 * NS_PER_MS
_SMOKE = ("T1 edge", "T1b edge", "T3 concurrent")
_SMOKE_CALLS = 600
_STORE = "T9 store"


class RateLimitKind:
    """At most N calls per window and key; who is over is told so."""

    name = "rate_limit"
    words = RateLimit

    def trials(self, promise: RateLimit, around: Surroundings) -> Sequence[Trial]:
        """The trials of the declared words, on the clock that we have."""
        proxies = promise.trusted_proxies
        scene = Scene(
            frozen=around.frozen,
            margin_ns=_margin_ns(promise, around),
            per_caller=_per_caller(promise, around),
            proxy=bool(proxies) and around.can_call_from(proxies[0]),
            rng=around.rng,
            workers=around.workers,
        )
        return trials(promise, scene)

    def smoke(self, trial: Trial) -> Trial | None:
        """The limit's edge and calls at the same moment; the form is judged in every trial."""
        if trial.name not in _SMOKE:
            return None
        return trial if trial.calls <= _SMOKE_CALLS else _shortened(trial)

    def admitted(self, promise: RateLimit, around: Surroundings, call: Call) -> bool | None:
        """A status of ``ok`` is in; the declared status and any 429 is refused."""
        if call.status is None:
            return None
        if call.status in (promise.exceeded.status, 429):
            return False
        ok = around.ok.get(call.operation, frozenset())
        return True if call.status in ok or (not ok and 200 <= call.status < 300) else None

    def judge(
        self,
        promise: RateLimit,
        around: Surroundings,
        history: History,
        trial: Trial,
        played: Played,
    ) -> TrialResult:
        """Broken by proof; kept if every step answered as a healthy target does; else unknown."""
        setting = Setting(ok=around.ok, others=_others(promise, around), workers=around.workers)
        own = {index for calls in played.steps for index in calls}
        said = judge(promise, history, setting, first_call=played.first_call, own=own)
        evidence = dict(said.evidence)
        evidence["faults"] = sum(
            isinstance(event, FaultBegan) and event.effect > 0 for event in history.events
        )
        marks = frozenset({"full_cap"} if said.full_cap else ())
        findings = [finding for finding in said.findings if own.intersection(finding.calls)]
        if findings:
            verdict = Verdict.broken(findings, evidence)
            return TrialResult(trial=trial, verdict=verdict, marks=marks)
        reason, again = _doubt(trial, played, said)
        if reason is None:
            verdict = Verdict.kept("every step was answered as promised", evidence)
        else:
            verdict = Verdict.unknown(f"{trial.name} could not say: {reason}", evidence)
        return TrialResult(trial=trial, verdict=verdict, again=again, marks=marks)

    def conclude(self, promise: RateLimit, results: Sequence[TrialResult]) -> Verdict:
        """Kept if nothing is left open and the limit was really met; else the first doubt."""
        evidence: Counter[str] = Counter()
        for result in results:
            evidence.update(result.verdict.evidence)
        evidence["trials"] = sum(result.verdict.status is Status.KEPT for result in results)
        doubt = _vacuous(promise, evidence, results)
        if doubt is None:
            said = (
                f"{evidence['admitted']} calls admitted, {evidence['over_refused']} over the limit "
                f"refused as declared, {evidence['readmitted']} readmitted, in "
                f"{evidence['trials']} trials"
            )
            return Verdict.kept(said, dict(evidence))
        return Verdict.unknown(doubt, dict(evidence))

    def quiet_ns(self, promise: RateLimit) -> int:
        """Twice the longest window, or twice the time in which the bucket fills."""
        return quiet_ns(promise)


def _shortened(trial: Trial) -> Trial:
    """After its last wait one call instead of a whole limit: that it is admitted again."""
    waits = [number for number, step in enumerate(trial.steps) if isinstance(step, Wait)]
    rest = trial.steps[waits[-1] + 1 :] if waits else ()
    if not rest or not isinstance(rest[0], Send):
        return trial
    again = replace(rest[0], times=1, expect=rest[0].expect and Expect.exactly(1))
    return replace(trial, steps=(*trial.steps[: waits[-1] + 1], again))


def _vacuous(
    promise: RateLimit, evidence: Counter[str], results: Sequence[TrialResult]
) -> str | None:
    """The first reason why *kept* is not earned."""
    if not evidence["calls"]:
        return _first_doubt(results) or "no call was made"
    if not evidence["refused"]:
        return (
            "no call was ever refused: the limit was not reached (an operation without a limit, "
            "answers from a cache, or calls that are delayed instead)"
        )
    if not evidence["admitted"]:
        return "no call was ever admitted: check the operation and its identity"
    doubt = _first_doubt(results)
    if doubt is not None:
        return doubt
    if not evidence["over_refused"]:
        return "no call over the limit was refused in the declared form"
    if not any("full_cap" in result.marks for result in results):
        return "the full limit was never admitted within one window"
    if not evidence["readmitted"]:
        return "no caller was seen to be admitted again after a refusal"
    left_out = {result.trial.name for result in results if not result.trial.needed}
    if promise.store is not None and _STORE not in left_out and not evidence["faults"]:
        return f"the outage of {promise.store.dependency} was not counted"
    return None


def _first_doubt(results: Sequence[TrialResult]) -> str | None:
    for result in results:
        if result.trial.needed and result.verdict.status is Status.UNKNOWN:
            return result.verdict.reason
    return None


def _doubt(trial: Trial, played: Played, said: Judgement) -> tuple[str | None, bool]:
    """Why a trial without a finding proves nothing, and whether another try may help."""
    if played.ended is not None:
        return played.ended, False
    if said.evidence["clock_set_back"]:
        return "the wall clock of this machine was set back meanwhile; verify again", True
    if said.margin_exceeded:
        return (
            _too_wide(said),
            True,
        )
    for number, (step, calls) in enumerate(zip(trial.steps, played.steps, strict=True), start=1):
        if not isinstance(step, Send):
            continue
        letters = Counter(_letter(said, index) for index in calls)
        if letters[Letter.L]:
            return f"step {number} lost the answer of {letters[Letter.L]} calls", True
        if step.expect is not None and not _as_expected(step.expect, letters):
            return _unexpected(number, step, step.expect, letters), bool(letters[Letter.O])
    return None, False


def _too_wide(said: Judgement) -> str:
    return (
        f"a call took {said.widest_ns / NS_PER_MS:.0f} ms, too wide for this limit; "
        "a held clock or a quieter machine would settle it"
    )


def _letter(said: Judgement, index: int) -> Letter:
    reading = said.readings[index]
    return Letter.O if reading is None else reading.letter


def _as_expected(expect: Expect, letters: Counter[Letter]) -> bool:
    return expect.least <= letters[Letter.A] <= expect.most and not letters[Letter.O]


def _unexpected(number: int, step: Send, expect: Expect, letters: Counter[Letter]) -> str:
    most = f" to {expect.most}" if expect.most > expect.least else ""
    other = f", {letters[Letter.O]} answered neither way" if letters[Letter.O] else ""
    return (
        f"step {number} made {step.times} calls of which {expect.least}{most} should be admitted; "
        f"{letters[Letter.A]} were, {letters[Letter.R]} refused{other}"
    )


def _others(promise: RateLimit, around: Surroundings) -> tuple[RateLimit, ...]:
    """The promises whose budgets may refuse a call rightly; the same budget said twice is no other."""
    return tuple(
        other
        for other in around.promises
        if isinstance(other, RateLimit)
        and other.id != promise.id
        and _budget(other) != _budget(promise)
    )


def _budget(promise: RateLimit) -> tuple[object, ...]:
    """All that a limiter could tell two promises apart by."""
    words = promise.model_dump(exclude={"id", "says", "store", "operation"})
    return frozenset(promise.operation), *words.items()


def _per_caller(promise: RateLimit, around: Surroundings) -> int | None:
    """How many calls one client may make at once without meeting another promise's limit."""
    if promise.key != "global":
        return None
    rooms = [
        other.burst - 1 if other.burst is not None else smallest(other.limit)
        for other in _others(promise, around)
        if other.key != "global" and set(other.operation) & set(promise.operation)
    ]
    return max(1, min(rooms)) if rooms else None


def _margin_ns(promise: RateLimit, around: Surroundings) -> int:
    """``m`` of section 3: 2g, and on a running clock as long as a burst may well take."""
    if around.frozen:
        return 2 * promise.granularity
    rate = min(promise.limit, key=lambda limit: limit.window_ns)
    if promise.burst is not None:
        return 2 * promise.granularity + min(_REAL_BURST_NS, rate.window_ns // (10 * rate.count))
    room_ns = rate.window_ns // (2 * (rate.count + 4))
    return 2 * promise.granularity + min(_REAL_BURST_NS, room_ns)
