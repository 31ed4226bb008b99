"""``rate_limit`` as a kind: which trials, what one trial showed, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.history import Call, FaultBegan, History
from harness.plan import Expect, Phase, Played, Send, Trial, Wait, WaitAdvised
from harness.promises.base import Surroundings, TrialResult
from harness.promises.rate_limit.check import Judgement, Letter, Setting, judge
from harness.promises.rate_limit.earned import unearned
from harness.promises.rate_limit.numbers import Scene, quiet_ns, smallest
from harness.promises.rate_limit.reading import letter_of
from harness.promises.rate_limit.trials import trials
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS
from harness.verdict import Status, Verdict

_REAL_BURST_NS = 200 * NS_PER_MS
_SMOKE = ("T1 edge", "T1b edge", "T3 concurrent")
_SMOKE_CALLS = 600


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
        )
        return trials(promise, scene)

    def smoke(self, trial: Trial) -> Trial | None:
        """The limit's edge and calls at the same moment; the form is judged in every trial."""
        if trial.name not in _SMOKE:
            return None
        return trial if trial.calls <= _SMOKE_CALLS else _shortened(trial)

    def admitted(self, promise: RateLimit, around: Surroundings, call: Call) -> bool | None:
        """As the checker reads it."""
        letter = letter_of(promise, around.ok, call)
        return {Letter.A: True, Letter.R: False}.get(letter) if letter is not None else None

    def judge(
        self,
        promise: RateLimit,
        around: Surroundings,
        history: History,
        trial: Trial,
        played: Played,
    ) -> TrialResult:
        """Broken by proof; kept if every step answered as a healthy target does; else unknown."""
        setting = Setting(ok=around.ok, others=_others(promise, around))
        own = {index for calls in played.steps for index in calls}
        said = judge(promise, history, setting, first_call=played.first_call, own=own)
        evidence = dict(said.evidence)
        evidence["faults"] = _counted_faults(promise, history, played)
        marks = _marks(promise, around, said)
        findings = [finding for finding in said.findings if own.intersection(finding.calls)]
        if findings:
            verdict = Verdict.broken(findings, evidence)
            return TrialResult(trial=trial, verdict=verdict, marks=marks)
        reason, again = _doubt(promise, trial, played, said)
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
        doubt = unearned(promise, evidence, results)
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


def _counted_faults(promise: RateLimit, history: History, played: Played) -> int:
    """Outages of the promise's own store in this playing whose effect was counted."""
    if promise.store is None or not history.calls:
        return 0
    began = history.calls[played.first_call].written_seq
    return sum(
        isinstance(event, FaultBegan)
        and event.effect > 0
        and event.dependency == promise.store.dependency
        and event.seq > began
        for event in history.events
    )


def _shortened(trial: Trial) -> Trial:
    """After its last wait one call instead of a whole limit: that it is admitted again."""
    waits = [number for number, step in enumerate(trial.steps) if isinstance(step, Wait)]
    rest = trial.steps[waits[-1] + 1 :] if waits else ()
    if not rest or not isinstance(rest[0], Send):
        return trial
    again = replace(rest[0], times=1, expect=rest[0].expect and Expect.exactly(1))
    return replace(trial, steps=(*trial.steps[: waits[-1] + 1], again))


def _marks(promise: RateLimit, around: Surroundings, said: Judgement) -> frozenset[str]:
    """What this trial showed that some trial must have shown."""
    marks = {"full_cap"} if said.full_cap else set()
    if promise.workers > 1:
        serving = around.serving
        marks.add("workers unseen" if serving is None else f"workers {min(serving, 2)}")
    return frozenset(marks)


def _doubt(
    promise: RateLimit, trial: Trial, played: Played, said: Judgement
) -> tuple[str | None, bool]:
    """Why a trial without a finding proves nothing, and whether another try may help."""
    if played.ended is not None:
        return played.ended, False
    if said.evidence["clock_set"]:
        return "the wall clock of this machine was set meanwhile; verify again", True
    if said.margin_exceeded and (promise.burst is not None or _has_edge(trial)):
        return _too_wide(said), True
    for number, (step, calls) in enumerate(zip(trial.steps, played.steps, strict=True), start=1):
        if not isinstance(step, Send):
            continue
        letters = Counter(_letter(said, index) for index in calls)
        if letters[Letter.L]:
            return f"step {number} lost the answer of {letters[Letter.L]} calls", True
        if step.expect is not None and not _as_expected(step.expect, letters):
            # Where windows lie is not known: with another phase the same step may be told.
            again = bool(letters[Letter.O]) or promise.window is not None
            rivals = sorted({said.rivals[index] for index in calls if index in said.rivals})
            return _unexpected(number, step, letters, rivals), again
    return None, False


def _has_edge(trial: Trial) -> bool:
    """Whether any step depends on when it is made; bursts alone may be as wide as they like."""
    return any(isinstance(step, Wait | WaitAdvised | Phase) for step in trial.steps)


def _too_wide(said: Judgement) -> str:
    return (
        f"a call took {said.widest_ns / NS_PER_MS:.0f} ms, too wide for this limit; a held clock or a "
        "quieter machine would settle it, but not where the service delays calls instead of "
        "refusing them"
    )


def _letter(said: Judgement, index: int) -> Letter:
    reading = said.readings[index]
    return Letter.O if reading is None else reading.letter


def _as_expected(expect: Expect, letters: Counter[Letter]) -> bool:
    return expect.least <= letters[Letter.A] <= expect.most and not letters[Letter.O]


def _unexpected(number: int, step: Send, letters: Counter[Letter], rivals: Sequence[str]) -> str:
    least, most = (step.expect.least, step.expect.most) if step.expect else (0, step.times)
    other = f", {letters[Letter.O]} answered neither way" if letters[Letter.O] else ""
    theirs = f"; {' and '.join(rivals)} may have refused them" if rivals else ""
    return (
        f"step {number} made {step.times} calls of which {least}{f' to {most}' if most > least else ''}"
        f" should be admitted; {letters[Letter.A]} were, {letters[Letter.R]} refused{other}{theirs}"
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
