"""What ``verify`` prints: progress while it runs, then a table of verdicts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cli.command import replay_command
from harness.record import RUN, PromiseRecord, RunRecord

if TYPE_CHECKING:
    from rich.status import Status

    from harness.cli.verify import Wanted
    from harness.contract.load import LoadedContract

_STYLES = {"kept": "green", "broken": "bold red", "unknown": "yellow"}


class Reporter:
    """A pytest plugin that takes the place of pytest's own terminal.

    On a terminal one line shows what is being played; elsewhere each verdict is one line.
    """

    def __init__(self, console: Console, report: Path, workers: int) -> None:
        self._console = console
        self._report = report
        self._workers = workers
        self._began_s = time.monotonic()
        self._status: Status | None = None
        self._done = 0
        self._total = 0
        self._clock = "auto"
        self._allow: tuple[str, ...] = ()

    def begin(self, contracts: Sequence[LoadedContract], wanted: Wanted) -> None:
        """Say what is about to happen."""
        self._clock, self._allow = wanted.clock, wanted.allow
        for loaded in contracts:
            chosen = [
                promise.id
                for promise in loaded.contract.promises
                if not wanted.promises or promise.id in wanted.promises
            ]
            self._total += len(chosen)
            self._print(
                f"[bold]{escape(loaded.contract.service)}[/]: {len(chosen)} promises from "
                f"{escape(str(loaded.path))}"
            )
        self._print(f"[dim]seed {wanted.seed}, clock {wanted.clock}, budget {wanted.budget}[/]")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("starting the first target")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    # -- hooks ------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_stormproof_trial(
        self, service: str, promise: str, trial: str, number: int, total: int
    ) -> None:
        """A trial begins."""
        if self._status is not None:
            self._status.update(
                f"{escape(service)} [bold]{escape(promise)}[/]  {escape(trial)}  "
                f"[dim]trial {number} of {total}, promise {self._done + 1} of {self._total}, "
                f"{time.monotonic() - self._began_s:.0f} s[/]"
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_stormproof_promise(self, record: Any) -> None:
        """A promise has its verdict."""
        self._done += 1
        style = _STYLES[record.verdict]
        self._print(
            f"[{style}]{record.verdict:>8}[/]  {escape(record.service)} "
            f"[bold]{escape(record.id)}[/]  [dim]{record.duration_s:.1f} s, "
            f"{self._done} of {self._total}[/]"
        )

    @pytest.hookimpl
    def pytest_internalerror(self, excrepr: object) -> None:
        """An error of ours: shown whole, it is a bug."""
        self._print(escape(str(excrepr)))

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A scenario that cannot be read."""
        if report.failed:
            self._print(escape(report.longreprtext))

    # -- ends -------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        """Ctrl-C: what had ended stands in the record."""
        self._print(
            f"[yellow]interrupted[/]; what had ended is in {escape(str(self._report / RUN))}"
        )

    def end(self, found: RunRecord) -> None:
        """The table, the reasons, and where the record is."""
        table = Table(box=None, pad_edge=False, show_edge=False)
        for column in ("verdict", "promise", "clock", "calls", "trials", "time"):
            right = column in ("calls", "trials", "time")
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for promise in found.promises:
            table.add_row(*_row(promise))
        self._console.print()
        self._console.print(table)
        self._console.print()
        for promise in found.promises:
            self._explain(promise)
        for note in sorted({note for promise in found.promises for note in promise.notes}):
            self._print(f"[yellow]note[/]: {escape(note)}")
        self._print(_counts(found, time.monotonic() - self._began_s))
        self._print(f"record: {escape(str(self._report / RUN))}")

    def _explain(self, promise: PromiseRecord) -> None:
        if promise.verdict == "kept":
            return
        style = _STYLES[promise.verdict]
        self._print(
            f"[{style}]{promise.verdict}[/] [bold]{escape(promise.id)}[/]: {escape(promise.reason)}"
        )
        if promise.counterexample is not None:
            line = replay_command(
                self._report / promise.counterexample, clock=self._clock, allow=self._allow
            )
            self._print(f"         see it again: {escape(line)}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _row(promise: PromiseRecord) -> tuple[str, ...]:
    conclusive = sum(trial.verdict == "kept" for trial in promise.trials)
    calls = sum(trial.evidence.get("calls", 0) for trial in promise.trials)
    return (
        f"[{_STYLES[promise.verdict]}]{promise.verdict}[/]",
        f"{escape(promise.service)} {escape(promise.id)}",
        promise.clock,
        str(calls),
        f"{conclusive}/{len(promise.trials)}",
        f"{promise.duration_s:.1f} s",
    )


def _counts(found: RunRecord, took_s: float) -> str:
    counts = [
        f"{sum(promise.verdict == word for promise in found.promises)} {word}"
        for word in ("kept", "broken", "unknown")
    ]
    missing = found.selected - len(found.promises)
    if missing:
        counts.append(f"{missing} without a verdict")
    return f"{', '.join(counts)} in {took_s:.1f} s"
