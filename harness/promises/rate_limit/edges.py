"""Trials at the edges of a budget: one call too many, a window's border, a bucket's next token."""

from __future__ import annotations

from collections.abc import Iterator

from harness.plan import Expect, Mark, Send, Step, Trial, Wait
from harness.promises.rate_limit.numbers import ONE, Numbers, exactly
from harness.promises.rate_limit.words import RateLimit
from harness.units import format_duration


def edges(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """T1 and T2 of a window, T1b of a bucket, and who never stops asking."""
    if n.bucket:
        yield from bucket_edges(n)
    else:
        yield _window_edge(promise, n)
        yield straddle(promise, n)


def _window_edge(promise: RateLimit, n: Numbers) -> Trial:
    refused = n.if_sliding(n.none())
    back = Wait(ns=n.recover, since="now" if promise.refused_count else "admitted")
    return Trial(
        name="T1 edge",
        purpose="the full limit at once, one more, and all of it again a window later",
        steps=(
            Mark("start"),
            Send(caller="a", times=n.cap + 1, together=not n.frozen, expect=n.full()),
            Wait(ns=n.w // 2, since="start"),
            Send(caller="a", expect=refused),
            Wait(ns=n.w - n.m, since="start"),
            Send(caller="a", expect=refused),
            back,
            Send(caller="a", times=n.cap + 1, expect=n.if_roomy(n.full())),
        ),
    )


def straddle(promise: RateLimit, n: Numbers) -> Trial:
    """T2: one call early, the rest at the border of its window."""
    exact = n.sliding and n.roomy and not promise.refused_count
    return Trial(
        name="T2 straddle",
        purpose="one call early and the rest at the border of its window",
        needed=n.sliding,
        steps=(
            Mark("start"),
            Send(caller="a", expect=ONE),
            Wait(ns=n.w - n.m, since="start"),
            Send(
                caller="a",
                times=n.cap,
                together=not n.frozen,
                expect=n.if_sliding(n.full(1)),
            ),
            Wait(ns=n.w + 2 * n.g + (0 if n.frozen else n.m), since="start"),
            Send(caller="a", times=3, expect=ONE if exact else None),
            Wait(ns=n.w // 2),
            Send(caller="a", times=3, expect=exactly(0) if exact else None),
        ),
    )


def bucket_edges(n: Numbers) -> Iterator[Trial]:
    """T1b: the size and the refill; tokens are told apart one by one, or in as many as it takes."""
    tokens = 1 if n.frozen and n.t >= 5 * n.g else 8 * n.m // n.t + 1
    if n.t <= n.g:
        yield Trial(
            name="T1b edge",
            purpose="the bucket's size and its refill",
            steps=(),
            cannot=f"a token comes every {format_duration(n.t)}, within the granularity of "
            f"{format_duration(n.g)}, so that no refusal is certainly right; a finer granularity "
            "would settle it",
        )
    elif not n.sliding:
        yield _refilled_in_steps(n)
    elif tokens == 1:
        yield _one_token(n)
    elif tokens <= n.cap:
        yield _some_tokens(n, tokens)
    else:
        yield Trial(
            name="T1b edge",
            purpose="the bucket's size and its refill",
            steps=(),
            cannot=f"a bucket of {n.cap} that gets a token every {format_duration(n.t)} is full again "
            f"too soon to be seen empty; {'a finer granularity' if n.frozen else 'a held clock'} would "
            "settle it",
        )
    yield _left_alone(n)


def _first(n: Numbers) -> tuple[Step, ...]:
    """All but one token of a fresh bucket."""
    return (Send(caller="a", times=n.cap - 1, expect=exactly(n.cap - 1)),) if n.cap > 1 else ()


def _one_token(n: Numbers) -> Trial:
    return Trial(
        name="T1b edge",
        purpose="the bucket's size, and one token after each refill, not earlier",
        steps=(
            Mark("start"),
            *_first(n),
            Wait(ns=2 * n.g, since="start"),
            Send(caller="a", times=2, expect=ONE),
            Wait(ns=n.t * 6 // 10, since="start"),
            Send(caller="a", expect=n.none()),
            Wait(ns=n.t - n.m, since="start"),
            Send(caller="a", expect=n.none()),
            Wait(ns=n.t + n.after, since="start"),
            Mark("refilled"),
            Send(caller="a", times=2, expect=ONE if n.frozen else None),
            Wait(ns=n.t * 6 // 10, since="refilled"),
            Send(caller="a"),
            Wait(ns=n.t * 5 // 4, since="refilled"),
            Send(caller="a", expect=ONE),
            Wait(ns=n.recover),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
        ),
    )


def _some_tokens(n: Numbers, tokens: int) -> Trial:
    """Where one token comes too fast: so many that the margin is an eighth of their time."""
    blur = n.g // n.t + 2
    expect = Expect(max(0, tokens - blur), tokens + blur) if n.frozen else None
    return Trial(
        name="T1b edge",
        purpose=f"the bucket's size, and {tokens} tokens after each refill of {tokens}",
        steps=(
            Mark("start"),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            Wait(ns=tokens * n.t, since="start"),
            Mark("refilled"),
            Send(caller="a", times=tokens + blur + 1, expect=expect),
            Wait(ns=tokens * n.t, since="refilled"),
            Send(caller="a", times=tokens + blur + 1, expect=expect),
            Wait(ns=n.recover),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
        ),
    )


def _refilled_in_steps(n: Numbers) -> Trial:
    """When a step comes is not known, but that one comes in each declared span."""
    some = Expect(1, 2) if n.frozen else None
    return Trial(
        name="T1b edge",
        purpose="the bucket's size, and tokens in each step of its refill",
        steps=(
            Mark("start"),
            *_first(n),
            Wait(ns=2 * n.g, since="start"),
            Send(caller="a", times=2, expect=some),
            Wait(ns=n.step * 6 // 10, since="start"),
            Send(caller="a"),
            Wait(ns=n.step - n.m, since="start"),
            Send(caller="a"),
            Wait(ns=n.step + n.after, since="admitted"),
            Send(caller="a", times=2, expect=some),
            Wait(ns=n.recover),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
        ),
    )


def _left_alone(n: Numbers) -> Trial:
    return Trial(
        name="T1b rest",
        purpose="a bucket that was left alone for long is full, and no fuller",
        steps=(
            Send(caller="a", expect=ONE),
            Wait(ns=max(2 * n.w, 2 * n.cap * n.t, n.recover)),
            Send(caller="a", times=n.cap + 2, expect=n.full()),
        ),
    )


def poller(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """A client that goes on asking while it is refused."""
    if promise.refused_count:
        return
    steps: list[Step] = [Mark("start"), Send(caller="a", times=n.cap + 1, expect=n.full())]
    every, polls = (n.t // 3, 2) if n.bucket else (n.w // 8, 7)
    for poll in range(1, polls + 1):
        steps += [Wait(ns=every * poll, since="start"), Send(caller="a")]
    back = n.step + 2 * n.g if n.bucket else n.recover
    steps += [Wait(ns=back, since="admitted"), Send(caller="a", expect=ONE)]
    yield Trial(
        name="T1 poller",
        purpose="a client that never stops asking gets in again",
        steps=tuple(steps),
    )
