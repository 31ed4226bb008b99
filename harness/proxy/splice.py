"""Pipes to splice through: bytes go from socket to socket without ever being ours."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import Final

__all__ = ["Pipe", "Pipes", "Siphon"]

_FLAGS: Final = 0x01 | 0x02
"""SPLICE_F_MOVE and SPLICE_F_NONBLOCK."""
_WANTED_BYTES: Final = 1 << 19
_MOST_LENT: Final = 128
"""Together 64 MiB at most, which is what a user may have in pipes. Who gets none copies."""
_MOST_KEPT: Final = 8


class Pipe:
    """A pipe and what is in it.

    Attributes:
        reads, writes: its two descriptors.
        size_bytes: how many it holds at most.
        fill_bytes: how many are in it.
    """

    __slots__ = ("fill_bytes", "reads", "size_bytes", "writes")

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # this user has many already
            fcntl.fcntl(self.writes, fcntl.F_SETPIPE_SZ, _WANTED_BYTES)
        self.size_bytes: int = fcntl.fcntl(self.writes, fcntl.F_GETPIPE_SZ)
        self.fill_bytes = 0

    def drain(self) -> bytes:
        """Take out all that is in it."""
        parts = []
        while self.fill_bytes:
            parts.append(os.read(self.reads, self.fill_bytes))
            self.fill_bytes -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        """With what is in it."""
        os.close(self.reads)
        os.close(self.writes)


class Pipes:
    """Lends pipes to links while bytes of theirs move."""

    def __init__(self) -> None:
        self._kept: list[Pipe] = []
        self._lent = 0

    def lend(self) -> Pipe | None:
        """An empty one, or None where there are none to be had."""
        if self._lent >= _MOST_LENT:
            return None
        try:
            pipe = self._kept.pop() if self._kept else Pipe()
        except OSError:  # no descriptors left
            return None
        self._lent += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """One that was lent; where something is left in it, it is thrown away."""
        self._lent -= 1
        if pipe.fill_bytes or len(self._kept) >= _MOST_KEPT:
            pipe.close()
        else:
            self._kept.append(pipe)

    def close(self) -> None:
        """Those that are not lent."""
        while self._kept:
            self._kept.pop().close()


class Siphon:
    """From one socket to another, through a pipe that is lent only while bytes are in it."""

    __slots__ = ("_is_full", "_pipe", "_pipes")

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes
        self._pipe: Pipe | None = None
        self._is_full = False

    def __len__(self) -> int:
        """How many bytes are in it."""
        return self._pipe.fill_bytes if self._pipe is not None else 0

    def has_room(self) -> bool:
        """Whether it is worth while to draw more."""
        pipe = self._pipe
        return pipe is None or (not self._is_full and 2 * pipe.fill_bytes < pipe.size_bytes)

    def draw(self, source: int) -> int | None:
        """How many bytes came; 0 at the end of the source, None if none can come now. Raises ``OSError``."""
        pipe = self._pipe or self._pipes.lend()
        if pipe is None:
            return None
        self._pipe = pipe
        count: int | None = None
        try:
            moved = os.splice(source, pipe.writes, pipe.size_bytes - pipe.fill_bytes, flags=_FLAGS)
        except BlockingIOError:
            self._is_full = pipe.fill_bytes > 0  # it has fewer places than bytes
        else:
            pipe.fill_bytes += moved
            count = moved
        if not pipe.fill_bytes:
            self.drop()
        return count

    def pour(self, destination: int) -> int:
        """As many bytes as it takes now. Raises ``OSError``."""
        pipe = self._pipe
        if pipe is None:
            return 0
        before = pipe.fill_bytes
        with suppress(BlockingIOError):
            while pipe.fill_bytes:
                pipe.fill_bytes -= os.splice(pipe.reads, destination, pipe.fill_bytes, flags=_FLAGS)
                self._is_full = False
        poured = before - pipe.fill_bytes
        if not pipe.fill_bytes:
            self.drop()
        return poured

    def drain(self) -> bytes:
        """All that is in it, into our hands."""
        data = self._pipe.drain() if self._pipe is not None else b""
        self.drop()
        return data

    def drop(self) -> None:
        """What is in it is gone."""
        self._is_full = False
        if self._pipe is not None:
            self._pipes.give_back(self._pipe)
            self._pipe = None
