"""The pytest plugin: it registers options, and loads the rest only when a contract is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SEED = 20_240_601
BUDGET = "150s"
REPORT = "stormproof-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options; nothing else happens where no contract is given."""
    group = parser.getgroup("stormproof", "Stormproof: check the promises of a service")
    add = group.addoption
    add(
        "--contract",
        action="append",
        default=[],
        metavar="FILE",
        help="verify this contract, or give its target to your own tests; may be repeated",
    )
    add(
        "--storm-promise",
        action="append",
        default=[],
        metavar="ID",
        help="only this promise; may be repeated",
    )
    add(
        "--storm-backend",
        choices=["process"],
        default="process",
        help="how targets are started (default: process)",
    )
    add(
        "--storm-clock",
        choices=["auto", "frozen", "real"],
        default="auto",
        help="hold the target's clock, or not (default: auto, which falls back to real time)",
    )
    add(
        "--storm-budget",
        default=BUDGET,
        metavar="TIME",
        help=f"real time that one promise may take (default: {BUDGET})",
    )
    add(
        "--storm-seed",
        type=int,
        default=SEED,
        metavar="N",
        help=f"where plans are drawn from (default: {SEED})",
    )
    add(
        "--storm-report",
        default=REPORT,
        metavar="DIR",
        help=f"folder of the run record (default: {REPORT})",
    )
    add(
        "--storm-allow",
        action="append",
        default=[],
        metavar="HOST",
        help="a host outside loopback that target.url may name; may be repeated",
    )
    add(
        "--storm-smoke",
        action="store_true",
        help="play only the few trials that catch the coarsest defects; the record says so",
    )
    add(
        "--storm-fail-fast",
        action="store_true",
        help="begin nothing after the first promise that fails; the rest is unknown",
    )
    add(
        "--storm-baseline",
        metavar="FILE",
        help="promises that are known to be broken, until a day: reported, and not failing",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load everything else if a contract is given; without a path its promises are collected too."""
    if config.getoption("--contract"):
        from harness.plugin import fixtures, session  # noqa: PLC0415

        if config.args_source is not config.ArgsSource.ARGS:
            config.args.append(str(session.scenarios_directory()))
        run = session.Session(config)
        config.pluginmanager.register(run, "stormproof-session")
        config.pluginmanager.register(run.reports, "stormproof-reports")
        config.pluginmanager.register(fixtures, "stormproof-fixtures")
