"""What happened on the wires, the newest of it, for whoever asks."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from harness.proxy.wires import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.loop import Loop

__all__ = ["Book"]

_KNOWN: Final = 1 << 15


class Book:
    """See :class:`harness.proxy.wires.Events`. Events are made of what was noted only when asked for."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._moment = loop.clock.now
        self._notes: deque[tuple[int, int, str, str, int, str, str, int, str]] = deque(
            maxlen=_KNOWN
        )
        self._watchers: dict[int, Callable[[], None]] = {}
        self._is_telling = False
        self.newest = 0

    @property
    def oldest(self) -> int:
        """See :attr:`harness.proxy.wires.Events.oldest`."""
        return self.newest - len(self._notes) + 1

    def note(  # noqa: PLR0917
        self,
        kind: str,
        proxy: str,
        connection: int = 0,
        stream: str = "",
        toxic: str = "",
        offset: int = 0,
        what: str = "",
    ) -> None:
        """It has happened now."""
        at_ns, target_ns, _ = self._moment()
        self.newest += 1
        self._notes.append((at_ns, target_ns, kind, proxy, connection, stream, toxic, offset, what))
        if self._watchers and not self._is_telling:
            self._is_telling = True
            self._loop.soon(self._tell)

    def after(self, number: int, most: int = 1000) -> Sequence[Event]:
        """See :meth:`harness.proxy.wires.Events.after`."""
        first = max(number + 1, self.oldest)
        start = first - self.oldest
        notes = islice(self._notes, start, start + most)
        return [Event(first + place, *note) for place, note in enumerate(notes)]

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """See :meth:`harness.proxy.wires.Events.watch`."""
        key = id(told)
        self._watchers[key] = told
        return lambda: self._forget(key)

    def _forget(self, key: int) -> None:
        self._watchers.pop(key, None)

    def _tell(self) -> None:
        self._is_telling = False
        for told in tuple(self._watchers.values()):
            told()
