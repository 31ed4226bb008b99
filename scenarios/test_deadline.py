"""Answers in time whatever its dependencies do, and keeps nothing of the calls that failed."""

from __future__ import annotations

from typing import Any

KIND = "deadline"


def test_deadline(promise: Any, verify: Any) -> None:
    """Each fault of a dependency is met, each call answered in time, and nothing leaks."""
    verify(promise)
