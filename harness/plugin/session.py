"""One pytest session with contracts: an item a promise, a world a contract, one merged record."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from harness import record
from harness.errors import CouldNotRun, HarnessError
from harness.ledger import NOBODY
from harness.plugin import hooks
from harness.plugin.interrupts import end_at_once_the_second_time
from harness.plugin.reports import Reports
from harness.plugin.settings import Settings
from harness.runner.verify import PromiseResult, Verification, could_not_run
from harness.runner.world import World
from harness.supervisor import Supervisor
from harness.sweep import overdue, tend_workers
from harness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from harness.contract.load import LoadedContract
    from harness.contract.words import Promise

_RESULT = "verdict"
_CONTROLLER = "stormproof_run"


class Session:
    """Holds what one process of the run owns: its supervisor and its worlds, both made when needed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        if self.is_worker:
            end_at_once_the_second_time()
        try:
            self.settings = Settings.of(config)
            if not self.is_worker:
                record.prepare(self.settings.report)
        except HarnessError as error:
            raise pytest.UsageError(*str(error).splitlines()) from error
        self.reports = Reports(config, self.settings.report)
        self._supervisor: Supervisor | None = None
        self._worlds: dict[str, World] = {}
        self._selected: list[tuple[str, str]] = []
        self._told: set[tuple[str, str]] = set()
        self._started = record.now()
        if not self.is_worker:
            self.reports.note(*_left_behind())

    # -- processes ------------------------------------------------------------------------------

    @property
    def supervisor(self) -> Supervisor:
        """Of this process; its reaper starts before anything else does."""
        if self._supervisor is None:
            controller = getattr(self.config, "workerinput", {}).get(_CONTROLLER, NOBODY)
            self._supervisor = Supervisor(controller)
        return self._supervisor

    def world(self, loaded: LoadedContract) -> World:
        """The running world of a contract; started on first use, again after it failed."""
        service = loaded.contract.service
        if service not in self._worlds:
            world = World(
                loaded,
                self.supervisor,
                self.settings.seed,
                clock=self.settings.clock,
                allow=self.settings.allow,
            )
            self._worlds[service] = world.__enter__()
        return self._worlds[service]

    def drop_world(self, loaded: LoadedContract) -> None:
        """End a world that failed, so that the next promise gets a new one."""
        world = self._worlds.pop(loaded.contract.service, None)
        if world is not None:
            world.close()

    def verify(self, loaded: LoadedContract, promise: Promise) -> PromiseResult:
        """Verify one promise and write its part of the record."""
        failed = self._failed_already()
        result = self._verified(loaded, promise) if failed is None else _left_out(promise, failed)
        self._keep(loaded, result)
        return result

    def _verified(self, loaded: LoadedContract, promise: Promise) -> PromiseResult:
        began_s = time.monotonic()
        try:
            self.supervisor.check()
            world = self.world(loaded)
            if world.hurts.any:  # by a test; the service may remember it
                world.restart()
        except CouldNotRun as error:
            clock = "real" if self.settings.clock == "real" else "frozen"
            return could_not_run(promise, error, clock, began_s)
        result = Verification(
            world,
            promise,
            self.settings.budget_s,
            progress=lambda *said: self._progress(loaded, promise, *said),
            smoke=self.settings.smoke,
        ).run()
        if not world.usable:
            self.drop_world(loaded)
        return result

    def _failed_already(self) -> record.PromiseRecord | None:
        """With ``--storm-fail-fast``: a promise that failed in this process or another."""
        if not self.settings.fail_fast:
            return None
        return next((one for one in record.ended(self.settings.report) if one.fails), None)

    def _keep(self, loaded: LoadedContract, result: PromiseResult) -> None:
        settings = self.settings
        known = settings.known(
            loaded.contract.service, result.promise.id, result.verdict.status.value
        )
        self.reports.keep(loaded, settings.seed.value, result, known)

    def _progress(
        self, loaded: LoadedContract, promise: Promise, trial: str, number: int, total: int
    ) -> None:
        self.config.hook.pytest_stormproof_trial(
            service=loaded.contract.service,
            promise=promise.id,
            trial=trial,
            number=number,
            total=total,
        )

    def close(self) -> None:
        """End everything that this process started; the reports tell what that took."""
        for world in self._worlds.values():
            world.close()
        self._worlds.clear()
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            if not self.is_worker:
                self.reports.note(*tend_workers(supervisor.run_id))
            with suppress(CouldNotRun):  # its notes tell of it
                supervisor.close()
            self.reports.note(*supervisor.notes)

    # -- pytest ---------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_addhooks(self, pluginmanager: pytest.PytestPluginManager) -> None:
        """Announce our hooks."""
        pluginmanager.add_hookspecs(hooks)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """A worker that somebody ends before it is up: no error of ours."""
        try:
            yield
        except (EOFError, OSError) as error:
            said = f"a worker process ended while it was starting ({error}); run it again"
            raise pytest.UsageError(said) from error

    @pytest.hookimpl
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One item for each promise of the module's kind."""
        if "promise" not in metafunc.fixturenames:
            return
        kind = getattr(metafunc.module, "KIND", None)
        found = [
            pytest.param((loaded, promise), id=name)
            for name, (loaded, promise) in self.settings.item_ids().items()
            if kind is None or promise.kind == kind
        ]
        metafunc.parametrize("promise", found or [_NO_PROMISE], indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The longest promise first, so that several workers end together; one contract at a time.

        A scenario of which no contract has a promise leaves no item behind.
        """
        items[:] = sorted((item for item in items if not _is_empty(item)), key=_effort)

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what will be verified, and leave a record from the first moment on."""
        if self.is_worker:
            return
        self._selected = [key for key in map(_selected, session.items) if key is not None]
        self._write()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker learns whose it is: if it dies, its reaper leaves word for us."""
        node.workerinput[_CONTROLLER] = self.supervisor.run_id

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        """A worker that lives longer than we do is ended by our reaper."""
        pid = node.workerinfo.get("pid") if isinstance(node.workerinfo, dict) else None
        if pid is not None:
            self.supervisor.watch_pid(pid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """The controller collects nothing itself: the workers' ids tell what is selected."""
        del node
        if not self._selected:
            self._selected = [
                (loaded.contract.service, promise.id)
                for name, (loaded, promise) in self.settings.item_ids().items()
                if any(f"[{name}]" in item for item in ids)
            ]
            self._write()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After each promise the controller merges what there is."""
        if self.is_worker:
            return
        if report.failed and _RESULT not in dict(report.user_properties):
            self._crashed(report)
        if report.when in ("call", "???") or report.failed:
            self._write()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The run has ended: close worlds, merge for the last time."""
        self.close()
        if not self.is_worker and self._selected:
            self._write(finished=True)

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Also where no session came about."""
        self.close()

    # -- record ---------------------------------------------------------------------------------

    def _write(self, *, finished: bool = False) -> None:
        settings = self.settings
        promises = self.reports.promises(self._selected)
        self.reports.write(
            record.RunRecord(
                service=", ".join(loaded.contract.service for loaded in settings.contracts),
                contracts={
                    loaded.contract.service: str(loaded.path) for loaded in settings.contracts
                },
                started=self._started,
                finished=record.now() if finished else None,
                seed=settings.seed.value,
                clock=settings.clock,
                selected=len(self._selected),
                smoke=settings.smoke,
                fail_fast=settings.fail_fast,
                versions=record.versions(),
                promises=promises,
                notes=tuple(self.reports.notes),
            ),
        )
        for one in promises:
            if (one.service, one.id) not in self._told:
                self._told.add((one.service, one.id))
                self.config.hook.pytest_stormproof_promise(record=one)

    def _crashed(self, report: pytest.TestReport) -> None:
        """A worker died, or the item failed outside of the verification: nobody is accused."""
        for name, (loaded, promise) in self.settings.item_ids().items():
            told = (loaded.contract.service, promise.id) in self._told
            if f"[{name}]" in report.nodeid and not told:
                error = CouldNotRun(
                    "the process that verified it ended or failed", report.longreprtext
                )
                result = could_not_run(promise, error, "real", time.monotonic())
                self._keep(loaded, result)


def _left_behind() -> Iterable[str]:
    """What is still there of earlier runs, of which nobody but a sweep will clean up."""
    left = overdue()
    if left:
        runs = f"{len(left)} earlier run{'' if len(left) == 1 else 's'}"
        yield f"{runs} left things behind, and their reapers died too: stormproof sweep removes them"


def _left_out(promise: Promise, failed: record.PromiseRecord) -> PromiseResult:
    said = f"not verified: {failed.id} of {failed.service} had failed, and --fail-fast was given"
    result = could_not_run(promise, CouldNotRun(said), failed.clock, time.monotonic())
    return replace(result, verdict=Verdict.unknown(said))


def user_properties(result: PromiseResult, service: str) -> Iterable[tuple[str, object]]:
    """What travels in the test report: JUnit shows it, the controller sees that we spoke."""
    yield _RESULT, result.verdict.status.value
    yield "service", service
    yield "promise", result.promise.id
    yield "reason", result.verdict.reason


def _selected(item: pytest.Item) -> tuple[str, str] | None:
    found = _parameter(item)
    return None if found is None else (found[0].contract.service, found[1].id)


def _parameter(item: pytest.Item) -> tuple[LoadedContract, Promise] | None:
    callspec = getattr(item, "callspec", None)
    found: tuple[LoadedContract, Promise] | None = None
    if callspec is not None:
        found = callspec.params.get("promise")
    return found


_NO_PROMISE: Final = object()
"""The parameter of a scenario of which no contract has a promise."""
_CALLS_OF_OTHER_KINDS: Final = 1_000
"""About as many calls as a promise takes whose words do not tell."""


def _is_empty(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("promise") is _NO_PROMISE


def _effort(item: pytest.Item) -> int:
    """Fewer is earlier: promises by how many calls they may take, other tests as they stand."""
    found = _parameter(item)
    if found is None:
        return 0
    limits = getattr(found[1], "limit", None)
    if not isinstance(limits, tuple):
        return -_CALLS_OF_OTHER_KINDS
    cap = getattr(found[1], "burst", None) or max((rate.count for rate in limits), default=0)
    return -int(cap)


def scenarios_directory() -> Path:
    """Where the scenario modules are: in the wheel inside the package, else beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "scenarios"
    return inside if inside.is_dir() else package.parent / "scenarios"
