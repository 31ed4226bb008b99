"""Player, trials and conclusion against simulated services: honest ones are kept, others never.

``make prove`` plays many parameter sets of each row, the tests a seeded sample.
"""

from __future__ import annotations

from typing import Final

import pytest

from harness.seeds import Seed
from harness.verdict import Status
from tests.runner.services import HONEST, LYING, UNDECIDED, Drawn

SAMPLE: Final = 1
ROWS: Final = {**HONEST, **LYING, **UNDECIDED}
WANTED: Final = {
    **dict.fromkeys(HONEST, Status.KEPT),
    **dict.fromkeys(LYING, Status.BROKEN),
    **dict.fromkeys(UNDECIDED, Status.UNKNOWN),
}


def draw(name: str, number: int) -> tuple[Drawn, Seed]:
    """Parameter set ``number`` of a row; the same for ever."""
    seed = Seed(number)
    return Drawn.by(seed.stream("parameters", name)), seed


@pytest.mark.parametrize("name", ROWS)
def test_each_service_has_its_verdict(name: str) -> None:
    """Honest: every trial conclusive, nothing accused. A defect: proved in three fresh worlds."""
    for number in range(SAMPLE):
        drawn, seed = draw(name, number)
        result = ROWS[name].verify(drawn, seed)
        assert result.verdict.status is WANTED[name], (number, drawn, result.verdict)


def main(sets: int) -> dict[str, dict[str, int]]:
    """How each row was judged over ``sets`` parameter sets."""
    counts: dict[str, dict[str, int]] = {}
    for name, row in ROWS.items():
        counts[name] = dict.fromkeys(Status, 0)
        for number in range(sets):
            result = row.verify(*draw(name, number))
            counts[name][result.verdict.status] += 1
    return counts
