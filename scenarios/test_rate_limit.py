"""At most N calls per window and key; who is over is told so."""

from __future__ import annotations

from typing import Any

KIND = "rate_limit"


def test_rate_limit(promise: Any, verify: Any) -> None:
    """The contract's limit holds, refuses properly, and lets callers in again."""
    verify(promise)
