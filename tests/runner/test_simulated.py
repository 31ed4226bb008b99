"""Player, trials and conclusion against simulated limiters: honest ones are kept, others never.

Columns and rows are those of the table "honest algorithm x words" of the semantics. ``make prove``
plays a thousand parameter sets, the tests a seeded sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.simulated import All, Bucket, Fixed, Limiter, Log, TwoBuckets
from tests.runner.simulated_world import simulate

SAMPLE = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """One parameter set: N calls in W ns, a bucket of B, and a phase."""

    count: int
    window_ns: int
    burst: int
    phase_ns: int

    @classmethod
    def by(cls, rng: Random) -> Drawn:
        window_ns = rng.choice([1, 2, 7, 10, 60, 61, 600, 3_600]) * NS_PER_S
        count = round(3 * 1.07 ** rng.randrange(42))
        return cls(count, window_ns, rng.randint(2, 30), rng.randrange(window_ns))

    @property
    def limit(self) -> str:
        return f"{self.count}/{self.window_ns // NS_PER_S}s"


Maker = Callable[[Drawn], Limiter]

HONEST: dict[str, tuple[Maker, Callable[[Drawn], dict[str, Any]]]] = {
    "log": (lambda d: Log(d.count, d.window_ns), lambda d: {"limit": d.limit}),
    "log, closed": (lambda d: Log(d.count, d.window_ns, closed=True), lambda d: {"limit": d.limit}),
    "fixed": (
        lambda d: Fixed(d.count, d.window_ns, d.phase_ns),
        lambda d: {"limit": d.limit, "window": "fixed"},
    ),
    "from first call": (
        lambda d: Fixed(d.count, d.window_ns, None),
        lambda d: {"limit": d.limit, "window": "fixed"},
    ),
    "two buckets": (
        lambda d: TwoBuckets(d.count, d.window_ns, d.phase_ns),
        lambda d: {"limit": d.limit, "window": "approximate"},
    ),
    "bucket": (
        lambda d: Bucket(d.burst, d.count, d.window_ns),
        lambda d: {"limit": d.limit, "burst": d.burst},
    ),
    "log of all": (
        lambda d: Log(d.count, d.window_ns, counts_refusals=True),
        lambda d: {"limit": d.limit, "refused_count": True},
    ),
    "two limits": (
        lambda d: All([Log(d.count, d.window_ns), Log(3 * d.count, 10 * d.window_ns)]),
        lambda d: {"limit": [d.limit, f"{3 * d.count}/{10 * d.window_ns // NS_PER_S}s"]},
    ),
}

LYING: dict[str, tuple[Maker, Callable[[Drawn], dict[str, Any]]]] = {
    "one too many": (lambda d: Log(d.count + 1, d.window_ns), lambda d: {"limit": d.limit}),
    "one too few": (lambda d: Log(d.count - 1, d.window_ns), lambda d: {"limit": d.limit}),
    "fixed as a window": (
        lambda d: Fixed(d.count, d.window_ns, d.phase_ns),
        lambda d: {"limit": d.limit},
    ),
    "from first call as a window": (
        lambda d: Fixed(d.count, d.window_ns, None),
        lambda d: {"limit": d.limit},
    ),
    "bucket as a window": (
        lambda d: Bucket(d.count, d.count, d.window_ns),
        lambda d: {"limit": d.limit},
    ),
    "refusals counted": (
        lambda d: Log(d.count, d.window_ns, counts_refusals=True),
        lambda d: {"limit": d.limit},
    ),
    "log as a bucket": (
        lambda d: Log(d.count, d.window_ns),
        lambda d: {"limit": d.limit, "burst": d.count},
    ),
    "bucket one too big": (
        lambda d: Bucket(d.burst + 1, d.count, d.window_ns),
        lambda d: {"limit": d.limit, "burst": d.burst},
    ),
    "bucket one too small": (
        lambda d: Bucket(d.burst - 1, d.count, d.window_ns),
        lambda d: {"limit": d.limit, "burst": d.burst},
    ),
    "bucket a tenth too fast": (
        lambda d: Bucket(d.burst, d.count * 11, d.window_ns * 10),
        lambda d: {"limit": d.limit, "burst": d.burst},
    ),
    "drained by refusals": (
        lambda d: Bucket(d.burst, d.count, d.window_ns, drained_by_refusals=True),
        lambda d: {"limit": d.limit, "burst": d.burst},
    ),
    "window a tenth short": (
        lambda d: Log(d.count, d.window_ns * 9 // 10),
        lambda d: {"limit": d.limit},
    ),
    "window a tenth long": (
        lambda d: Log(d.count, d.window_ns * 11 // 10),
        lambda d: {"limit": d.limit},
    ),
    "fixed windows a tenth short": (
        lambda d: Fixed(d.count, d.window_ns * 9 // 10, d.phase_ns),
        lambda d: {"limit": d.limit, "window": "fixed"},
    ),
}


def draw(name: str, number: int) -> tuple[Drawn, Seed]:
    """Parameter set ``number`` of a row; the same for ever."""
    seed = Seed(number)
    drawn = Drawn.by(seed.stream("parameters", name))
    while drawn.window_ns // drawn.count < NS_PER_S // 50:
        drawn = Drawn(max(3, drawn.count // 2), drawn.window_ns, drawn.burst, drawn.phase_ns)
    return drawn, seed


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_limiter_is_kept(name: str) -> None:
    """Every trial conclusive, nothing accused, for each parameter set."""
    make, promise = HONEST[name]
    for number in range(SAMPLE):
        drawn, seed = draw(name, number)
        result = simulate(make(drawn), seed, **promise(drawn))
        assert result.verdict.status is Status.KEPT, (number, drawn, result.verdict)


@pytest.mark.parametrize("name", LYING)
def test_a_lying_limiter_is_broken(name: str) -> None:
    """Proved, in three of three fresh worlds."""
    make, promise = LYING[name]
    for number in range(SAMPLE):
        drawn, seed = draw(name, number)
        result = simulate(make(drawn), seed, **promise(drawn))
        assert result.verdict.status is Status.BROKEN, (number, drawn, result.verdict)


def main(sets: int) -> dict[str, dict[str, int]]:
    """How each row was judged over ``sets`` parameter sets."""
    counts: dict[str, dict[str, int]] = {}
    for name, (make, promise) in {**HONEST, **LYING}.items():
        counts[name] = dict.fromkeys(Status, 0)
        for number in range(sets):
            drawn, seed = draw(name, number)
            result = simulate(make(drawn), seed, **promise(drawn))
            counts[name][result.verdict.status] += 1
    return counts
