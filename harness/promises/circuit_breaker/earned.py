"""What a playing did not show though a healthy breaker would have, and whether *kept* is earned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.history import Arrival
from harness.models.breaker.rules import SEEN_SUCCESSES
from harness.plan import Fire
from harness.promises.answer_form import lacking
from harness.promises.base import LEFT_OUT, TrialResult
from harness.promises.circuit_breaker.check import Facts, Search
from harness.promises.circuit_breaker.plans import Phase
from harness.promises.circuit_breaker.special import at_once, unreached
from harness.promises.circuit_breaker.words import CircuitBreaker, HalfOpenWords
from harness.units import NS_PER_MS, number_of
from harness.verdict import Status

_TIE_NS = 3 * NS_PER_MS
_TANGLED = (
    "too tangled: too many orders of the calls explain what was seen; a quieter machine, a held clock, "
    "or fewer permits would settle it"
)


def doubt(facts: Facts, search: Search) -> str | None:
    """Why a playing without a finding proves nothing; None if it showed what it should."""
    if facts.played.ended is not None:
        return facts.played.ended
    found = _unread(facts)
    if found is not None:
        return found
    if search.tangled:
        return _TANGLED
    if not search.explained:
        return "it contradicts the words only through calls from before this trial"
    for _, step, calls in facts.groups():
        found = _phase(facts, step, calls)
        if found is not None:
            return found
    operation = unreached(facts)
    if operation is not None:
        return (
            f"calls of {operation} did not reach what it depends on, so nobody saw whether it was "
            "affected: a cache in between hides it"
        )
    return _not_at_once(facts)


def _unread(facts: Facts) -> str | None:
    """What keeps the history from being read at all."""
    stretch = facts.stretch
    if stretch.started is None or not stretch.started.exclusive:
        return (
            "others may have used the target before, so that nobody knows how its breaker stood; a "
            "target started by its command would settle it"
        )
    if stretch.unmatched:
        return (
            f"{stretch.unmatched} requests at {facts.promise.dependency} may be several calls'; let the "
            "service pass X-Request-ID on to it"
        )
    unread = len(set(stretch.unseen) - set(facts.story.unseen))
    if unread:
        return (
            f"{number_of(unread, 'call was', 'calls were')} made while {facts.promise.dependency} could "
            "not be reached, and nobody saw whether it was tried or refused; a dependency that answers or "
            "resets would settle it"
        )
    if any(_is_torn(each) for attempts in stretch.attempts.values() for each in attempts):
        return (
            f"{facts.promise.dependency} did not answer as long as it had announced, or broke off within "
            "an answer: whether that is a failure is the service's to say; answers that are whole, or "
            "never begun, would settle it"
        )
    if any(_in_doubt(facts, index) for index in stretch.attempts):
        return (
            f"an answer of {facts.promise.dependency} came when the service may just have given up waiting: "
            "whether it counts for one or for a timeout cannot be seen; answers that come at another "
            "instant would settle it"
        )
    if facts.story.rejected and not facts.stretch.attempts and not _as_declared(facts):
        return (
            f"no call reached {facts.promise.dependency}, and nothing shows that the breaker refused "
            "them: check that the operation calls it (a cache in between hides it)"
        )
    if facts.story.lost:
        return (
            f"{number_of(len(facts.story.lost), 'call was', 'calls were')} lost, or answered though nothing "
            f"reached "
            f"{facts.promise.dependency} by what may be a cache or another promise; see why the target "
            "does not answer, and declare what a refusal looks like under `open`"
        )
    if any(_answered_before(facts, index) for index in facts.stretch.attempts):
        return (
            f"the service answered before {facts.promise.dependency} did and went on waiting for it: "
            "whether its breaker counts the timeout or what came later cannot be seen; let it close the "
            "connection when it gives up"
        )
    return _several_connections(facts)


def _is_torn(arrival: Arrival) -> bool:
    return arrival.torn and arrival.state in {"answered", "cut"}


def _in_doubt(facts: Facts, index: int) -> bool:
    """Whether an attempt was answered at about the instant at which the service gives one up."""
    timeout_ns = facts.promise.call_timeout
    if timeout_ns is None:
        return False
    return any(
        each.state in {"answered", "cut"}
        and each.ended_target_ns is not None
        and abs(each.ended_target_ns - each.target_ns - timeout_ns) <= _TIE_NS
        for each in facts.stretch.attempts[index]
    )


def _answered_before(facts: Facts, index: int) -> bool:
    """Whether its caller had an answer before an attempt that ended by the witness's doing."""
    call = facts.stretch.calls[index]
    return (
        call.ended_ns is not None
        and call.error != "left"
        and any(
            arrival.state in {"answered", "cut"} and (arrival.ended_ns or 0) > call.ended_ns
            for arrival in facts.stretch.attempts[index]
        )
    )


def _as_declared(facts: Facts) -> bool:
    """Whether each refusal looks as the contract declares, so that it can only be the breaker's."""
    form = facts.promise.refusal
    calls = (facts.stretch.calls[index] for index in facts.story.rejected)
    return form is not None and all(lacking(form, call) is None for call in calls)


def _several_connections(facts: Facts) -> str | None:
    """Calls that should have met one worker."""
    pinned = [calls for _, step, calls in facts.groups() if step.connection != "new"]
    connections = {facts.calls[index].connection for calls in pinned for index in calls}
    if len(connections) > 1:
        return (
            "its calls came over several connections, perhaps to several workers, because the service "
            "does not keep them open; one worker would settle it"
        )
    return None


