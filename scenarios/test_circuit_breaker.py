"""A failing dependency is cut off, tried again after a while, and readmitted."""

from __future__ import annotations

from typing import Any

KIND = "circuit_breaker"


def test_circuit_breaker(promise: Any, verify: Any) -> None:
    """The breaker opens, refuses, recovers and closes as the contract declares."""
    verify(promise)
