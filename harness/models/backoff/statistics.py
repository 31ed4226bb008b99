"""Bounds on how likely a sample is under a law: each is true for every sample size. Only ``math``.

A place ``u`` is F(delay) by a law; under that law places are independent and uniform in [0, 1].
``blur`` is how far a place may be seen from where it was drawn, because timers are rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, log, sqrt
from typing import Final

_TENT_SHARE: Final = 0.9


def kolmogorov(places: Sequence[float], blur: float) -> float:
    """At most how likely it is that uniform places lie so far from the diagonal.

    Source: Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", 1990.

    >>> kolmogorov([0.5] * 100, 0.0) < 1e-20
    True
    """
    n = len(places)
    if n == 0:
        return 1.0
    ordered = sorted(places)
    distance = max(max((i + 1) / n - place, place - i / n) for i, place in enumerate(ordered))
    over = max(0.0, distance - blur)
    return min(1.0, 2 * exp(-2 * n * over * over))


def none_above(places: Sequence[float], blur: float) -> float:
    """How likely it is that no uniform place is larger than the largest of these."""
    return float(min(1.0, max(places) + blur) ** len(places)) if places else 1.0


def none_below(places: Sequence[float], blur: float) -> float:
    """How likely it is that no uniform place is smaller than the smallest of these."""
    return float(min(1.0, 1 - min(places) + blur) ** len(places)) if places else 1.0


def at_least(hits: int, n: int, chance: float) -> float:
    """At most how likely ``hits`` or more of ``n`` are, where the mean chance is ``chance``.

    The tries need not be alike. Source: Hoeffding, "Probability inequalities for sums of bounded
    random variables", 1963, theorem 1.

    >>> at_least(6, 6, 0.1)  # doctest: +ELLIPSIS
    1...e-06
    """
    if n == 0 or hits <= n * chance:
        return 1.0
    if chance <= 0:
        return 0.0
    share = hits / n
    divergence = share * log(share / chance)
    if share < 1:
        divergence += (1 - share) * log((1 - share) / (1 - chance))
    return exp(-n * divergence)


def at_most(hits: int, n: int, chance: float) -> float:
    """At most how likely ``hits`` or fewer of ``n`` are."""
    return at_least(n - hits, n, 1 - chance)


def follows(pairs: Sequence[tuple[float, float]], blur: float) -> float:
    """At most how likely it is that neighbours in a sequence go so far together, or against another.

    ``(u - 1/2) (v - 1/2)`` has mean 0 whatever came before, and lies in a span of 1/2 (Hoeffding, as
    extended to martingales by Azuma, 1967).
    """
    n = len(pairs)
    if n == 0:
        return 1.0
    total = abs(sum((u - 0.5) * (v - 0.5) for u, v in pairs))
    over = max(0.0, total - n * blur)
    return min(1.0, 2 * exp(-8 * over * over / n))


def bell(places: Iterable[float], blur: float) -> float:
    """At most how likely uniform places are, if a tent over the middle explains them so much better.

    The odds of one fixed density against the uniform one are 1 in the mean: over 1/p they are with
    a probability of at most p (Markov). Blurred places count as the least that they can be.
    """
    odds = 0.0
    for place in places:
        least = max(0.0, min(place - blur, 1 - place - blur))
        odds += log(1 - _TENT_SHARE + _TENT_SHARE * 4 * least)
    return exp(-odds) if odds > 0 else 1.0


def tent_odds(places: Iterable[float], blur: float) -> float:
    """Natural logarithm of the odds of the uniform density against the tent."""
    return -sum(log(max(4 * min(place, 1 - place), 4 * blur, 1e-9)) for place in places)


def median_bounds(values: Sequence[float], level: float) -> tuple[float, float]:
    """Where the median of what ``values`` were drawn from lies, but for ``level`` on either side.

    Minus and plus infinity where there are too few of them.
    """
    n = len(values)
    away = sqrt(log(1 / level) / 2 * n) if n else 0.0  # Hoeffding: of n, n/2 give or take
    low, high = int(n / 2 - away), int(n / 2 + away) + 1
    if n == 0 or low < 1 or high > n:
        return float("-inf"), float("inf")
    ordered = sorted(values)
    return ordered[low - 1], ordered[high - 1]
