"""Bytes that a socket does not take yet."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outbox"]


class Outbox:
    """Each piece is written by itself, so that who reads fast sees it by itself.

    Args:
        send: of a socket that does not wait.
    """

    __slots__ = ("_pending", "_send")

    def __init__(self, send: Callable[[bytes | memoryview], int]) -> None:
        self._send = send
        self._pending: deque[bytes | memoryview] = deque()

    def __len__(self) -> int:
        """How many bytes are in it."""
        return sum(len(data) for data in self._pending)

    def __bool__(self) -> bool:
        """Whether any are."""
        return bool(self._pending)

    def put(self, data: bytes) -> int:
        """How many bytes went at once; the others are kept. Raises ``OSError``."""
        count = 0
        if not self._pending:
            with suppress(BlockingIOError):
                count = self._send(data)
            if count == len(data):
                return count
        self._pending.append(memoryview(data)[count:] if count else data)
        return count

    def keep(self, data: bytes) -> None:
        """Behind what is in it, without trying."""
        if data:
            self._pending.append(data)

    def flush(self) -> int:
        """As many bytes as go now. Raises ``OSError``."""
        pending, total = self._pending, 0
        with suppress(BlockingIOError):
            while pending:
                count = self._send(pending[0])
                total += count
                if count < len(pending[0]):
                    pending[0] = memoryview(pending[0])[count:]
                    break
                pending.popleft()
        return total

    def clear(self) -> None:
        """What is in it is gone."""
        self._pending.clear()
