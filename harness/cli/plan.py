"""``stormproof plan``: what would be called, started and touched, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.cli.forecast import forecast, planned
from harness.contract.load import LoadedContract
from harness.contract.model import Dependency
from harness.faults.process import Fault, ProcessKilled
from harness.gate.estimate import in_all_s
from harness.plan import Answering, Cut, Inject, Kill, Reaching, Trial
from harness.plugin import BUDGET
from harness.plugin.settings import budget_s, load_all
from harness.units import NS_PER_S


def show_plan(paths: Sequence[Path]) -> int:
    """Print the plan of each contract; starts nothing.

    Raises:
        HarnessError: a contract cannot be used.
    """
    contracts = load_all(paths)
    console = Console(highlight=False)
    for loaded in contracts:
        console.print(f"[bold]{escape(loaded.contract.service)}[/] ({escape(str(loaded.path))})")
        for line in (*_touched(loaded), *_logins(loaded), *faults(_planned(loaded))):
            console.print(f"  {escape(line)}", soft_wrap=True)
        console.print()
        if not loaded.contract.promises:
            console.print("  promises nothing yet: add to its promises, then verify it")
        for line in _trials(loaded):
            console.print(f"  {line}", soft_wrap=True)
        console.print()
    costs = forecast(contracts, frozen=True, budget_s=budget_s(BUDGET))
    about_s = in_all_s(costs.values(), len(contracts))
    console.print(f"in all about {max(1, round(about_s))} s with one worker, on held clocks")
    return 0


def _touched(loaded: LoadedContract) -> Iterator[str]:
    target = loaded.contract.target
    if target.url is not None:
        yield f"calls    {target.url}, which runs already; it is never stopped or restarted"
        return
    for name, dependency in loaded.contract.dependencies.items():
        yield (
            f"starts   {_called(name, dependency)}: a free loopback port, a private folder; "
            "ended and removed afterwards"
        )
    for command in target.setup:
        yield f"runs     {' '.join(command)}; what it leaves is not undone"
    started = target.started()
    for name, process in started.items():
        said = "" if len(started) == 1 else f"{name}: "
        folder = process.cwd or target.cwd or "{contract.dir}"
        port = "a free loopback port; " if name in target.listening() else ""
        yield (
            f"starts   {said}{' '.join(process.command)} in {folder}: {port}"
            "its whole process group is ended afterwards"
        )
    yield "holds    the clock of these processes, where it can; released before they are ended"
    yield "calls    only that port, from 127.0.0.1 and fresh addresses 127.64.0.1 and up"
    yield "writes   the report folder, and a private folder that is removed"


def _called(name: str, dependency: Dependency) -> str:
    if dependency.kind == "witness":
        return f"a witness for {name}, which the service calls in place of the real one"
    return f"{dependency.kind} for {name}"


def _logins(loaded: LoadedContract) -> Iterator[str]:
    for name, identity in loaded.contract.identities.items():
        if identity.login is not None:
            yield f"logs in  each client of {name}, by {identity.login.call}; nothing logs it out"


def _planned(loaded: LoadedContract) -> list[Trial]:
    return [trial for one in loaded.contract.promises for trial in planned(loaded, one)]


def faults(trials: Sequence[Trial]) -> Iterator[str]:
    """What plans take away or break, and how it is undone."""
    steps = [step for trial in trials for step in trial.steps]
    hurts: list[Fault] = [ProcessKilled(step.dependency) for step in steps if isinstance(step, Cut)]
    hurts += [step.fault for step in steps if isinstance(step, Inject)]
    for touches, undone_by in sorted({(fault.touches, fault.undone_by) for fault in hurts}):
        yield f"faults   {touches}; undone by {undone_by}"
    scripted = {step.dependency for step in steps if isinstance(step, Answering)}
    for name in sorted(scripted):
        yield f"faults   {name} (a witness) fails, is late, holds and cuts as trials say; undone after each"
    reached = {s.dependency for s in steps if isinstance(s, Reaching) and s.how != "open"}
    for name in sorted(reached):
        yield f"faults   {name} (a witness) cannot be connected to; undone after each trial"
    if any(isinstance(step, Kill) for step in steps):
        yield "faults   a worker process of the service is killed; the service starts another"
    restarts = sum(trial.fresh == "restart" for trial in trials)
    if restarts:
        yield (
            f"restarts the service, with its dependencies, before {restarts} "
            f"trial{'' if restarts == 1 else 's'} where it was called before"
        )


def _trials(loaded: LoadedContract) -> Iterator[str]:
    costs = forecast([loaded], frozen=True, budget_s=budget_s(BUDGET))
    for promise in loaded.contract.promises:
        trials = planned(loaded, promise)
        calls = sum(trial.calls for trial in trials)
        about_s = sum(costs[loaded.contract.service, promise.id])
        yield (
            f"[bold]{promise.id}[/] ({promise.kind}): up to {calls:,} calls, about "
            f"{max(1, round(about_s))} s on a held clock"
        )
        for trial in trials:
            span = f"{trial.span_ns / NS_PER_S:,.1f} s"
            said = escape(trial.cannot or trial.purpose)
            yield f"  {trial.name:<18}{trial.calls:>7,} calls {span:>11}  {said}"
