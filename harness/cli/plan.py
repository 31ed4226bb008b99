"""``stormproof plan``: what would be called, started and touched, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.contract.load import LoadedContract
from harness.contract.words import Promise
from harness.plan import Cut, Trial
from harness.plugin import SEED
from harness.plugin.settings import check_selection, load_all
from harness.promises import kinds
from harness.promises.base import Surroundings
from harness.runner.callers import can_call_from
from harness.seeds import Seed
from harness.units import NS_PER_S

_CALL_S = 0.001
"""What one call costs on an ordinary machine; a rough word, shown as such."""


def show_plan(paths: Sequence[Path]) -> int:
    """Print the plan of each contract; starts nothing.

    Raises:
        HarnessError: a contract cannot be used.
    """
    contracts = load_all(paths)
    check_selection(contracts, frozenset())
    console = Console(highlight=False)
    for loaded in contracts:
        console.print(f"[bold]{escape(loaded.contract.service)}[/] ({escape(str(loaded.path))})")
        for line in (*_touched(loaded), *_faults(loaded)):
            console.print(f"  {escape(line)}", soft_wrap=True)
        console.print()
        for line in _trials(loaded):
            console.print(f"  {line}", soft_wrap=True)
        console.print()
    return 0


def planned(loaded: LoadedContract, promise: Promise, *, frozen: bool = True) -> Sequence[Trial]:
    """The trials of a promise, as ``verify`` would draw them from the default seed."""
    contract = loaded.contract
    around = Surroundings(
        promises=contract.promises,
        ok={name: frozenset(spec.ok) for name, spec in contract.operations.items()},
        frozen=frozen,
        can_call_from=can_call_from,
        rng=Seed(SEED).stream(contract.service, promise.id),
    )
    return kinds()[promise.kind].trials(promise, around)


def _touched(loaded: LoadedContract) -> Iterator[str]:
    target = loaded.contract.target
    if target.url is not None:
        yield f"calls    {target.url}, which runs already; it is never stopped or restarted"
        return
    for name, dependency in loaded.contract.dependencies.items():
        yield (
            f"starts   {dependency.kind} for {name}: a free loopback port, a private folder; "
            "ended and removed afterwards"
        )
    for command in target.setup:
        yield f"runs     {' '.join(command)}; what it leaves is not undone"
    yield (
        f"starts   {' '.join(target.command or ())} in {target.cwd or '{contract.dir}'}: a free "
        "loopback port; its whole process group is ended afterwards"
    )
    yield "holds    the clock of these processes, where it can; released before they are ended"
    yield "calls    only that port, from 127.0.0.1 and fresh addresses 127.64.0.1 and up"
    yield "writes   the report folder, and a private folder that is removed"


def _faults(loaded: LoadedContract) -> Iterator[str]:
    cut = {
        step.dependency
        for promise in loaded.contract.promises
        for trial in planned(loaded, promise)
        for step in trial.steps
        if isinstance(step, Cut)
    }
    for name in sorted(cut):
        yield f"faults   {name} is killed; undone by a restart on the same port, empty"


def _trials(loaded: LoadedContract) -> Iterator[str]:
    for promise in loaded.contract.promises:
        trials = planned(loaded, promise)
        calls = sum(trial.calls for trial in trials)
        yield (
            f"[bold]{promise.id}[/] ({promise.kind}): up to {calls:,} calls, about "
            f"{max(1, round(calls * _CALL_S))} s on a held clock"
        )
        for trial in trials:
            span = f"{trial.span_ns / NS_PER_S:,.1f} s"
            said = escape(trial.cannot or trial.purpose)
            yield f"  {trial.name:<18}{trial.calls:>7,} calls {span:>11}  {said}"
