"""Trials that take many windows: one after another saturated, and limits beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.plan import Mark, Send, Step, Trial, Until, Wait
from harness.promises.rate_limit.numbers import ONE, Numbers, exactly
from harness.promises.rate_limit.words import RateLimit
from harness.units import Rate

_A_WINDOW = 40
_WINDOWS, _WINDOWS_FEW = 12, 3
_STEADY = 8
_BATCHES_MOST = 2_000
_REFUSED = 40
"""So many calls are refused by the short limit before the long one is tried."""


def saturate(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """T7: windows of an unknown phase tell their length and number only in a row.

    In real time, and where a window holds many calls, three windows must do.
    """
    if promise.window is None:
        return
    windows = _WINDOWS if n.frozen and not n.large else _WINDOWS_FEW
    steps: list[Step] = []
    for _ in range(windows * _A_WINDOW):
        steps += [Until(send=Send(caller="a"), most=n.cap + 1), Wait(ns=max(1, n.w // _A_WINDOW))]
    yield Trial(
        name="T7 saturate", purpose="window after window, as much as it gives", steps=tuple(steps)
    )
    steady = [step for _ in range(n.cap) for step in (Send(caller="a"), Wait(ns=n.t))]
    after = [step for _ in range(_STEADY) for step in (Wait(ns=n.t), Send(caller="a"))]
    yield Trial(
        name="T7 bucket",
        purpose="a full window at once after a steady one, and no pause: a bucket is no row of windows",
        steps=(*steady, Send(caller="a", times=n.cap), *after),
    )


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls at one instant, when those of earlier batches are forgotten: (batch, ns after it)."""

    calls: int
    waits: tuple[tuple[int, int], ...]


def several(promise: RateLimit, n: Numbers) -> Iterator[Trial]:
    """T8: each longer limit is reached at the pace of the shorter ones, and holds."""
    rates = sorted(promise.limit, key=lambda rate: rate.window_ns)
    for number, rate in enumerate(rates[1:], start=1):
        shorter = rates[:number]
        name = "T8 several limits" + ("" if number == 1 else f" {number}")
        if any(is_implied(rate, each) for each in shorter):
            continue
        batches = paced(rate, shorter, n)
        if batches is None:
            yield Trial(
                name=name,
                purpose="the longer limit holds too",
                steps=(),
                cannot=f"at the pace that {' and '.join(map(str, shorter))} allow, {rate} is not "
                f"reached in {_BATCHES_MOST} steps and before its first calls are forgotten; other "
                "numbers for the test would settle it",
            )
            continue
        yield Trial(
            name=name,
            purpose="the longer limit holds too, and refusals are not charged to it",
            steps=tuple(_steps(promise, n, rate, batches)),
        )


def is_implied(rate: Rate, shorter: Rate) -> bool:
    """Whether who keeps the shorter limit keeps the longer one, too: it says nothing more."""
    return rate.count >= shorter.count * -(-rate.window_ns // shorter.window_ns)


def paced(rate: Rate, shorter: Sequence[Rate], n: Numbers) -> list[Batch] | None:
    """Batches that the shorter limits admit, ``rate.count`` calls in all, and a last one of refused.

    None where that takes too many, or the first would be forgotten before the last.
    """
    reach = (n.recover - 2 * n.g) // n.w
    spans = [(each.count, each.window_ns * reach + 2 * n.g) for each in shorter]
    made: list[tuple[int, int]] = []
    batches: list[Batch] = []
    at, left = 0, rate.count
    waits: tuple[tuple[int, int], ...] = ()
    while len(batches) < _BATCHES_MOST:
        held = [sum(calls for then, calls in made if then > at - span) for _, span in spans]
        room = min(count - used for (count, _), used in zip(spans, held, strict=True))
        if room and not left:
            batches.append(Batch(min(room, 2), waits))
            return batches if at + 2 * n.m < rate.window_ns else None
        if room:
            calls = min(room, left)
            batches.append(Batch(calls, waits))
            made.append((at, calls))
            left, waits = left - calls, ()
            continue
        full = [span for (count, span), used in zip(spans, held, strict=True) if used >= count]
        waits = tuple(
            (next(k for k, (then, _) in enumerate(made) if then > at - span), span) for span in full
        )
        at = max(made[k][0] + span for k, span in waits)
    return None


def _steps(promise: RateLimit, n: Numbers, rate: Rate, batches: Sequence[Batch]) -> Iterator[Step]:
    for number, batch in enumerate(batches):
        for before, ns in batch.waits:
            yield Wait(ns=ns, since=f"batch{before}")
        if number == len(batches) - 1:
            yield Send(caller="a", times=batch.calls, expect=exactly(0))
        else:
            more = _REFUSED if not number and not promise.refused_count else 0
            yield Send(caller="a", times=batch.calls + more, expect=exactly(batch.calls))
            yield Mark(f"batch{number}")
    reach = (n.recover - 2 * n.g) // n.w
    yield Wait(
        ns=reach * rate.window_ns + 2 * n.g, since="now" if promise.refused_count else "admitted"
    )
    yield Send(caller="a", expect=ONE)
