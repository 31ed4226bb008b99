"""The bounds are bounds: under the law itself they are undercut no more often than they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import comb
from random import Random

import pytest

from harness.models.backoff import statistics

BLUR = 0.01
Bound = Callable[[Sequence[float]], float]


@pytest.mark.parametrize(
    "bound",
    [
        lambda us: statistics.kolmogorov(us, 0.0),
        lambda us: statistics.none_above(us, 0.0),
        lambda us: statistics.none_below(us, 0.0),
        lambda us: statistics.bell(us, 0.0),
        lambda us: statistics.follows(list(pairwise(us)), 0.0),
    ],
)
@pytest.mark.parametrize("n", [3, 24])
def test_uniform_places_are_seldom_called_unlikely(bound: Bound, n: int) -> None:
    """Of 4,000 samples fewer than 5 in 100 have p below 5 in 100, as a bound must."""
    rng = Random(n)
    low = sum(bound([rng.random() for _ in range(n)]) < 0.05 for _ in range(4_000))
    assert low <= 0.05 * 4_000 + 45  # three standard deviations


@pytest.mark.parametrize(
    ("bound", "sample"),
    [
        (statistics.kolmogorov, [0.5] * 50),
        (statistics.none_above, [i / 100 for i in range(50)]),
        (statistics.none_below, [0.5 + i / 100 for i in range(50)]),
        (statistics.bell, [0.4 + i / 250 for i in range(50)]),
    ],
)
def test_what_is_elsewhere_is_seen(
    bound: Callable[[Sequence[float], float], float], sample: list[float]
) -> None:
    """Each test has something that it finds."""
    assert bound(sample, BLUR) < 1e-4


def test_neighbours_that_go_together() -> None:
    """A sequence whose every wait repeats the place of the one before."""
    rng = Random(1)
    pairs = [(u, u) for u in (rng.random() for _ in range(400))]
    assert statistics.follows(pairs, BLUR) < 1e-6
    assert statistics.follows(pairs, 0.25) == 1.0


@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.9])
def test_binomial_tails_are_bounded(chance: float) -> None:
    """Never below the exact tail."""
    for n in (1, 6, 40):
        for hits in range(n + 1):
            exact = sum(
                comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(hits, n + 1)
            )
            assert statistics.at_least(hits, n, chance) >= exact - 1e-12
            below = sum(comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(hits + 1))
            assert statistics.at_most(hits, n, chance) >= below - 1e-12
    assert statistics.at_least(6, 6, 0.1) == pytest.approx(1e-6)
    assert statistics.at_least(0, 5, 0.0) == 1.0


def test_no_places_prove_nothing() -> None:
    """An empty sample is as likely as anything."""
    for bound in (statistics.kolmogorov, statistics.none_above, statistics.none_below):
        assert bound([], 0.0) == 1.0
    assert statistics.bell([], 0.0) == 1.0
    assert statistics.follows([], 0.0) == 1.0


def test_the_median_lies_within_its_bounds() -> None:
    """Too few values bound nothing; 200 bound it on both sides, and enclose it."""
    assert statistics.median_bounds([1.0] * 10, 1e-6) == (float("-inf"), float("inf"))
    rng = Random(5)
    missed = 0
    for _ in range(500):
        low, high = statistics.median_bounds([rng.random() for _ in range(200)], 0.05)
        missed += not low <= 0.5 <= high
    assert missed <= 50
