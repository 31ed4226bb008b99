"""The reduced set of trials for large limits: at the full budget, a single call too many is proof."""

from __future__ import annotations

from collections.abc import Iterator

from harness.plan import Expect, Mark, Send, Step, Trial, Wait
from harness.promises.rate_limit.advised import obey, wait_for_reset
from harness.promises.rate_limit.edges import bucket_edges, straddle
from harness.promises.rate_limit.numbers import ONE, Numbers, exactly
from harness.promises.rate_limit.words import RateLimit

_BRINK = 8
"""So many calls at once where one is left: of two that look before they leap, both get in."""


def large(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """T1 with every way round it, T2 and one round of T3; a bucket with its edges besides."""
    if n.bucket:
        yield from bucket_edges(n)
        yield _exhausted_bucket(promise, n)
    else:
        yield _exhausted_window(promise, n)
        yield straddle(promise, n)
    yield Trial(
        name="T3 concurrent",
        purpose="more than the limit at the same moment",
        steps=(Send(caller="a", times=n.cap + _BRINK, together=True, expect=n.full()),),
    )


def _exhausted_window(promise: RateLimit, n: Numbers) -> Trial:
    refused = n.if_sliding(exactly(0))
    polls: tuple[Step, ...] = (
        Wait(ns=n.w // 2, since="start"),
        Send(caller="a", expect=refused),
        Wait(ns=n.w - n.m, since="start"),
        Send(caller="a", expect=refused),
    )
    return Trial(
        name="T1 edge",
        purpose="the full limit at once, one more by any way round it, and all of it again",
        steps=(
            Mark("start"),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            *_ways_round(promise, n),
            *(polls if n.sliding else ()),
            *_advised(promise, n),
            Wait(ns=n.recover, since="now" if promise.refused_count else "admitted"),
            Send(caller="a", times=n.cap - 1, expect=n.if_roomy(exactly(n.cap - 1))),
            Send(caller="a", times=_BRINK, together=True, expect=n.if_roomy(ONE)),
            *wait_for_reset(promise, n),
        ),
    )


def _exhausted_bucket(promise: RateLimit, n: Numbers) -> Trial:
    brink = Expect(1, 2) if n.frozen else None
    return Trial(
        name="T1 edge",
        purpose="the whole bucket at once, one more by any way round it, and all of it again",
        steps=(
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            *_ways_round(promise, n),
            *_advised(promise, n),
            Wait(ns=n.recover),
            Send(caller="a", times=n.cap - 2, expect=exactly(n.cap - 2)),
            Send(caller="a", times=_BRINK, together=True, expect=brink),
            *wait_for_reset(promise, n),
        ),
    )


def _ways_round(promise: RateLimit, n: Numbers) -> tuple[Step, ...]:
    """Invented addresses, another connection; and others must not be refused with it."""
    forwarded = Send(caller="a", times=2, forwarded="*", expect=n.last())
    ways: list[Step] = [forwarded] if promise.key == "ip" else []
    ways.append(Send(caller="a", times=2, connection="second", expect=n.last()))
    if promise.key != "global":
        ways.append(Send(caller="others", times=3, per_caller=1, expect=exactly(3)))
    return tuple(ways)


def _advised(promise: RateLimit, n: Numbers) -> tuple[Step, ...]:
    if not promise.has_retry_after or promise.retry_after == "present":
        return ()
    return obey(promise, n)
