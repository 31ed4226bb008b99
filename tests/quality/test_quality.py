"""A sample of the quality matrix; ``make prove`` plays all of it."""

from __future__ import annotations

import pytest

from fixtures.mutants import MUTANTS, Mutant
from harness.seeds import Seed
from harness.verdict import Status
from tests.quality.examine import busy_cores, examine, reference, slow_client
from tests.quality.matrix import mutant_row

_DRAWN = Seed(11)


def test_healthy_targets_keep_all_their_promises(target: str) -> None:
    """Each promise of a healthy target is kept, with every trial conclusive."""
    for name, result in examine(reference(target)).items():
        assert result.verdict.status is Status.KEPT, f"{name}: {result.verdict.reason}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_defect_is_caught_and_nobody_else_accused(mutant: Mutant) -> None:
    """One promise that it breaks is named (drawn from the seed), with a counterexample."""
    promise = _DRAWN.stream(mutant.name).choice(sorted(mutant.breaks))
    row = mutant_row(mutant, [promise])
    result = row.results[promise]
    assert not row.missed, f"{mutant.name} {promise}: {result.verdict}"
    assert not row.accused
    if result.verdict.status is Status.BROKEN:
        assert result.counterexample is not None
        assert result.counterexample.verdict.findings[0].calls


@pytest.mark.parametrize("load", [busy_cores, slow_client], ids=["busy cores", "slow client"])
def test_nobody_is_accused_on_a_loaded_machine(load: object) -> None:
    """However slow machine or client are, a healthy target is never called broken."""
    assert callable(load)
    with load():
        for name, result in examine(reference("sum")).items():
            assert result.verdict.status is not Status.BROKEN, f"{name}: {result.verdict.reason}"


@pytest.fixture(params=["amodels", "sum"])
def target(request: pytest.FixtureRequest) -> str:
    """The reference targets."""
    name: str = request.param
    return name