def readable(facts: Facts) -> bool:
    """Whether anything may be concluded from it."""
    return _unread(facts) is None


def _phase(facts: Facts, step: Fire, calls: Sequence[int]) -> str | None:
    admitted = sum(index in facts.stretch.attempts for index in calls)
    refused = sum(index in facts.story.rejected for index in calls)
    number = facts.trial.steps.index(step) + 1
    many = number_of(len(calls), "call")
    made = f"step {number} made {many}, of which {admitted} reached {facts.promise.dependency}"
    match Phase.of(step.group):
        case Phase.OPENS if not calls or calls[-1] not in facts.story.rejected:
            return f"{made}, and the last was not refused: the breaker was not seen to open"
        case Phase.REFUSED if refused < len(calls):
            return f"{made}, where all should be refused"
        case Phase.PASSES if admitted < len(calls):
            return f"{made}, where all should"
        case Phase.SOME if not admitted:
            return f"{made}, where a trial is due"
    return None


def _not_at_once(facts: Facts) -> str | None:
    wanted = facts.promise.concurrent
    if wanted is None or facts.trial.name != "T0 at once":
        return None
    inside = at_once(facts)
    if inside is None:
        return (
            "there is no other operation with a witness of its own to compare with; declare one, or "
            "leave `concurrent` out"
        )
    if inside[0] < wanted:
        return (
            f"{inside[0]} of {wanted} calls at once got through, and {inside[1]} beside the breaker: the "
            "service itself may serve no more at once"
        )
    return None


def evidence_of(facts: Facts) -> Mapping[str, int]:
    """What was counted in one playing."""
    outcomes = Counter(facts.story.outcomes)
    own = facts.own
    groups = [(Phase.of(step.group), calls) for _, step, calls in facts.groups()]
    opened = [
        calls
        for phase, calls in groups
        if phase is Phase.OPENS and calls and calls[-1] in facts.story.rejected
    ]
    tried = [phase for phase, calls in groups if phase in {Phase.PASSES, Phase.SOME} and calls]
    return {
        "calls": len(own & set(facts.stretch.calls)),
        "admitted": len(own & set(facts.story.admitted)),
        "refused": len(own & set(facts.story.rejected)),
        "failures": outcomes["failed"],
        "openings": len(opened),
        "passed": len(tried),
    }


def marks_of(facts: Facts, search: Search) -> frozenset[str]:
    """What this playing showed that *kept* asks for, and the readings it settled."""
    marks = set(search.seen())
    rests = facts.stretch.rests_ns
    inside = [
        sum(
            arrival.at_ns < rest_ns and (arrival.ended_ns is None or arrival.ended_ns > rest_ns)
            for arrival in facts.stretch.arrivals
        )
        for rest_ns in rests
    ]
    if max(inside, default=0) > 1 or (not facts.around.frozen and _overlap(facts)):
        marks.add("parallel")
    return frozenset(marks)


def _overlap(facts: Facts) -> bool:
    """Whether two requests were at witnesses at once."""
    last_ns = 0
    for arrival in facts.stretch.arrivals:
        if arrival.at_ns < last_ns:
            return True
        last_ns = max(last_ns, arrival.ended_ns or facts.stretch.until_ns)
    return False


def unearned(
    promise: CircuitBreaker, evidence: Counter[str], results: Sequence[TrialResult]
) -> str | None:
    """The first reason why *kept* is not earned."""
    first = next(
        (
            result.verdict.reason
            for result in results
            if result.trial.needed and result.verdict.status is Status.UNKNOWN
        ),
        None,
    )
    if not evidence["calls"]:
        return first or "no call was made"
    if not evidence["failures"]:
        return f"no failure reached {promise.dependency}: check that the operation calls it"
    if not evidence["refused"]:
        return first or "no call was ever refused: the breaker was not seen to open"
    if first is not None:
        return first
    if not evidence["openings"] or not evidence["passed"]:
        return "the breaker was not seen to open and to close again"
    smoke = any(result.trial.cannot == LEFT_OUT for result in results)
    said = promise.half_open
    permits = said.permits if isinstance(said, HalfOpenWords) else None
    is_parallel = any("parallel" in result.marks for result in results)
    tried = any(
        result.trial.name.startswith("T3") and result.verdict.status is Status.KEPT
        for result in results
    )
    if not smoke and permits is not None and not tried:
        return (
            f"the {number_of(permits, 'permit')} of a half-open breaker could not be tried: that needs "
            "calls that the witness holds, and one breaker for all of them"
        )
    if not smoke and permits is not None and permits > 1 and not is_parallel:
        return (
            f"the service lets one call at a time reach {promise.dependency}, so its {permits} permits "
            "could not be tried; more workers or threads would settle it"
        )
    return None


def seen_words(results: Sequence[TrialResult]) -> str:
    """What was seen and is not judged, for the end of a sentence."""
    seen = sorted(
        {mark.removeprefix("seen ") for r in results for mark in r.marks if "seen " in mark}
    )
    shown = [each for each in seen if not each.endswith(f": {SEEN_SUCCESSES}")]
    return f"; seen: {', '.join(shown)}" if shown else ""
