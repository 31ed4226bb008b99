"""Hooks that Stormproof calls; other plugins may listen to them."""

from __future__ import annotations

import pytest


@pytest.hookspec()
def pytest_stormproof_trial(
    service: str, promise: str, trial: str, number: int, total: int
) -> None:
    """A trial is about to be played: number ``number`` of ``total``, from 1. Not sent by workers."""


@pytest.hookspec()
def pytest_stormproof_promise(record: object) -> None:
    """A promise has its verdict: a ``harness.record.PromiseRecord``. Sent on the controller."""


@pytest.hookspec()
def pytest_stormproof_end(record: object, trouble: tuple[str, ...]) -> None:
    """The run has ended: its ``harness.record.RunRecord``, and what could not be written of it."""
