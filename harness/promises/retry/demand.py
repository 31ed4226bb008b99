"""What the words demand after an attempt: another one, none, or nothing; and how long it may wait."""

from __future__ import annotations

from typing import Final

from harness.models.backoff.law import Law, Span
from harness.promises.retry.attempts import HELD, TORN, Attempt, Tries, replaced
from harness.promises.retry.parts import IDEMPOTENT
from harness.promises.retry.words import Retry
from harness.units import NS_PER_MS, NS_PER_S

PATIENCE_NS: Final = 60 * NS_PER_S
"""Where no wait is declared: who has given its caller a failure and not asked for so long gave up."""
_AT_ONCE_NS: Final = 20 * NS_PER_MS
"""Nobody gives an attempt up as soon as that."""
_ALWAYS: Final = 503
_LONGEST_WAITS: Final = 10


def keyed(promise: Retry, attempt: Attempt) -> bool:
    """Whether a request bears the key that makes it harmless to repeat."""
    return promise.idempotency_key is not None and attempt.key is not None


def repeats(promise: Retry, attempt: Attempt) -> bool | None:
    """Whether another attempt must follow this one (True), must not (False), or may."""
    outcome = attempt.outcome
    if outcome in (HELD, TORN):
        return None
    if attempt.is_success:
        return False
    outcomes = promise.methods.get(attempt.method)
    if outcomes is None:
        return None if keyed(promise, attempt) else False
    if promise.idempotency_key and attempt.method not in IDEMPOTENT and attempt.key is None:
        return None  # without its key it need not be repeated, and if it is, that is told as such
    if outcomes != "all":
        return outcome in outcomes
    if promise.retry_on is not None:
        return outcome in promise.retry_on
    if promise.never_on is not None and outcome in promise.never_on:
        return False
    return True if outcome == _ALWAYS else None


def may_be_too_late(promise: Retry, attempt: Attempt) -> bool:
    """Whether the service may have given the attempt up at the instant at which its answer came."""
    if attempt.ended_ns is None or not isinstance(attempt.outcome, int):
        return False
    took_ns = attempt.ended_ns[1] - attempt.arrived_ns
    if promise.call_timeout is None:
        return took_ns > _AT_ONCE_NS
    return took_ns > promise.call_timeout - _AT_ONCE_NS


def longest_ns(law: Law, waits: int) -> float:
    """The longest of the first waits that a law may draw."""
    longest = before = 0.0
    for k in range(1, waits + 1):
        before = law.span(k, before if k > 1 else None).top_ns
        longest = max(longest, before)
    return longest


def waits_of(promise: Retry) -> int:
    """How many waits a call has at most, as far as plans look."""
    return _LONGEST_WAITS if promise.most is None else promise.most - 1


def declared_most_ns(promise: Retry) -> float | None:
    """The longest declared wait; None where none is declared."""
    if promise.laws:
        return max(longest_ns(law, waits_of(promise)) for law in promise.laws)
    return None if promise.backoff is None or not promise.backoff.cap else promise.backoff.cap


def advised_most_ns(promise: Retry, advised_ns: int) -> float | None:
    """The longest wait after a Retry-After; None where no wait is declared."""
    most = declared_most_ns(promise)
    return None if most is None else 2 * (advised_ns + most) + NS_PER_S


def is_told(attempt: Attempt) -> bool:
    """A Retry-After that says something else than the usual wait."""
    return attempt.told and not (attempt.advice is not None and advised_ns(attempt) <= 0)


def advised_ns(attempt: Attempt) -> int:
    """How long the Retry-After asks to wait from the attempt's end on; below 0 where that is over."""
    advice = attempt.advice
    if advice is None:
        return 0
    if advice.delta_ns is not None:
        return advice.delta_ns
    return (advice.date_ns or 0) - (attempt.ended_wall_ns or 0)


def is_usual(promise: Retry, tries: Tries, k: int) -> bool:
    """Whether the wait after attempt ``k`` (from 1) is one that the declared backoff speaks of."""
    one, two = tries.attempts[k - 1], tries.attempts[k]
    if one.outcome in (HELD, TORN) or one.is_success or is_told(one):
        return False
    return not replaced(one, two, promise.slack.late_ns) and not cut_short(promise, tries, k)


def _ends_ns(promise: Retry, tries: Tries) -> list[int]:
    """After each of these no further attempt begins: the total, and the caller's deadline."""
    ends = [] if promise.total is None else [tries.attempts[0].arrived_ns + promise.total]
    return ends if tries.deadline_ns is None else [*ends, tries.deadline_ns]


def cut_short(promise: Retry, tries: Tries, k: int) -> bool:
    """Whether the wait after attempt ``k`` may have been cut, so that the next begins in time."""
    one, begun_ns = tries.attempts[k - 1], tries.attempts[k].arrived_ns
    most = _next_most_ns(promise, one)
    if most is None:
        return False
    longest_ns = (one.arrived_ns if one.ended_ns is None else one.ended_ns[1]) + most
    return any(
        abs(begun_ns - end_ns) <= promise.slack.whole_ns and longest_ns > end_ns
        for end_ns in _ends_ns(promise, tries)
    )


def room_for(promise: Retry, tries: Tries, k: int, span: Span) -> bool:
    """Whether the wait after attempt ``k``, however it was drawn, left the next one in time.

    Else only the shorter waits are seen at all, and what is seen follows another law.
    """
    ended, ends = tries.attempts[k - 1].ended_ns, _ends_ns(promise, tries)
    if not ends:
        return True
    return ended is not None and ended[1] + span.top_ns + promise.slack.late_ns < min(ends)


def fits(promise: Retry, tries: Tries, attempt_ns: int = 0) -> bool:
    """Whether one more attempt would surely have begun in time.

    Args:
        attempt_ns: of its caller's deadline so much must have been left for it.
    """
    ends = _ends_ns(promise, tries)
    if not ends:
        return True
    last = tries.attempts[-1]
    wait = _next_most_ns(promise, last)
    if last.ended_ns is None or wait is None:
        return False
    begins = last.ended_ns[1] + wait + promise.slack.late_ns
    in_time = tries.deadline_ns is None or begins + attempt_ns < tries.deadline_ns
    return in_time and begins < min(ends)


def has_known_wait(promise: Retry, tries: Tries) -> bool:
    """Whether the words bound the wait that would have followed the last attempt."""
    return _next_most_ns(promise, tries.attempts[-1]) is not None


def _next_most_ns(promise: Retry, last: Attempt) -> float | None:
    if is_told(last):
        return None if last.advice is None else advised_most_ns(promise, advised_ns(last))
    return declared_most_ns(promise)


def due_ns(promise: Retry, tries: Tries) -> float | None:
    """Target time by which one more attempt would have begun; None where that is not known."""
    last = tries.attempts[-1]
    if last.ended_ns is None:
        return None
    wait = _next_most_ns(promise, last)
    if wait is not None:
        return last.ended_ns[1] + wait + promise.slack.late_ns
    if is_told(last) or not tries.failed or tries.ended_ns is None:
        return None  # it may go on behind its caller's back, and nothing says until when
    return max(last.ended_ns[1], tries.ended_ns) + PATIENCE_NS
