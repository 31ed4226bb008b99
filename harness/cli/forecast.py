"""What ``verify`` is going to play, and about how long that will take."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.contract.load import LoadedContract
from harness.contract.words import Promise
from harness.gate.estimate import Key, promise_s
from harness.plan import Trial
from harness.plugin import SEED
from harness.promises import kinds
from harness.promises.base import Surroundings
from harness.runner.callers import can_call_from
from harness.runner.stage import can_play_together
from harness.runner.verify import smoke_set
from harness.seeds import Seed


def planned(
    loaded: LoadedContract,
    promise: Promise,
    *,
    frozen: bool = True,
    smoke: bool = False,
    seed: int = SEED,
) -> Sequence[Trial]:
    """The trials of a promise, as ``verify`` would draw them."""
    contract = loaded.contract
    around = Surroundings(
        promises=contract.promises,
        ok={name: frozenset(spec.ok) for name, spec in contract.operations.items()},
        frozen=frozen,
        can_call_from=can_call_from,
        rng=Seed(seed).stream(contract.service, promise.id),
        operations=contract.operations,
        dependencies=contract.dependencies,
    )
    kind = kinds()[promise.kind]
    trials = kind.trials(promise, around)
    return smoke_set(kind, trials) if smoke else trials


def forecast(
    contracts: Sequence[LoadedContract],
    *,
    frozen: bool,
    budget_s: float,
    smoke: bool = False,
    only: Collection[str] = (),
) -> dict[Key, tuple[float, ...]]:
    """About how many seconds each stretch of each promise takes.

    Args:
        contracts: all of the run.
        frozen: clocks are held, where a target is not just attached.
        budget_s: the most that one promise may take.
        smoke: it is a smoke run.
        only: ids of the promises that are verified; none means all.
    """
    found: dict[Key, tuple[float, ...]] = {}
    for loaded in contracts:
        held = frozen and loaded.contract.target.url is None
        for promise in loaded.contract.promises:
            if only and promise.id not in only:
                continue
            trials = planned(loaded, promise, frozen=held, smoke=smoke)
            found[loaded.contract.service, promise.id] = promise_s(
                trials,
                frozen=held,
                together=can_play_together(promise, trials),
                budget_s=budget_s,
            )
    return found
