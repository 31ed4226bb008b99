"""The trials of ``rate_limit``: "What `rate_limit` means", section 3, as plans.

Each caller symbol is a fresh key. ``cap`` is B or N; ``m`` the margin to a border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.plan import (
    Cut,
    Expect,
    Heal,
    Mark,
    Phase,
    Send,
    Step,
    Trial,
    Until,
    Wait,
    WaitAdvised,
)
from harness.promises.rate_limit.numbers import Numbers, Scene, advice_ns
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S

_ONE = Expect.exactly(1)
_OTHERS = 24
_BRINK = 8


def trials(promise: RateLimit, scene: Scene) -> tuple[Trial, ...]:
    """All trials that the declared words need, the cheapest and most telling first."""
    n = Numbers.of(promise, scene)
    if n.large:
        return tuple(_spread(trial, promise, scene) for trial in _large(promise, n, scene))
    planned = [*_edge(promise, n), *_concurrent(n), *_keys(promise, n), *_connections(promise, n)]
    planned += [*_advice(promise, n), *_forwarded(promise, n, scene), *_poller(promise, n)]
    planned += [*_saturate(promise, n), *_several(promise, n), *_random(n, scene)]
    planned += [*_store(promise, n, scene)]  # last: after it, processes may count for themselves
    return tuple(_spread(trial, promise, scene) for trial in planned)


def _edge(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if n.bucket:
        yield from _bucket_edge(n)
        return
    refused = n.none()
    back = Wait(ns=n.recover, since="now" if promise.refused_count else "admitted")
    yield Trial(
        name="T1 edge",
        purpose="the full limit at once, one more, and all of it again a window later",
        steps=(
            Mark("start"),
            Send(caller="a", times=n.cap + 1, together=not n.frozen, expect=n.full()),
            Wait(ns=n.w // 2, since="start"),
            Send(caller="a", expect=n.if_sliding(refused)),
            Wait(ns=n.w - n.m, since="start"),
            Send(caller="a", expect=n.if_sliding(refused)),
            back,
            Send(caller="a", times=n.cap + 1, expect=n.full() if n.roomy else None),
        ),
    )
    yield Trial(
        name="T2 straddle",
        purpose="one call early and the rest at the border of its window",
        needed=n.sliding,
        steps=(
            Mark("start"),
            Send(caller="a", expect=_ONE),
            Wait(ns=n.w - n.m, since="start"),
            Send(
                caller="a",
                times=n.cap,
                together=not n.frozen,
                expect=n.if_sliding(n.full(1)),
            ),
            Wait(ns=n.w + 2 * n.g + (0 if n.frozen else n.m), since="start"),
            Send(caller="a", times=3, expect=_straddled(promise, n)),
            Wait(ns=n.w // 2),
            Send(caller="a", times=3, expect=_straddled(promise, n, later=True)),
        ),
    )


def _straddled(promise: RateLimit, n: Numbers, *, later: bool = False) -> Expect | None:
    if not n.sliding or not n.roomy or promise.refused_count:
        return None
    return Expect.exactly(0 if later else 1)


def _bucket_edge(n: Numbers) -> Iterator[Trial]:
    if not n.frozen and n.t <= 8 * n.m:
        yield Trial(
            name="T1b edge",
            purpose="the bucket's size and its refill",
            steps=(),
            cannot=f"one token every {n.t // 1000} us is too fast to be told apart in real time; "
            "a held clock would settle it",
        )
    else:
        yield Trial(
            name="T1b edge",
            purpose="the bucket's size, and one token after each refill, not earlier",
            steps=(
                Mark("start"),
                *(
                    (Send(caller="a", times=n.cap - 1, expect=_all(n.cap - 1)),)
                    if n.cap > 1
                    else ()
                ),
                Wait(ns=2 * n.g, since="start"),
                Send(caller="a", times=2, expect=_ONE),
                Wait(ns=n.t * 6 // 10, since="start"),
                Send(caller="a", expect=n.none()),
                Wait(ns=n.t - n.m, since="start"),
                Send(caller="a", expect=n.none()),
                Wait(ns=n.t + (2 * n.g if n.frozen else n.m), since="start"),
                Mark("refilled"),
                Send(caller="a", times=2, expect=_ONE if n.frozen else None),
                Wait(ns=n.t * 6 // 10, since="refilled"),
                Send(caller="a"),
                Wait(ns=n.t * 5 // 4, since="refilled"),
                Send(caller="a", expect=_ONE),
                Wait(ns=n.cap * n.t + 2 * n.g),
                Send(caller="a", times=n.cap + 1, expect=n.full()),
            ),
        )
    yield Trial(
        name="T1b rest",
        purpose="a bucket that was left alone for long is full, and no fuller",
        steps=(
            Send(caller="a", expect=_ONE if n.cap > 1 else None),
            Wait(ns=2 * max(n.w, n.cap * n.t)),
            Send(caller="a", times=n.cap + 2, expect=n.full()),
        ),
    )


def _all(count: int) -> Expect:
    return Expect.exactly(count)


def _concurrent(n: Numbers) -> Iterator[Trial]:
    extra = max(4, n.cap // 2)
    steps: list[Step] = []
    for used, caller in enumerate("abc"):
        before = min(used, n.cap)
        if used:
            steps.append(Send(caller=caller, times=used, expect=None if n.bucket else _all(before)))
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
            Send(caller="others", times=_OTHERS, per_caller=1, expect=_all(_OTHERS)),
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
            Send(caller="a", times=2, connection="second", expect=_last(n)),
            Send(caller="a", times=2, connection="third", expect=n.none()),
        ),
    )


def _last(n: Numbers) -> Expect | None:
    if n.bucket:
        return Expect(0, 1) if n.frozen else None
    return Expect.exactly(0)


def _advice(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if not promise.has_retry_after or promise.retry_after == "present":
        return
    pause = 2 * n.t if n.bucket else n.w // 3
    unround = pause // NS_PER_S * NS_PER_S + 410_000_000
    for number, phase_ms in enumerate((130, 500, 870), start=1):
        yield Trial(
            name=f"T5 Retry-After {number}",
            purpose="waiting as long as advised is enough, whatever the phase of the second",
            steps=(
                Phase(phase_ms * 1_000_000),
                Send(caller="a", times=n.cap + 1, expect=n.full()),
                Wait(ns=unround),
                Until(send=Send(caller="a"), most=n.cap + 2),
                WaitAdvised(2 * n.g, advice_ns(promise)),
                Send(caller="a", expect=_ONE if n.roomy else None),
            ),
        )


def _forwarded(promise: RateLimit, n: Numbers, scene: Scene) -> Iterator[Trial]:
    if promise.key != "ip":
        return
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
            Send(caller="y", forwarded="@y", via_proxy=True, expect=_free_if_one(n)),
            Send(caller="x", times=2, forwarded="*, @x", via_proxy=True, expect=n.none()),
            Send(caller="z", times=n.cap + 1, forwarded="*, @z", via_proxy=True, expect=n.full()),
        ),
    )


def _free_if_one(n: Numbers) -> Expect | None:
    return None if n.bucket and n.cap == 1 else _ONE


def _poller(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if promise.refused_count:
        return
    steps: list[Step] = [Mark("start"), Send(caller="a", times=n.cap + 1, expect=n.full())]
    every, polls = (n.t // 3, 2) if n.bucket else (n.w // 8, 7)
    for poll in range(1, polls + 1):
        steps += [Wait(ns=every * poll, since="start"), Send(caller="a")]
    back = n.t + 2 * n.g if n.bucket else n.recover
    steps += [Wait(ns=back, since="admitted"), Send(caller="a", expect=_ONE)]
    yield Trial(
        name="T1 poller",
        purpose="a client that never stops asking gets in again",
        steps=tuple(steps),
    )


def _saturate(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if promise.window is None:
        return
    steps: list[Step] = []
    for _ in range((12 if n.frozen else 3) * 40):
        steps += [Until(send=Send(caller="a"), most=n.cap + 1), Wait(ns=max(1, n.w // 40))]
    yield Trial(
        name="T7 saturate", purpose="window after window, as much as it gives", steps=tuple(steps)
    )
    halves: list[Step] = [Send(caller="a", times=n.cap), Wait(ns=n.w // 2)]
    for _ in range(n.cap):
        halves += [Send(caller="a"), Wait(ns=n.t)]
    halves.append(Send(caller="a", times=n.cap))
    for _ in range(n.cap // 2):
        halves += [Wait(ns=n.t), Send(caller="a")]
    yield Trial(
        name="T7 bucket", purpose="a bucket is no row of fixed windows", steps=tuple(halves)
    )


def _several(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    if len(promise.limit) < 2:
        return
    longer = min(promise.limit, key=lambda rate: (rate.window_ns == n.w, rate.count))
    if longer.count <= n.n:
        yield Trial(
            name="T8 several limits",
            purpose="each limit is there",
            steps=(Send(caller="a", times=longer.count + 1, expect=_all(longer.count)),),
        )
        return
    steps: list[Step] = [Send(caller="a", times=n.n + 40, expect=_all(n.n))]
    left = longer.count - n.n
    while left > 0:
        batch = min(left, n.n)
        steps += [
            Wait(ns=n.recover, since="admitted"),
            Send(caller="a", times=batch, expect=_all(batch)),
        ]
        left -= batch
    steps += [
        Wait(ns=n.recover, since="admitted"),
        Send(caller="a", times=2, expect=_all(0)),
        Wait(ns=longer.window_ns + 2 * n.g, since="admitted"),
        Send(caller="a", expect=_ONE),
    ]
    yield Trial(
        name="T8 several limits",
        purpose="the longer limit holds too, and refusals are not charged to it",
        steps=tuple(steps),
    )


def _store(promise: RateLimit, n: Numbers, scene: Scene) -> Iterator[Trial]:
    if promise.store is None:
        return
    open_, closed, local = (promise.store.when_down == word for word in ("open", "closed", "local"))
    over = scene.workers * n.cap + 1
    after = (scene.workers + 1) * n.cap + 1 if local else n.cap + 1
    yield Trial(
        name="T9 store",
        purpose=f"the store goes away ({promise.store.when_down} is promised) and comes back",
        steps=(
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            Cut(promise.store.dependency),
            Send(caller="a", times=2, expect=_all(2) if open_ else _all(0) if closed else None),
            Send(
                caller="b", times=over, expect=_all(over) if open_ else _all(0) if closed else None
            ),
            Heal(promise.store.dependency),
            Wait(ns=n.w + 3 * n.g),
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


def _large(promise: RateLimit, n: Numbers, scene: Scene) -> Iterator[Trial]:
    """The reduced set: once at the limit, a single call too many is proof."""
    if n.bucket:
        yield from _bucket_edge(n)
        yield from _store(promise, n, scene)
        return
    shared = promise.key == "global"
    probes: list[Step] = []
    if promise.key == "ip":
        probes.append(Send(caller="a", times=2, forwarded="*", expect=_all(0)))
    probes.append(Send(caller="a", times=2, connection="second", expect=_all(0)))
    if not shared:
        probes.append(Send(caller="others", times=3, per_caller=1, expect=_all(3)))
    advised: tuple[Step, ...] = ()
    if promise.has_retry_after and promise.retry_after != "present":
        advised = (
            WaitAdvised(2 * n.g, advice_ns(promise)),
            Send(caller="a", expect=n.if_sliding(_ONE)),
        )
    yield Trial(
        name="T1 edge",
        purpose="the full limit at once, one more by any way round it, and all of it again",
        steps=(
            Mark("start"),
            Send(caller="a", times=n.cap + 1, expect=n.full()),
            *probes,
            Wait(ns=n.w // 2, since="start"),
            Send(caller="a", expect=n.if_sliding(_all(0))),
            Wait(ns=n.w - n.m, since="start"),
            Send(caller="a", expect=n.if_sliding(_all(0))),
            *advised,
            Wait(ns=n.recover, since="now" if promise.refused_count else "admitted"),
            Send(caller="a", times=n.cap - 1, expect=_all(n.cap - 1) if n.roomy else None),
            Send(caller="a", times=_BRINK, together=True, expect=_ONE if n.roomy else None),
        ),
    )
    yield next(trial for trial in _edge(promise, n) if trial.name == "T2 straddle")
    yield Trial(
        name="T3 concurrent",
        purpose="more than the limit at the same moment",
        steps=(Send(caller="a", times=n.cap + _BRINK, together=True, expect=n.full()),),
    )
    yield from _several(promise, n)
    yield from _store(promise, n, scene)


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
