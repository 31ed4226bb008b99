"""Whether *kept* is earned: the first thing that nobody has seen, and what would settle it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.promises.base import LEFT_OUT, TrialResult
from harness.promises.rate_limit.words import RateLimit
from harness.verdict import Status


def unearned(
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
    if any(result.trial.cannot == LEFT_OUT for result in results):
        return None
    if promise.store is not None and not evidence["faults"]:
        return f"the outage of {promise.store.dependency} was not counted"
    return _untold(promise, evidence) or _one_worker(promise, results)


def _untold(promise: RateLimit, evidence: Counter[str]) -> str | None:
    """Which promised header no call has put to the test."""
    if promise.has_retry_after and promise.retry_after != "present":
        if not evidence["retry_after_judged"]:
            return "nobody who waited as Retry-After said could be judged"
        if promise.retry_after == "exact" and not evidence["exact_judged"]:
            return (
                "no call came more than a second before an advised wait was over, so that exact "
                "says no more than sufficient; declare that, or try a longer window"
            )
    headers = promise.headers_always
    if headers is None:
        return None
    if headers.remaining is not None and not evidence["remaining_judged"]:
        return f"no call put to the test what {headers.remaining} says"
    if headers.reset is not None and not evidence["reset_judged"]:
        return f"no call came when the instant of {headers.reset.header} was over"
    return None


def _one_worker(promise: RateLimit, results: Sequence[TrialResult]) -> str | None:
    """Whether the declared processes were seen to serve: two at least."""
    seen = {mark for result in results for mark in result.marks}
    if promise.workers == 1 or "workers 2" in seen:
        return None
    if "workers unseen" in seen:
        return (
            f"{promise.workers} workers are declared, and the processes of this target cannot be "
            "seen; a target that is started by its command would settle it"
        )
    return (
        f"one worker seen: {promise.workers} are declared, and all calls were served by one process; "
        "see that the target starts them all and that they share its port"
    )


def _first_doubt(results: Sequence[TrialResult]) -> str | None:
    for result in results:
        if result.trial.needed and result.verdict.status is Status.UNKNOWN:
            return result.verdict.reason
    return None
