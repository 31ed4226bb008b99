"""What one playing proves, and what was counted in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from harness.models.backoff.law import Law
from harness.models.backoff.looks import LEVEL, Look, look
from harness.models.backoff.spread import CALLERS, Crowd, crowds, grows
from harness.models.backoff.spread import verdict as spread_verdict
from harness.plan import Fire, Played, Trial
from harness.promises.retry.attempts import Tries
from harness.promises.retry.demand import advised_ns, declared_most_ns, fits, is_told, repeats
from harness.promises.retry.law_trials import looks_of
from harness.promises.retry.parts import CONNECTION
from harness.promises.retry.proof import finding, ms, span_of
from harness.promises.retry.rules import Case, broken, hidden, over_budget
from harness.promises.retry.waits import gaps, looked, outside, sample
from harness.promises.retry.words import Retry
from harness.verdict import Finding

_SHOWN_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was proved and what was counted.

    Attributes:
        findings: proofs that the promise is broken, the first call's first.
        evidence: counts of what was seen.
        look: the last look at the waits, where this trial takes one.
        open_: why a trial of spread or growth is not settled; None where it is, or there is none.
    """

    findings: tuple[Finding, ...]
    evidence: Mapping[str, int]
    look: Look | None = None
    open_: str | None = None


def judged(case: Case, trial: Trial, played: Played) -> Judgement:
    """Judge one playing: single calls, then their waits, then what many calls show together."""
    findings = sorted(broken(case), key=lambda found: min(found.calls))[:_SHOWN_MOST]
    waited = outside(case)
    if waited is not None:
        findings.append(waited)
    seen: Look | None = None
    open_: str | None = None
    more: Finding | None = None
    if trial.name.startswith("T2 refused"):
        more = _not_after_refusal(case, played)
    elif trial.name.startswith("T8"):
        more = over_budget(case)
    elif trial.name.startswith("T5 spread"):
        more, open_ = _spread(case, played, trial)
    elif trial.name.startswith("T5 growth"):
        more, open_ = _growth(case)
    elif trial.name.startswith("T5") and (open_ := _chosen(case)) is None:
        seen, more = _law(case, trial)
    if more is not None:
        findings.append(more)
    return Judgement(findings=tuple(findings), evidence=_evidence(case), look=seen, open_=open_)


def _chosen(case: Case) -> str | None:
    """Why the waits that are seen are not all that were drawn; None where nothing chose among them."""
    if any(case.may_lack(tries) for tries in case.tries if _is_unfinished(case, tries)):
        names = " or ".join(case.sharing.refusing)
        return f"{names} may have refused attempts, and what else is seen may follow another law"
    attempt_ns = case.sharing.attempt_ns
    for tries in case.tries:
        if tries.deadline_ns is None or not _is_unfinished(case, tries):
            continue
        if fits(case.promise, tries) and not fits(case.promise, tries, attempt_ns):
            return "calls may have ended for lack of time, so that only shorter waits are seen"
    return None


def _is_unfinished(case: Case, tries: Tries) -> bool:
    """Whether the last attempt that is seen was one to be repeated."""
    count, last = len(tries.attempts), tries.attempts[-1] if tries.attempts else None
    full = case.promise.most
    return last is None or ((full is None or count < full) and bool(repeats(case.promise, last)))


def _law(case: Case, trial: Trial) -> tuple[Look, Finding | None]:
    """The looks that are this trial's; it is kept by its last one alone."""
    laws, known = case.promise.laws, list(sample(case))
    if laws[0].family == "none":
        return look(laws, [waits for _, waits in known], case.promise.slack), None
    seen: Look | None = None
    for calls in looks_of(trial):
        part = Case(case.promise, tuple(tries for tries, _ in known[:calls]), case.clock)
        seen, found = looked(part)
        if found is not None:
            return seen, found
    if seen is None:  # cannot be: every trial of waits takes a look
        raise AssertionError(trial)
    return seen, None


# -- callers that fail together --------------------------------------------------------------


