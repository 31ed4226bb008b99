"""Does something grow without end? Five counts, taken after equal numbers of calls, decide.

A pool grows until it is warm and then stops; a leak goes on. Between the two nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final

COUNTS: Final = 5
"""So many counts decide, with equal numbers of calls between them."""
_STEP_LEAST: Final = 5
_LAST_STEPS: Final = 3
_GROWTH_LEAST: Final = 15
_REST_MOST: Final = 5


class Growth(StrEnum):
    """What five counts say."""

    NONE = "none"
    ENDLESS = "endless"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Leak:
    """What a series of counts shows.

    Attributes:
        growth: whether it goes on.
        a_call: growth a call over the last three steps.
    """

    growth: Growth
    a_call: Fraction


def leak(counts: Sequence[int], calls_between: int, allowed: int = 0) -> Leak:
    """Whether a resource leaks.

    Args:
        counts: five of them, the first before any call.
        calls_between: calls between two counts, at least 1.
        allowed: a lasting rest that is declared.

    Source: "What `deadline` means", section 2.

    >>> leak([10, 35, 60, 85, 110], 50).growth, leak([10, 40, 42, 41, 42], 50).growth
    (<Growth.ENDLESS: 'endless'>, <Growth.NONE: 'none'>)
    """
    if len(counts) != COUNTS:
        raise ValueError(f"{COUNTS} counts decide, got {len(counts)}")
    last = counts[-1 - _LAST_STEPS :]
    steps = [after - before for before, after in pairwise(last)]
    a_call = Fraction(sum(steps), calls_between * _LAST_STEPS)
    if counts[-1] - counts[0] <= allowed or counts[-1] - counts[2] <= _REST_MOST:
        return Leak(Growth.NONE, a_call)
    if min(steps) >= _STEP_LEAST and sum(steps) >= _GROWTH_LEAST:
        return Leak(Growth.ENDLESS, a_call)
    return Leak(Growth.UNDECIDED, a_call)
