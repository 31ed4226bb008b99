"""Trials of what a refusal advises: Retry-After obeyed, come too early, and the reset header."""

from __future__ import annotations

from collections.abc import Iterator

from harness.plan import Phase, Send, Step, Trial, Until, Wait, WaitAdvised
from harness.promises.rate_limit.budgets import longest_wait_ns
from harness.promises.rate_limit.numbers import ONE, Numbers
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS, NS_PER_S

_PHASES_MS = (130, 500, 870)


def advised(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """T5: obey Retry-After in three phases of the second, and wait for the reset."""
    if promise.has_retry_after and promise.retry_after != "present":
        for number, phase_ms in enumerate(_PHASES_MS, start=1):
            yield Trial(
                name=f"T5 Retry-After {number}",
                purpose="waiting as long as advised is enough, whatever the phase of the second",
                steps=(
                    Phase(phase_ms * NS_PER_MS),
                    *_until_refused(n),
                    *obey(promise, n),
                ),
            )
    if promise.headers_always is not None and promise.headers_always.reset is not None:
        yield Trial(
            name="T5 reset",
            purpose="a second after the reset that a refusal tells of, a call is admitted",
            steps=(
                Phase(_PHASES_MS[0] * NS_PER_MS),
                *_until_refused(n),
                *wait_for_reset(promise, n),
            ),
        )


def _until_refused(n: Numbers) -> tuple[Step, ...]:
    """The budget used up, and again at no round instant after that."""
    pause = 2 * n.t if n.bucket else n.w // 3
    unround = pause // NS_PER_S * NS_PER_S + 410 * NS_PER_MS
    return (
        Send(caller="a", times=n.cap + 1, expect=n.full()),
        Wait(ns=unround),
        Until(send=Send(caller="a"), most=n.cap + 2),
    )


def obey(promise: RateLimit, n: Numbers) -> tuple[Step, ...]:
    """Call when the advised wait is over; ``exact``: more than a second before, too."""
    most_ns = longest_wait_ns(promise) + n.g
    early: tuple[Step, ...] = ()
    if promise.retry_after == "exact":
        early = (
            WaitAdvised(-NS_PER_S - 2 * n.after, most_ns),
            Send(caller="a", expect=n.none() if n.sliding else None),
        )
    return (
        *early,
        WaitAdvised(2 * n.g, most_ns),
        Send(caller="a", expect=n.if_roomy(ONE)),
    )


def wait_for_reset(promise: RateLimit, n: Numbers) -> tuple[Step, ...]:
    """Call a second after the reset that the last refusal told of."""
    if promise.headers_always is None or promise.headers_always.reset is None:
        return ()
    reset = promise.headers_always.reset
    return (
        WaitAdvised(
            NS_PER_S + 2 * n.g,
            longest_wait_ns(promise) + n.g,
            header=reset.header.lower(),
            reads=reset.form,
        ),
        Send(caller="a", expect=n.if_roomy(ONE)),
    )
