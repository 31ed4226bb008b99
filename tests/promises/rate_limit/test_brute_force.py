"""A sample of the comparison with every placement; the full one is ``brute_force.main``."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from tests.promises.rate_limit import brute_force
from tests.promises.rate_limit.brute_force import Outcome

CASES = int(os.environ.get("STORMPROOF_BRUTE_FORCE", "0"))
"""So many cases of each kind instead of the sample."""
SAMPLES: dict[Callable[[Random], Outcome], int] = {
    brute_force.upper_of_window: 600,
    brute_force.upper_of_bucket: 600,
    brute_force.upper_of_fixed: 400,
    brute_force.lower: 600,
    brute_force.over: 150,
}


@pytest.mark.parametrize("kind", brute_force.KINDS, ids=lambda kind: kind.__name__)
def test_nothing_is_claimed_that_a_placement_contradicts(kind: Callable[[Random], Outcome]) -> None:
    """Zero unsound claims; and enough true ones are made for that to mean something."""
    outcomes = brute_force.run(kind, CASES or SAMPLES[kind], seed=1)
    assert [each.shown for each in outcomes if each.unsound] == []
    assert sum(each.claimed for each in outcomes) >= len(outcomes) // 30


def test_the_lower_half_misses_nothing() -> None:
    """What every placement says of a refusal is always found."""
    outcomes = brute_force.run(brute_force.lower, CASES or 600, seed=2)
    assert [each.shown for each in outcomes if each.missed] == []