def _spread(case: Case, played: Played, trial: Trial) -> tuple[Finding | None, str | None]:
    """Whether callers that failed together came back together, in wave after wave."""
    spread = case.promise.backoff.spread if case.promise.backoff else None
    share, within = (None, 0) if spread is None else (spread.share, spread.within)
    waves = list(_waves(case, played, trial))
    if any(tries.is_mixed for tries in case.tries) or len(case.tries) > trial.calls:
        return None, "a call asks for several things, so nobody knows which came back"
    few = sum(len(returned_ns(times)) < CALLERS // 2 for times in waves)
    if few and case.sharing.refusing:
        return None, f"{' or '.join(case.sharing.refusing)} may have refused callers that came back"
    found = crowds([returned_ns(times) for times in waves], share=share, within_ns=within)
    said = spread_verdict(found)
    worst = max((c for c in found if c is not None), key=lambda c: c.together, default=None)
    if said == "broken" and worst is not None:
        return _crowded(case, found, worst), None
    if few:
        return (
            None,
            f"in {few} of {len(waves)} waves fewer than half of the callers were tried again",
        )
    if said == "open":
        return None, (
            f"{sum(c is not None for c in found)} of {len(found)} waves came back together; more waves "
            "would settle it"
        )
    return None, None


def _crowded(case: Case, found: Sequence[Crowd | None], worst: Crowd) -> Finding:
    said = (
        f"all callers together: in {len(found)} of {len(found)} waves, up to {worst.together} of "
        f"{worst.callers} came back within {ms(worst.within_ns)}"
    )
    made = finding(case.promise, "together", said, case.tries[0], clock=case.clock)
    proof = {
        **made.proof,
        "to_ns": max(span_of(each)["to_ns"] for each in case.tries),
        "waves": [None if c is None else [c.together, c.callers] for c in found],
        "within_ns": worst.within_ns,
    }
    calls = tuple(each.call for each in case.tries)
    return Finding(half=made.half, said=said, key=made.key, calls=calls, proof=proof)


def _waves(case: Case, played: Played, trial: Trial) -> Iterator[list[int]]:
    """When the requests of each wave arrived, whoever's they are: target time, in order."""
    times = sorted([a.arrived_ns for t in case.tries for a in t.attempts] + list(case.shared_ns))
    starts = [
        began
        for step, began in zip(trial.steps, played.began_ns, strict=False)
        if isinstance(step, Fire)
    ]
    for first, after in zip(starts, [*starts[1:], played.began_ns[-1] + 1], strict=True):
        yield [each for each in times if first <= each < after]


def returned_ns(times: Sequence[int]) -> list[int]:
    """When callers came back, from the wave's first request on: the first of each fails, and no more."""
    return [each - times[0] for each in times[CALLERS:]]


def _growth(case: Case) -> tuple[Finding | None, str | None]:
    if (chosen := _chosen(case)) is not None:
        return None, chosen
    known = [[gap.most_ns for gap in gaps(case, tries)] for tries in case.tries]
    longest = max(map(len, known), default=0)
    whole = [waits for waits in known if len(waits) == longest]
    said, k = grows(whole, case.promise.slack.whole_ns)
    if said == "broken" and any(tries.is_mixed for tries in case.tries):
        return None, f"wait {k} is shorter than the one before, if they are waits of one thing"
    if said == "broken":
        shown = next(tries for tries in case.tries if tries.attempts)
        told = f"waits do not grow: wait {k} of {len(whole)} callers is shorter than the one before"
        return finding(case.promise, "growth", told, shown, clock=case.clock, k=k), None
    if said == "open":
        return None, f"wait {k} of {len(whole)} callers is not clearly longer than the one before"
    return None, None


# -- refused connections -----------------------------------------------------------------------


def _not_after_refusal(case: Case, played: Played) -> Finding | None:
    """Nothing came once the connection was open again, and the call was over before that."""
    refused = set(played.groups.get("refused", ()))
    known = next((a for t in case.tries if t.call not in refused for a in t.attempts), None)
    if known is None or not case.promise.laws:
        return None
    failed = type(known)(
        number=0,
        method=known.method,
        arrived_ns=0,
        ended_ns=None,
        outcome=CONNECTION,
        key=known.key,
    )
    if repeats(case.promise, failed) is not True or case.promise.budget is not None:
        return None
    if case.sharing.refusing:
        return None  # what was tried again may have been refused by somebody else
    for tries in case.tries:
        if tries.call not in refused or tries.attempts or tries.ended_ns is None:
            continue
        if not _had_time(case, tries, tries.ended_ns):
            continue
        spent = tries.ended_ns - tries.sent_ns
        if all(_impossible(case, law, spent) for law in case.promise.laws):
            said = f"{known.method} is not repeated after a refused connection"
            return finding(case.promise, "matrix", said, tries, clock=case.clock)
    return None


def _had_time(case: Case, tries: Tries, ended_ns: int) -> bool:
    """Whether one more attempt would surely have fitted before the total and the caller's deadline."""
    promise, attempt_ns = case.promise, case.sharing.attempt_ns
    begins = ended_ns + (declared_most_ns(promise) or 0) + promise.slack.late_ns
    in_total = promise.total is None or begins < tries.sent_ns + promise.total
    return in_total and (tries.deadline_ns is None or begins + attempt_ns < tries.deadline_ns)


def _impossible(case: Case, law: Law, spent_ns: int) -> bool:
    """Whether all attempts cannot have been made, and refused, in so short a time."""
    slack = case.promise.slack
    spans = [law.span(k) for k in range(1, (case.promise.exactly or 2))]
    if sum(max(0.0, span.bottom_ns - slack.early_ns) for span in spans) > spent_ns:
        return True
    near = spent_ns + slack.early_ns
    chance = prod(min(1.0, near / (span.hi_ns - span.lo_ns)) for span in spans if span.width_ns)
    return bool(spans) and chance < LEVEL


# -- counts ------------------------------------------------------------------------------------


def _evidence(case: Case) -> dict[str, int]:
    counted = list(_counted(case))
    background = {"background": case.background} if case.background else {}
    return background | {
        "calls": len({t.call for t in case.tries}),
        "attempts": sum(len(t.attempts) for t in case.tries) + len(case.shared_ns),
        "repeated": sum(len(t.attempts) > 1 for t in case.tries),
        "capped": sum("capped" in each for each in counted),
        "stopped_by_total": sum("total" in each for each in counted),
        "retry_after_judged": sum("advised" in each for each in counted),
        "hidden_retries": sum(hidden(case.promise, t) for t in case.tries),
    }


def _counted(case: Case) -> Iterator[str]:
    """What each call put to the test."""
    promise = case.promise
    for tries in case.tries:
        last = tries.attempts[-1] if tries.attempts else None
        short = promise.exactly is not None and len(tries.attempts) < promise.exactly
        if short and last is not None and repeats(promise, last) and _meets_total(promise, tries):
            yield "total"
        for k, one in enumerate(tries.attempts[:-1], start=1):
            if is_told(one) and one.advice is not None and advised_ns(one) > 0:
                yield "advised"
            if promise.laws and promise.laws[0].span(k).hi_ns >= promise.laws[0].cap_ns:
                yield "capped"


def _meets_total(promise: Retry, tries: Tries) -> bool:
    """Whether the total ends a call before its caller's deadline does."""
    if promise.total is None:
        return False
    end_ns = tries.attempts[0].arrived_ns + promise.total
    return tries.deadline_ns is None or end_ns <= tries.deadline_ns
