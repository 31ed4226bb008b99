"""The trials of ``rate_limit``: "What `rate_limit` means", section 3, as plans.

Each caller symbol is a fresh key. ``cap`` is B or N; ``m`` the margin to a border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.plan import Cut, Heal, Send, Step, Trial, Until, Wait
from harness.promises.rate_limit.advised import advised
from harness.promises.rate_limit.edges import edges, poller
from harness.promises.rate_limit.large import large
from harness.promises.rate_limit.long_trials import saturate, several
from harness.promises.rate_limit.numbers import ONE, Numbers, Scene, exactly
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S

_OTHERS = 24
_RECONNECTED_NS = 300 * NS_PER_S
"""A service may put off its first use of a store that is back; on a held clock patience costs nothing."""


def trials(promise: RateLimit, scene: Scene) -> tuple[Trial, ...]:
    """All trials that the declared words need, the cheapest and most telling first."""
    n = Numbers.of(promise, scene)
    if n.large:
        planned = [*large(promise, n), *_forwarded(promise, n, scene, proxied_only=True)]
    else:
        planned = [*edges(promise, n), *_concurrent(promise, n), *_keys(promise, n)]
        planned += [*_connections(promise, n), *advised(promise, n), *_forwarded(promise, n, scene)]
        planned += [*poller(promise, n)]
    planned += [*saturate(promise, n), *several(promise, n)]
    if not n.large:
        planned += [*_random(n, scene)]
    planned += [*_store(promise, n)]  # last: after it, processes may count for themselves
    return tuple(_spread(trial, promise, scene) for trial in planned)


def _concurrent(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """The rounds differ in what was used before: else two that race would hide in an even number."""
    extra = max(4, n.cap // 2)
    steps: list[Step] = []
    for used, caller in enumerate("abc"):
        before = min(used, n.cap)
        if used and promise.key == "global":  # the same budget again
            steps.append(Wait(ns=n.recover))
        if used:
            expect = None if n.bucket else exactly(before)
            steps.append(Send(caller=caller, times=used, expect=expect))
        together = n.cap + extra - before
        steps.append(Send(caller=caller, times=together, together=True, expect=n.full(before)))
    yield Trial(
        name="T3 concurrent",
        purpose="more than the limit at the same moment, three rounds",
        steps=tuple(steps),
    )


def _keys(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    steps: tuple[Step, ...]
    if promise.key == "global":
        steps = (Send(caller="a", times=n.cap + 1, per_caller=1, expect=n.full()),)
        purpose = "one budget, however many clients share it"
    else:
        steps = (
            Send(caller="a", times=n.cap + 1, connection="kept", expect=n.full()),
            Send(caller="others", times=_OTHERS, per_caller=1, expect=exactly(_OTHERS)),
            Send(caller="a", expect=n.none()),
        )
        purpose = "one client at its limit leaves 24 others alone, and they do not free it"
    yield Trial(name="T4 keys", purpose=purpose, steps=steps)


def _connections(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if promise.key == "global":
        return
    yield Trial(
        name="T4 connections",
        purpose="a new connection of the same client is no new client",
        steps=(
            Send(caller="a", times=n.cap, connection="first", expect=n.full()),
            Send(caller="a", times=2, connection="second", expect=n.last()),
            Send(caller="a", times=2, connection="third", expect=n.none()),
        ),
    )


def _forwarded(
    promise: RateLimit, n: Numbers, scene: Scene, *, proxied_only: bool = False
) -> Iterator[Trial]:
    if promise.key != "ip":
        return
    if not proxied_only:
        yield Trial(
            name="T6 spoofed",
            purpose="an invented X-Forwarded-For makes no new client",
            steps=(Send(caller="a", times=n.cap + 1, forwarded="*", expect=n.full()),),
        )
    if not promise.trusted_proxies:
        return
    if not scene.proxy:
        yield Trial(
            name="T6 proxied",
            purpose="behind a trusted proxy the client's own address counts",
            steps=(),
            cannot=f"this machine cannot call from {promise.trusted_proxies[0]}, the first trusted "
            "proxy; declare a loopback address such as 127.0.0.2 for the test",
        )
        return
    yield Trial(
        name="T6 proxied",
        purpose="behind a trusted proxy the rightmost untrusted address counts",
        steps=(
            Send(caller="x", times=n.cap + 1, forwarded="@x", via_proxy=True, expect=n.full()),
            Send(caller="y", forwarded="@y", via_proxy=True, expect=ONE),
            Send(caller="x", times=2, forwarded="*, @x", via_proxy=True, expect=n.none()),
            Send(caller="z", times=n.cap + 1, forwarded="*, @z", via_proxy=True, expect=n.full()),
        ),
    )


def _store(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if promise.store is None:
        return
    open_, closed, local = (promise.store.when_down == word for word in ("open", "closed", "local"))
    over = promise.workers * n.cap + 1
    after = (promise.workers + 1) * n.cap + 1 if local else n.cap + 1
    yield Trial(
        name="T9 store",
        purpose=f"the store goes away ({promise.store.when_down} is promised) and comes back",
        steps=(
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            Cut(promise.store.dependency),
            Send(
                caller="a", times=2, expect=exactly(2) if open_ else exactly(0) if closed else None
            ),
            Send(
                caller="b",
                times=over,
                expect=exactly(over) if open_ else exactly(0) if closed else None,
            ),
            Heal(promise.store.dependency),
            Wait(ns=max(n.w, n.recover, _RECONNECTED_NS if n.frozen else 0) + 3 * n.g),
            Send(caller="fresh", times=after, expect=None if local else n.full()),
        ),
    )


def _random(n: Numbers, scene: Scene) -> Iterator[Trial]:
    waits = [0, n.g, max(n.g, n.t - n.m), n.t + n.g, n.w // 3, n.w // 2, n.w - n.m, n.w + n.g]
    bursts = [1, 2, max(1, n.cap // 2), n.cap, n.cap + 1]
    for number in (1, 2, 3):
        steps: list[Step] = []
        spent = 0
        for _ in range(10):
            pause = scene.rng.choice(waits)
            if not n.frozen and spent + pause > 2 * n.w:
                pause = 0
            spent += pause
            if pause:
                steps.append(Wait(ns=pause))
            steps.append(Send(caller="a", times=scene.rng.choice(bursts)))
        yield Trial(
            name=f"T10 random {number}",
            purpose="a plan drawn from the seed",
            steps=tuple(steps),
        )


def _spread(trial: Trial, promise: RateLimit, scene: Scene) -> Trial:
    """On a shared key the calls come from many clients, so that no limit for each refuses them."""
    if promise.key != "global" or scene.per_caller is None:
        return trial

    def spread(step: Step) -> Step:
        match step:
            case Send(per_caller=None):
                return replace(step, per_caller=scene.per_caller)
            case Until():
                return replace(step, send=replace(step.send, per_caller=scene.per_caller))
            case _:
                return step

    return replace(trial, steps=tuple(spread(step) for step in trial.steps))
