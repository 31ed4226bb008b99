"""Failed calls of a dependency are repeated as often, as late and only where declared."""

from __future__ import annotations

from typing import Any

KIND = "retry"


def test_retry(promise: Any, verify: Any) -> None:
    """The dependency sees the declared attempts after the declared waits, and no others."""
    verify(promise)
