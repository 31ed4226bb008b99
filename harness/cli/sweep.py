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
    said: set[tuple[str, Standing]] = set()
    dead, failed = 0, False
    while runs := [run for run in _found(console, dry_run) if (run.name, run.standing) not in said]:
        for run in runs:  # workers of a run that is swept here die with it: they are found next
            said.add((run.name, run.standing))
            dead += run.standing is Standing.DEAD
            failed |= _tell(console, run, dry_run)
    console.print(_last(dead, failed=failed, dry_run=dry_run))
    return LEFT if failed else 0


def _found(console: Console, dry_run: bool) -> list[Run]:
    """Every run of which there is anything, after reapers that are at work have ended."""
    runs = gather()
    busy = [] if dry_run else [run for run in runs if run.standing is Standing.CLEANING]
    for run in busy:
        console.print(f"run {plain(run.name)}: its reaper is cleaning up; waiting for it")
        wait_for_reaper(run)
    return gather() if busy else runs


def _tell(console: Console, run: Run, dry_run: bool) -> bool:
    """Undo a run, or say what that would be: whether something is left that should not be."""
    for line in _head(run):
        console.print(line, soft_wrap=True)
    if run.standing is not Standing.DEAD:
        return run.standing is Standing.CLEANING and not dry_run
    if dry_run:
        _list(console, "[green]would be undone[/]", preview(run))
        return False
    swept = sweep(run)
    _list(console, "[green]undone[/]", swept.undone)
    _list(console, "[red]not undone[/]", swept.failed)
    return bool(swept.failed)


def _head(run: Run) -> Iterable[str]:
    name = f"run {run.name}" if "/" not in run.name else f"folder {run.name}"
    left = "" if run.standing is Standing.DEAD else " left alone"
    yield f"[bold]{plain(name)}[/]{left}: {plain(run.reason)}"
    if run.standing in (Standing.ELSEWHERE, Standing.UNMARKED):
        for path in [*(one.path for one in run.folders), *([run.ledger] if run.ledger else [])]:
            yield f"    {plain(path)}"


def _list(console: Console, what: str, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(f"    {what}  {plain(line)}", soft_wrap=True)


def _last(dead: int, *, failed: bool, dry_run: bool) -> str:
    runs = f"{dead} dead {'run' if dead == 1 else 'runs'}"
    if failed:
        return "[red]something is left[/]: see above for what to do about each, then sweep again"
    if not dead:
        return "nothing of a dead run is left"
    if dry_run:
        return f"{runs}; nothing was touched: this was a dry run"
    return f"swept up after {runs}; nothing of them is left"
