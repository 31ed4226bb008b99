"""``stormproof verify``: pytest underneath, with our own options, plugins and words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from harness import record
from harness.cli.github import append_summary, no_commands, on_github, remarks
from harness.cli.reporter import Reporter
from harness.contract.load import LoadedContract
from harness.errors import CouldNotRun, HarnessError, UsageError
from harness.gate.baseline import load_baseline
from harness.plugin.interrupts import ending_at_once_the_second_time
from harness.plugin.reports import ALLURE, JUNIT
from harness.plugin.session import scenarios_directory
from harness.plugin.settings import budget_s, check_selection, load_all
from harness.record import PromiseRecord, RunRecord
from harness.targets import AttachedTarget

BROKEN, UNKNOWN, COULD_NOT_RUN, INTERRUPTED = 1, 2, 3, 130
_INI = Path(__file__).with_name("verify.ini")
_AT_ONCE = "interrupted again: what still runs is being ended in the background"
_ISOLATED = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_THEME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command line of ``verify``."""

    contracts: tuple[Path, ...]
    promises: tuple[str, ...]
    backend: str
    workers: int
    clock: str
    budget: str
    seed: int
    report: Path
    allow: tuple[str, ...]
    smoke: bool = False
    fail_fast: bool = False
    baseline: Path | None = None
    quiet: bool = False
    as_json: bool = False


def verify(wanted: Wanted) -> int:
    """Verify contracts; nothing starts if any of them is bad.

    Raises:
        HarnessError: something that was asked for cannot be (exit code 4).
    """
    contracts = load_all(wanted.contracts)
    check_selection(contracts, frozenset(wanted.promises))
    budget_s(wanted.budget)
    if wanted.baseline is not None:
        load_baseline(wanted.baseline, contracts)
    for loaded in contracts:
        if loaded.contract.target.url is not None:
            with suppress(CouldNotRun):
                AttachedTarget(loaded.contract.target.url, allow=wanted.allow)
    record.prepare(wanted.report, folders=(ALLURE,))
    stream = sys.stderr if wanted.as_json else sys.stdout
    reporter = Reporter(Console(file=stream, highlight=False), contracts, wanted)
    quietly = no_commands(stream) if on_github(os.environ) else nullcontext()
    with quietly, redirect_stdout(stream):
        code, found = _run(wanted, reporter, len(_chosen(contracts, wanted)))
    if on_github(os.environ) and found is not None:
        for line in remarks(found, contracts, os.environ):
            print(line, file=stream, flush=True)
        append_summary(wanted.report, os.environ)
    if wanted.as_json and found is not None:
        print(record.run_text(found), end="")
    return code


def _chosen(contracts: Sequence[LoadedContract], wanted: Wanted) -> list[str]:
    """The promises that must have a verdict in the end."""
    ids = [promise.id for loaded in contracts for promise in loaded.contract.promises]
    return [name for name in ids if not wanted.promises or name in wanted.promises]


def _run(wanted: Wanted, reporter: Reporter, expected: int) -> tuple[int, RunRecord | None]:
    """Run pytest with our reporter: the exit code, and the record if there is one.

    Less than ``expected`` promises in it are never green.

    Raises:
        HarnessError: the run left no record.
    """
    reporter.begin()
    for name in _ISOLATED:
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with reporter, ending_at_once_the_second_time(_AT_ONCE):
        code = pytest.main(_arguments(wanted), plugins=[reporter])
    found = reporter.found
    if code == pytest.ExitCode.INTERRUPTED:
        reporter.interrupted()
        return INTERRUPTED, found
    if found is None:
        raise HarnessError("the run ended before it had a record; the lines above say why")
    reporter.end(found)
    return exit_code(found.promises, max(expected, found.selected)), found


def _arguments(wanted: Wanted) -> list[str]:
    scenarios = scenarios_directory()
    if not scenarios.is_dir():
        raise UsageError(f"the scenarios are not at {scenarios}; install stormproof again")
    arguments = [str(scenarios), "-c", str(_INI), f"--rootdir={scenarios.parent}", "-s"]
    arguments += [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:tmpdir",
        "-p",
        "no:terminal",
        "-p",
        "harness.plugin",
    ]
    arguments += ["--import-mode=importlib"]
    report = wanted.report.resolve()
    arguments += ["-p", "allure_pytest.plugin", f"--alluredir={report / ALLURE}"]
    arguments += [f"--junitxml={report / JUNIT}"]
    if wanted.workers > 1:
        arguments += ["-p", "xdist", "-n", str(wanted.workers), "--dist", "worksteal"]
    for path in wanted.contracts:
        arguments += ["--contract", str(path.resolve())]
    for promise in wanted.promises:
        arguments += ["--storm-promise", promise]
    for host in wanted.allow:
        arguments += ["--storm-allow", host]
    if wanted.smoke:
        arguments += ["--storm-smoke"]
    if wanted.fail_fast:
        arguments += ["--storm-fail-fast"]
    if wanted.baseline is not None:
        arguments += [f"--storm-baseline={wanted.baseline.resolve()}"]
    return [
        *arguments,
        f"--storm-backend={wanted.backend}",
        f"--storm-clock={wanted.clock}",
        f"--storm-budget={wanted.budget}",
        f"--storm-seed={wanted.seed}",
        f"--storm-report={report}",
    ]


def exit_code(promises: tuple[PromiseRecord, ...], selected: int) -> int:
    """1 any fails, else 3 a contract ran no trial, else 2 any unknown or missing, else 0.

    Broken fails unless the baseline knows it; so does what is kept and still in the baseline.
    """
    if any(promise.fails for promise in promises):
        return BROKEN
    ran: dict[str, bool] = {}
    for promise in promises:
        ran[promise.service] = ran.get(promise.service, False) or promise.ran
    if not ran or not all(ran.values()):
        return COULD_NOT_RUN
    if len(promises) < selected or any(promise.verdict == "unknown" for promise in promises):
        return UNKNOWN
    return 0
