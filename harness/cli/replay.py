"""``stormproof replay``: see a counterexample again, with one command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from harness.cli.outcome import plain
from harness.cli.timeline import timeline
from harness.contract.load import LoadedContract, load
from harness.counterexample import Saved, read
from harness.errors import CouldNotRun, UsageError
from harness.promises import words
from harness.replay import Outcome, Replayed, differences, prepared, replay
from harness.runner.times import NotAtRest
from harness.supervisor import Supervisor
from harness.targets import AttachedTarget
from harness.units import NS_PER_S

_LONG_NS = 5 * NS_PER_S
_SAYS_MOST = 1_000
_STYLES = {
    Outcome.SEEN: ("bold red", "seen again"),
    Outcome.NOT_SEEN: ("green", "not seen"),
    Outcome.INCONCLUSIVE: ("yellow", "inconclusive"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command line of ``replay``."""

    file: Path
    contract: Path | None
    clock: Literal["auto", "frozen", "real"]
    allow: tuple[str, ...]


def show(wanted: Wanted) -> int:
    """Play a counterexample, and print its timeline and what it showed.

    Returns:
        1 seen again, 0 played and not seen, 2 inconclusive.

    Raises:
        UsageError: the file or its contract cannot be used.
    """
    saved = read(wanted.file, words())
    loaded = _contract(saved, wanted)
    changed = list(differences(saved, loaded))
    loaded = prepared(saved, loaded, wanted.file)
    if loaded.contract.target.url is not None:
        try:
            AttachedTarget(loaded.contract.target.url, allow=wanted.allow)
        except CouldNotRun as error:
            raise UsageError(str(error)) from error
    console = Console(highlight=False)
    _announce(console, saved, loaded, changed)
    try:
        with Supervisor() as supervisor:
            played = replay(
                saved,
                loaded,
                supervisor,
                clock=wanted.clock,
                allow=wanted.allow,
                progress=lambda number, most: _progress(console, saved, number, most),
            )
    except (CouldNotRun, NotAtRest) as error:
        style, word = _STYLES[Outcome.INCONCLUSIVE]
        console.print(f"[{style}]{word}[/]: could not run: {plain(str(error))}", soft_wrap=True)
        return Outcome.INCONCLUSIVE
    _tell(console, saved, played)
    return played.outcome


def _contract(saved: Saved, wanted: Wanted) -> LoadedContract:
    path = wanted.contract or saved.contract
    if wanted.contract is None and not path.is_file():
        raise UsageError(
            f"the contract {path} that {wanted.file} was made with is not there any more; "
            "name it with --contract PATH"
        )
    return load(path, words())


def _announce(console: Console, saved: Saved, loaded: LoadedContract, changed: list[str]) -> None:
    trial = saved.trial
    console.print(
        f"[bold]{plain(saved.service)} {plain(saved.promise.id)}[/]: {len(trial.steps)} steps, "
        f"{trial.calls} calls, from {plain(trial.name)} ({plain(str(loaded.path))})",
        soft_wrap=True,
    )
    if saved.promise.says:
        console.print(f"promised: {plain(saved.promise.says[:_SAYS_MOST])}", soft_wrap=True)
    console.print(
        f"seen in {saved.broken_in} of {saved.worlds} fresh worlds then: "
        f"{plain(saved.finding.said)}",
        soft_wrap=True,
    )
    for line in changed:
        console.print(f"[yellow]note[/]: {plain(line)}", soft_wrap=True)


def _progress(console: Console, saved: Saved, number: int, most: int) -> None:
    if saved.trial.span_ns > _LONG_NS and number == 1:
        console.print(
            f"[dim]playing, at most {most} times; on a real clock each takes "
            f"{saved.trial.span_ns / NS_PER_S:.0f} s[/]"
        )


def _tell(console: Console, saved: Saved, played: Replayed) -> None:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    for _ in range(3):
        table.add_column(overflow="fold")
    for line in timeline(played.shown):
        table.add_row(*map(plain, line))
    console.print()
    console.print(table)
    console.print()
    for note in played.notes:
        console.print(f"[yellow]note[/]: {plain(note)}", soft_wrap=True)
    if played.clock != saved.clock:
        console.print(
            f"[yellow]note[/]: the clock was {saved.clock} then and {played.clock} now",
            soft_wrap=True,
        )
    style, word = _STYLES[played.outcome]
    worlds = f"{played.worlds} fresh world{'s' if played.worlds > 1 else ''}, clock {played.clock}"
    console.print(f"[{style}]{word}[/] ({worlds}): {plain(played.said)}", soft_wrap=True)
