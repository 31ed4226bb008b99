"""Why a trial, or the promise, is not shown: what unknown says, and what would settle it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

from harness.plan import Fire, Played, Trial
from harness.promises.base import TrialResult
from harness.promises.retry.attempts import HELD, Tries
from harness.promises.retry.demand import (
    fits,
    has_known_wait,
    is_told,
    longest_ns,
    repeats,
    waits_of,
)
from harness.promises.retry.judgement import Judgement
from harness.promises.retry.parts import TIMEOUT
from harness.promises.retry.reading import Read
from harness.promises.retry.rules import Case, broken
from harness.promises.retry.scene import ALIKE, SETTLED, TOLD_APART
from harness.promises.retry.waits import outside
from harness.promises.retry.words import Retry
from harness.units import format_duration
from harness.verdict import Status

_OUTAGE_CALLS = 200


def marks(seen: Read, trial: Trial, said: Judgement) -> frozenset[str]:
    """What this trial showed that others hang on."""
    shown = set()
    if trial.name.startswith("T1") and (seen.by_token or seen.by_time):
        shown.add(ALIKE if seen.by_time or seen.strays else TOLD_APART)
    if said.look is not None and said.look.status == "kept":
        shown.add(SETTLED)
    if trial.name.startswith("T5 spread") and said.open_ is None and not said.findings:
        shown.add(SETTLED)
    return frozenset(shown)


def doubt(case: Case, seen: Read, trial: Trial, played: Played, said: Judgement) -> str | None:
    """Why a trial without a finding proves nothing; None where it does."""
    if played.ended is not None:
        return played.ended
    if seen.strays:
        return (
            f"{seen.strays} requests at {seen.dependency} bear no id of ours and may be anybody's; a service "
            "that passes X-Request-ID on would settle it"
        )
    if not seen.shared and not any(tries.attempts for tries in case.tries):
        names = ", ".join(case.promise.operation)
        return f"no request reached {seen.dependency} while {names} was called"
    if _unlike(case):
        return (
            "requests of one call differ in query or body, and may be one thing tried again or several; an "
            "operation that asks the dependency once would settle it"
        )
    if said.look is not None:
        return None if said.look.status == "kept" else said.look.why or "too few calls were seen"
    if said.open_ is not None or trial.name.startswith("T5 spread"):
        return said.open_
    if trial.name.startswith("T8"):
        return _outage(case)
    if seen.shared:
        return "attempts of different calls cannot be told apart: they bear no id of ours"
    silent = _silent(case, trial, played)
    return silent if silent is not None else _unfinished(case, trial)


def _unlike(case: Case) -> bool:
    """Whether the promise is broken if what a call asks for with different words is one thing."""
    if not any(tries.is_mixed for tries in case.tries):
        return False
    one = replace(case, tries=tuple(tries.as_one() for tries in case.tries))
    return outside(one) is not None or any(True for _ in broken(one))


def _silent(case: Case, trial: Trial, played: Played) -> str | None:
    """A call of which nothing reached the witness."""
    reached = {tries.call for tries in case.tries if tries.attempts}
    for step, calls in zip(trial.steps, played.steps, strict=False):
        if not isinstance(step, Fire) or step.operation not in (None, *case.promise.operation):
            continue
        if not reached.issuperset(calls):
            if step.group == "refused":
                return "no attempt came once the refused connection was open again"
            return f"no request arrived for the call of `{step.group}`"
    return None


def _unfinished(case: Case, trial: Trial) -> str | None:
    promise = case.promise
    if trial.name.startswith("T2 timeout") and not any(
        attempt.outcome == TIMEOUT for tries in case.tries for attempt in tries.attempts
    ):
        return "the service waited for an answer all the time: it has no timeout of its own"
    for tries in case.tries:
        if not tries.attempts or tries.left_at_ns is not None:
            continue
        last = tries.attempts[-1]
        if last.outcome == HELD:
            return f"attempt {len(tries.attempts)} was still under way when the plan ended"
        if repeats(promise, last) is True and _short(promise, tries):
            return (
                f"{len(tries.attempts)} attempts were seen ({last.outcome} at last), and more may have "
                "come later, or could not be told"
            ) + _refusing(case)
    return None


def _refusing(case: Case) -> str:
    names = case.sharing.refusing
    return f"; {' or '.join(names)} may have refused the rest" if names else ""


def _short(promise: Retry, tries: Tries) -> bool:
    """Fewer attempts than promised, and no word that allows it."""
    if is_told(tries.attempts[-1]):
        return False
    unbounded = tries.deadline_ns is not None and not has_known_wait(promise, tries)
    if not fits(promise, tries) and not unbounded:
        return False
    return len(tries.attempts) < (promise.exactly or 2)


def _outage(case: Case) -> str | None:
    calls = len({tries.call for tries in case.tries})
    attempts = sum(len(tries.attempts) for tries in case.tries) + len(case.shared_ns)
    if attempts < _OUTAGE_CALLS:
        return f"only {attempts} requests arrived for {calls} calls"
    if attempts <= calls:
        return "no call was repeated at all in the outage, so the budget was not put to the test"
    return None


def unearned(
    promise: Retry, evidence: Mapping[str, int], results: Sequence[TrialResult]
) -> str | None:
    """Why the promise is not shown to be kept; None where it is."""
    for result in results:
        if result.trial.needed and result.verdict.status is not Status.KEPT:
            return result.verdict.reason
    if not evidence.get("repeated"):
        return "no call was ever repeated"
    if promise.backoff is None or any(SETTLED in result.marks for result in results):
        return None
    of_waits = [r for r in results if r.trial.name.startswith("T5") and r.trial.steps]
    if not of_waits:
        return "no trial of the waits was played; a whole run would settle it"
    return of_waits[-1].verdict.reason


def unexercised(promise: Retry, evidence: Mapping[str, int]) -> str:
    """The words that nothing put to the test, for people."""
    left = []
    cap = None if promise.backoff is None else promise.backoff.cap
    if cap is not None and promise.laws:
        longest = max(
            longest_ns(replace(law, cap_ns=inf), waits_of(promise)) for law in promise.laws
        )
        if longest <= cap:
            left.append(f"the cap of {format_duration(cap)}, which no wait reaches")
    if promise.total is not None and not evidence.get("stopped_by_total"):
        left.append(f"the total of {format_duration(promise.total)}, which no call reached")
    if promise.respects_retry_after and not evidence.get("retry_after_judged"):
        left.append("Retry-After, which no call waited for")
    return ", ".join(left)
