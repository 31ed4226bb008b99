"""The report folder: what is written there, and never at the cost of a verdict.

A folder that becomes unwritable or full takes files away, not answers: each verdict also travels in
its test report, and the reader is told what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import record
from harness.record import PromiseRecord, RunRecord

if TYPE_CHECKING:
    from collections.abc import Generator

    from harness.contract.load import LoadedContract
    from harness.runner.verify import PromiseResult

ALLURE = "allure"
JUNIT = "junit.xml"
_PART = "stormproof_part"
_TROUBLE = "stormproof_trouble"
_NOTES = "stormproof_notes"


class Reports:
    """What one process of the run knows for the reports, and what it could not write.

    Attributes:
        trouble: one sentence for each thing that could not be written.
        notes: one sentence for each thing that had to be cleaned up, or could not be.
        record: the last merged record, None before the first.
    """

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self.config = config
        self.directory = directory
        self.trouble: list[str] = []
        self.notes: list[str] = []
        self.record: RunRecord | None = None
        self._is_worker = hasattr(config, "workerinput")
        self._parts: dict[tuple[str, str], PromiseRecord] = {}

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Let a verdict survive that ``what`` cannot be written."""
        try:
            yield
        except OSError as error:
            self._told(f"{what} could not be written: {error.strerror or error}")

    def note(self, *sentences: str) -> None:
        """Something had to be cleaned up, or could not be."""
        self.notes += [one for one in sentences if one not in self.notes]

    def _told(self, trouble: str) -> None:
        if trouble not in self.trouble:
            self.trouble.append(trouble)

    # -- the record -------------------------------------------------------------------------------

    def keep(
        self,
        loaded: LoadedContract,
        seed: int,
        result: PromiseResult,
        known: record.BaselineRecord | None,
    ) -> None:
        """Keep what became of a promise, on disk if that is possible."""
        part = record.promise_record(loaded.contract.service, result, None, known)
        if result.counterexample is not None:
            lost = "its counterexample could not be written"
            part = part.model_copy(update={"notes": (*part.notes, lost)})
        with self.guarded(f"the part of {part.id}"):
            part = record.write_part(self.directory, loaded, seed, result, known)
        self._parts[part.service, part.id] = part

    def promises(self, order: Sequence[tuple[str, str]]) -> tuple[PromiseRecord, ...]:
        """All that have ended, from other processes too, in this order."""
        found = {(one.service, one.id): one for one in record.read_parts(self.directory, order)}
        found |= self._parts
        return tuple(found[key] for key in order if key in found)

    def write(self, found: RunRecord) -> None:
        """Write the merged record; the parts go once the run has ended."""
        self.record = found
        with self.guarded(record.RUN):
            record.write_run(self.directory, found)
            if found.finished is not None:
                record.remove_parts(self.directory)

    def _render(self) -> None:
        if self.record is None:
            return
        with self.guarded("the report"):
            from harness.render import render  # noqa: PLC0415 (only who ends a run needs it)

            render(self.directory, self.record)
        if self._owns("allure_report_dir", ALLURE):
            from harness.plugin.allure import write_about  # noqa: PLC0415

            with self.guarded(ALLURE):
                write_about(self.directory / ALLURE, self.record)

    def _owns(self, option: str, name: str) -> bool:
        """Whether another plugin writes into our folder, so that its trouble is ours."""
        given = self.config.getoption(option, None)
        return bool(given) and Path(str(given)).resolve() == (self.directory / name).resolve()

    # -- pytest -----------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        """A result that Allure cannot write ends no run."""
        if self._listener is not None:
            from harness.plugin.allure import guard  # noqa: PLC0415

            guard(self.config, self.guarded)

    @property
    def _listener(self) -> Any:
        return self.config.pluginmanager.get_plugin("allure_listener")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The part travels with the report; Allure's result is told what the part says."""
        report = yield
        part = self._part_of(item) if call.when == "call" else None
        if part is not None:
            setattr(report, _PART, part.model_dump(mode="json"))
            if self._listener is not None:
                from harness.plugin.allure import tell  # noqa: PLC0415

                tell(self._listener.allure_logger, part, self.directory)
        return report

    def _part_of(self, item: pytest.Item) -> PromiseRecord | None:
        callspec = getattr(item, "callspec", None)
        found = None if callspec is None else callspec.params.get("promise")
        if not isinstance(found, tuple):
            return None
        loaded, promise = found
        return self._parts.get((loaded.contract.service, promise.id))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """On the controller: take in the part before it is merged."""
        values = getattr(report, _PART, None)
        if values is not None:
            part = PromiseRecord.model_validate(values)
            self._parts.setdefault((part.service, part.id), part)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker could not write, and what it had to clean up."""
        output = getattr(node, "workeroutput", {})
        for trouble in output.get(_TROUBLE, ()):
            self._told(trouble)
        self.note(*output.get(_NOTES, ()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, Any, Any]:
        """Render, and say how it ended; a JUnit file that cannot be written ends nothing."""
        if self._is_worker:
            output = self.config.workeroutput  # type: ignore[attr-defined]
            output |= {_TROUBLE: self.trouble, _NOTES: self.notes}  # they may grow until it is sent
            return (yield)
        try:
            found = yield
        except OSError as error:
            if not self._owns("xmlpath", JUNIT):
                raise
            found = None
            self._told(f"{JUNIT} could not be written: {error.strerror or error}")
        self._render()
        if self.record is not None:
            self.config.hook.pytest_stormproof_end(record=self.record, trouble=tuple(self.trouble))
        return found

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Where the report is, and what it lacks."""
        if self.record is not None:
            terminalreporter.write_line(f"stormproof: report in {self.directory}")
            for trouble in self.trouble:
                terminalreporter.write_line(f"stormproof: {trouble}", yellow=True)
