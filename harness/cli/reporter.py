"""What ``verify`` prints: progress while it runs, then what it came to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from harness.cli import outcome
from harness.cli.forecast import forecast
from harness.cli.outcome import Place, plain
from harness.gate.estimate import TimeLeft
from harness.plugin.settings import budget_s
from harness.record import RUN, PromiseRecord, RunRecord

if TYPE_CHECKING:
    from rich.status import Status

    from harness.cli.verify import Wanted
    from harness.contract.load import LoadedContract


class Reporter:
    """A pytest plugin that takes the place of pytest's own terminal.

    On a terminal one line shows what is being played and how long it will still take; elsewhere
    each verdict is one line. A quiet one says nothing before the end.
    """

    def __init__(
        self, console: Console, contracts: Sequence[LoadedContract], wanted: Wanted
    ) -> None:
        self._console = console
        self._contracts = contracts
        self._wanted = wanted
        self._place = Place(wanted.report, wanted.clock, wanted.allow)
        self._began_s = time.monotonic()
        self._status: Status | None = None
        self._done = 0
        self.found: RunRecord | None = None
        self._trouble: tuple[str, ...] = ()
        costs = forecast(
            contracts,
            frozen=wanted.clock != "real",
            budget_s=budget_s(wanted.budget),
            smoke=wanted.smoke,
            only=wanted.promises,
        )
        self._total = len(costs)
        self._left = TimeLeft(costs, min(wanted.workers, self._total), self._began_s)

    def begin(self) -> None:
        """Say what is about to happen."""
        wanted = self._wanted
        if wanted.quiet:
            return
        for loaded in self._contracts:
            ids = {promise.id for promise in loaded.contract.promises}
            count = len(ids & set(wanted.promises) if wanted.promises else ids)
            self._print(
                f"[bold]{plain(loaded.contract.service)}[/]: {count} "
                f"promise{'' if count == 1 else 's'} from "
                f"{escape(str(loaded.path))}"
            )
        left = self._left.told(self._began_s)
        self._print(
            f"[dim]seed {wanted.seed}, clock {wanted.clock}, budget {wanted.budget}, {left}[/]"
        )
        if wanted.smoke:
            self._print(f"[yellow]{outcome.SMOKE}[/]")

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._wanted.quiet:
            self._status = self._console.status(_Line(self._at(), self._left))
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
        self._left.began((service, promise), number, time.monotonic())
        if self._status is not None:
            said = (
                f"[bold]{plain(promise)}[/] {plain(trial)}  [dim]trial {number}/{total}, "
                f"promise {self._done + 1}/{self._total}, {plain(service)}[/]"
            )
            self._status.update(_Line(said, self._left))

    @pytest.hookimpl(optionalhook=True)
    def pytest_stormproof_promise(self, record: Any) -> None:
        """A promise has its verdict."""
        now_s, found = time.monotonic(), record
        self._done += 1
        whole = found.ran and found.verdict != "broken"
        self._left.ended((found.service, found.id), found.duration_s, now_s, whole=whole)
        if not self._wanted.quiet:
            self._print(self._ended(found, now_s))
        if self._status is not None:
            self._status.update(_Line(self._at(), self._left))

    @pytest.hookimpl(optionalhook=True)
    def pytest_stormproof_end(self, record: Any, trouble: tuple[str, ...]) -> None:
        """The run has ended; its record is ours, whatever became of the folder."""
        self.found, self._trouble = record, trouble

    def _at(self) -> str:
        """Where the run is, as long as no trial has been heard of; workers send none."""
        if self._done == self._total:
            return "all promises done, writing the reports"
        if self._wanted.workers > 1:
            return f"{self._wanted.workers} workers, {self._done} of {self._total} promises done"
        return f"starting, {self._done} of {self._total} promises done"

    def _ended(self, found: PromiseRecord, now_s: float) -> str:
        left = f", {self._left.told(now_s)}" if self._done < self._total else ""
        known = "" if found.baseline is None else f"  {plain(found.baseline.said)}"
        return (
            f"[{outcome.style(found)}]{found.verdict:>8}[/]  {plain(found.service)} "
            f"[bold]{plain(found.id)}[/]  [dim]{found.duration_s:.1f} s, "
            f"{self._done} of {self._total}{left}[/]{known}"
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
            f"[yellow]interrupted[/]; what had ended is in {escape(str(self._place.report / RUN))}"
        )

    def end(self, found: RunRecord) -> None:
        """The table, the reasons, the counts, and where the record is."""
        if not self._wanted.quiet:
            self._console.print()
            self._console.print(outcome.table(found))
            self._console.print()
        for line in outcome.explained(found, self._place):
            self._print(line)
        if not self._wanted.quiet:
            for line in outcome.notes(found):
                self._print(line)
            self._print(outcome.record_line(self._place))
        for trouble in self._trouble:
            self._print(f"[yellow]the report folder is not whole[/]: {plain(trouble)}")
        self._print(outcome.last_line(found, time.monotonic() - self._began_s))

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Line:
    """The live line; what is left is looked up whenever it is drawn."""

    said: str
    left: TimeLeft

    def __rich__(self) -> Text:
        line = Text.from_markup(f"{self.left.told(time.monotonic())}: {self.said}")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line
