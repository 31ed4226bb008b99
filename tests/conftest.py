"""What several tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "stormproof",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("stormproof")


def pytest_configure() -> None:
    """Started in the background we are told to ignore Ctrl-C, and what tests start would ignore it too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def contracts(repository: Path) -> dict[str, Path]:
    """The reference contracts by a short name, with their rate limits alone: soon verified."""
    rates = repository / "tests" / "contracts" / "rates"
    return {name: rates / f"{name}.yaml" for name in ("amodels", "sum")}
