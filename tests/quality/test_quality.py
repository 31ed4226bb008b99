"""A sample of the quality matrix; ``make prove`` plays all of it."""

from __future__ import annotations

import pytest

from fixtures.mutants import (
    MUTANTS,
    OTHER_WORDS,
    TARGETS,
    Mutant,
    breaker,
    bulkhead,
    deadline,
    retry,
)
from fixtures.strangers import STRANGERS, Side, Stranger
from harness.seeds import Seed
from harness.verdict import Status
from tests.quality.examine import busy_cores, examine, reference, slow_client
from tests.quality.matrix import mutant_row
from tests.quality.strangers import half, judged, why_not

_DRAWN = Seed(11)
_GUARDED = frozenset({*breaker.MUTANTS, *retry.MUTANTS, *deadline.MUTANTS, *bulkhead.MUTANTS})


def _sample() -> list[Mutant]:
    """Some planted defects of each kind of promise, and some under words that are not their own."""
    rng = _DRAWN.stream("mutants")
    rates = [m for m in MUTANTS if m not in _GUARDED]
    of_targets = [[m for m in rates if m.target == name and not m.words] for name in TARGETS]
    others = [m for m in rates if m.words]
    drawn = [m for group in (*of_targets, others) for m in rng.sample(group, 3)]
    kinds = (breaker.MUTANTS, retry.MUTANTS, deadline.MUTANTS, bulkhead.MUTANTS)
    return drawn + [m for group in kinds for m in rng.sample(group, 1)]


@pytest.mark.parametrize("name", [*TARGETS, *_DRAWN.stream("other words").sample(OTHER_WORDS, 2)])
def test_healthy_targets_keep_all_their_promises(name: str) -> None:
    """Each promise of a healthy target is kept, with every trial conclusive."""
    for promise, result in examine(reference(name)).items():
        assert result.verdict.status is Status.KEPT, f"{promise}: {result.verdict.reason}"


@pytest.mark.parametrize("mutant", _sample(), ids=lambda mutant: mutant.name)
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


@pytest.mark.parametrize(
    ("load", "contract", "promises"),
    [(busy_cores, "sum", ["sum-rate", "sum-retry"]), (slow_client, "closed", ["closed"])],
    ids=["busy cores", "slow client"],
)
def test_nobody_is_accused_on_a_loaded_machine(
    load: object, contract: str, promises: list[str]
) -> None:
    """However slow machine or client are, a healthy target is never called broken."""
    assert callable(load)
    with load():
        for name, result in examine(reference(contract), promises).items():
            assert result.verdict.status is not Status.BROKEN, f"{name}: {result.verdict.reason}"


@pytest.mark.parametrize("side", ["kept", "broken"])
@pytest.mark.parametrize(
    "stranger",
    _DRAWN.stream("strangers").sample(STRANGERS, 3),
    ids=lambda stranger: stranger.name,
)
def test_a_released_limiter_keeps_what_it_says_and_no_more(stranger: Stranger, side: Side) -> None:
    """Its documentation is right under one contract; the other one it breaks in the half foretold."""
    reason = why_not(stranger)
    if reason is not None:
        pytest.skip(reason)
    result = judged(stranger, side)
    assert result.verdict.status == side, result.verdict
    assert side == "kept" or half(result) in stranger.halves, result.verdict
