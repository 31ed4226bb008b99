"""What a run came to, as ``verify`` prints it: the table, the reasons, the last line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from harness.cli.command import replay_command
from harness.record import HTML, RUN, PromiseRecord, RunRecord

STYLES = {"kept": "green", "broken": "bold red", "unknown": "yellow"}
SMOKE = (
    "smoke run: few trials (the limit's edge, calls at the same moment, the form of a refusal); "
    "kept means kept as far as they look"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the record is, and how the run was started: what a replay needs."""

    report: Path
    clock: str
    allow: tuple[str, ...]


def plain(text: str) -> str:
    """Text of others, safe to print: no markup of ours, no orders to a terminal."""
    return escape(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text))


def style(promise: PromiseRecord) -> str:
    """The style of its verdict: what is excused is not shouted, what fails though kept is."""
    if promise.fails:
        return STYLES["broken"]
    return "magenta" if promise.verdict == "broken" else STYLES[promise.verdict]


def table(found: RunRecord) -> Table:
    """A row for each promise."""
    made = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("verdict", "promise", "clock", "calls", "trials", "time"):
        right = column in ("calls", "trials", "time")
        made.add_column(column, justify="right" if right else "left", no_wrap=True)
    for promise in found.promises:
        made.add_row(*_row(promise))
    return made


def _row(promise: PromiseRecord) -> tuple[str, ...]:
    conclusive = sum(trial.verdict == "kept" for trial in promise.trials)
    calls = sum(trial.evidence.get("calls", 0) for trial in promise.trials)
    known = "" if promise.baseline is None else f" ({promise.baseline.state.replace('_', ' ')})"
    return (
        f"[{style(promise)}]{promise.verdict}{known}[/]",
        f"{plain(promise.service)} {plain(promise.id)}",
        promise.clock,
        str(calls),
        f"{conclusive}/{len(promise.trials)}",
        f"{promise.duration_s:.1f} s",
    )


def explained(found: RunRecord, place: Place) -> Iterator[str]:
    """The reason of each promise that is not plainly kept; a reason that several share, once."""
    shared: dict[tuple[str, ...], list[PromiseRecord]] = {}
    for promise in found.promises:
        if promise.verdict != "kept" or promise.baseline is not None:
            key = (promise.service, promise.id) if _alone(promise) else (promise.reason,)
            shared.setdefault(key, []).append(promise)
    for promises in shared.values():
        yield from _explained(promises, place)


def _alone(promise: PromiseRecord) -> bool:
    """Whether there is more to say of it than its reason."""
    return promise.counterexample is not None or promise.baseline is not None


def _explained(promises: Collection[PromiseRecord], place: Place) -> Iterator[str]:
    first, *_ = promises
    names = ", ".join(plain(promise.id) for promise in promises)
    yield f"[{style(first)}]{first.verdict}[/] [bold]{names}[/]: {plain(first.reason)}"
    if first.baseline is not None:
        yield f"         {plain(first.baseline.said)}"
    if first.counterexample is not None:
        line = replay_command(
            place.report / first.counterexample, clock=place.clock, allow=place.allow
        )
        yield f"         see it again: {escape(line)}"


def notes(found: RunRecord) -> Iterator[str]:
    """What the reader must know of the worlds, and of what had to be cleaned up, each once."""
    of_promises = {note for promise in found.promises for note in promise.notes}
    for note in (*sorted(of_promises), *found.notes):
        yield f"[yellow]note[/]: {plain(note)}"


def last_line(found: RunRecord, took_s: float) -> str:
    """The counts, in one line.

    What the baseline excuses is counted and named; what fails though it is kept, too.
    """
    counts = []
    for word in ("kept", "broken", "unknown"):
        these = [promise for promise in found.promises if promise.verdict == word]
        known = sum(_stands(promise, "known") for promise in these)
        late = sum(_stands(promise, "kept_now") for promise in these)
        more = f" ({known} known)" if known else f" ({late} still in the baseline)" if late else ""
        counts.append(f"{len(these)} {word}{more}")
    missing = found.selected - len(found.promises)
    if missing:
        counts.append(f"{missing} without a verdict")
    smoke = "smoke run: " if found.smoke else ""
    return f"{smoke}{', '.join(counts)} in {took_s:.1f} s"


def _stands(promise: PromiseRecord, state: str) -> bool:
    return promise.baseline is not None and promise.baseline.state == state


def record_line(place: Place) -> str:
    """Where the record is, and the page to open."""
    page = place.report / HTML
    line = f"record: {escape(str(place.report / RUN))}"
    return f"{line}\nreport: {escape(str(page))}" if page.is_file() else line
