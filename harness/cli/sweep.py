"""``stormproof sweep``: removes what dead runs left, when their reapers died too."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from harness.cli.outcome import plain
from harness.sweep import Run, Standing, gather, preview, sweep, wait_for_reaper

LEFT = 1


def sweep_up(*, dry_run: bool) -> int:
    """Undo what dead runs left, and print it: 0 if nothing of them is left, else 1."""
    console = Console(highlight=False)
    runs = gather()
    if not dry_run and sum(_was_busy(run, console) for run in runs):
        runs = gather()
    failed = False
    for run in runs:
        for line in _head(run):
            console.print(line, soft_wrap=True)
        if run.standing is Standing.DEAD and dry_run:
            _list(console, "would be undone", preview(run))
        elif run.standing is Standing.DEAD:
            swept = sweep(run)
            _list(console, "undone", swept.undone)
            _list(console, "not undone", swept.failed)
            failed |= bool(swept.failed)
        else:
            failed |= run.standing is Standing.CLEANING and not dry_run
    console.print(_last(runs, failed=failed, dry_run=dry_run))
    return LEFT if failed else 0


def _was_busy(run: Run, console: Console) -> bool:
    """Whether its reaper was at work; it is waited for."""
    if run.standing is not Standing.CLEANING:
        return False
    console.print(f"run {plain(run.name)}: its reaper is cleaning up; waiting for it")
    wait_for_reaper(run)
    return True


def _head(run: Run) -> Iterable[str]:
    name = f"run {run.name}" if "/" not in run.name else f"folder {run.name}"
    left = "" if run.standing is Standing.DEAD else " left alone"
    yield f"[bold]{plain(name)}[/]{left}: {plain(run.reason)}"
    if run.standing in (Standing.ELSEWHERE, Standing.UNMARKED):
        for path in [*(one.path for one in run.folders), *([run.ledger] if run.ledger else [])]:
            yield f"    {plain(path)}"


def _list(console: Console, what: str, lines: Iterable[str]) -> None:
    for line in lines:
        colour = "red" if what.startswith("not") else "green"
        console.print(f"    [{colour}]{what}[/]  {plain(line)}", soft_wrap=True)


def _last(runs: Iterable[Run], *, failed: bool, dry_run: bool) -> str:
    dead = sum(run.standing is Standing.DEAD for run in runs)
    if failed:
        return "[red]something is left[/]: see above for each what to do, then sweep again"
    if not dead:
        return "nothing of a dead run is left"
    if dry_run:
        return (
            f"{dead} dead {'run' if dead == 1 else 'runs'}; nothing was touched: this was a dry run"
        )
    return f"swept up after {dead} dead {'run' if dead == 1 else 'runs'}; nothing of them is left"
