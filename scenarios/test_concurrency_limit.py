"""At most N calls at once for each key, a queue of so many, the rest refused."""

from __future__ import annotations

from typing import Any

KIND = "concurrency_limit"


def test_concurrency_limit(promise: Any, verify: Any) -> None:
    """The contract's limit holds, slots come back once, and who waits gets in."""
    verify(promise)
