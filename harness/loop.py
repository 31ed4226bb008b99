"""One thread, one epoll: whoever has a descriptor or a moment to wait for is told when it comes.

Nothing here waits but :meth:`Loop.run`, and whoever is told must not wait either. Moments are of the
clock that :class:`harness.witness.moments.Clock` shows: the target's where that is held.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import select
import socket
from collections import deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

from harness.witness.moments import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Loop", "Timer"]

_EVENTS: Final = 32
"""Told in one turn: so nobody waits longer than these take, however many are busy."""
_PR_SET_TIMERSLACK: Final = 29


class Timer:
    """A moment that somebody waits for."""

    __slots__ = ("at_ns", "told")

    def __init__(self, at_ns: int, told: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.told: Callable[[], None] | None = told

    def cancel(self) -> None:
        """Nobody is told. May be called again, and afterwards."""
        self.told = None


class Loop:
    """Tells of descriptors that are ready, of timers that fell due, and of what other threads handed in."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._epoll = select.epoll()
        self._told: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = count()
        self._soon: deque[Callable[[], None]] = deque()
        self._leaving: list[socket.socket] = []
        self._is_running = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch(self._bell, select.EPOLLIN, self._rung)

    def now_ns(self) -> int:
        """What the clock shows that timers are for."""
        return self.clock.now()[1]

    # descriptors

    def watch(self, fd: int, events: int, told: Callable[[int], None]) -> None:
        """Call ``told`` with what is the matter, in every turn in which something is."""
        self._epoll.register(fd, events)
        self._told[fd] = told

    def change(self, fd: int, events: int) -> None:
        """Watch for other events; hanging up and errors are always told."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Watch no more; what was found in this turn is not told either."""
        if self._told.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def leave(self, sock: socket.socket) -> None:
        """Forget and close it. Its number is not given to another before the turn has ended."""
        self._told.pop(sock.fileno(), None)
        self._leaving.append(sock)

    # moments

    def at(self, at_ns: int, told: Callable[[], None]) -> Timer:
        """Call ``told`` once, not before ``at_ns``."""
        timer = Timer(at_ns, told)
        heapq.heappush(self._timers, (at_ns, next(self._order), timer))
        return timer

    def soon(self, told: Callable[[], None]) -> None:
        """Call ``told`` in the next turn, after the descriptors that are ready then."""
        self._soon.append(told)

    def hand_in(self, told: Callable[[], None]) -> None:
        """The same, from any thread."""
        self._soon.append(told)
        os.eventfd_write(self._bell, 1)

    # turns

    def run(self) -> None:
        """Turn after turn, until somebody calls :meth:`stop`."""
        with suppress(AttributeError, OSError):  # else timers are 50 µs late
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        self._is_running = True
        while self._is_running:
            self._turn()

    def stop(self) -> None:
        """This turn is the last one."""
        self._is_running = False

    def close(self) -> None:
        """What is watched stays open, and its owner's."""
        self._close_those_leaving()
        self._told.clear()
        self._timers.clear()
        self._epoll.close()
        os.close(self._bell)

    def _turn(self) -> None:
        told = self._told
        for fd, what in self._wait():
            callee = told.get(fd)
            if callee is not None:
                callee(what)
        if self._timers:
            self._fire()
        if self._soon:
            for _ in range(len(self._soon)):
                self._soon.popleft()()
        if self._leaving:
            self._close_those_leaving()

    def _wait(self) -> list[tuple[int, int]]:
        timers = self._timers
        while timers and timers[0][2].told is None:
            heapq.heappop(timers)
        if self._soon:
            return self._epoll.poll(0, _EVENTS)
        if not timers:
            return self._epoll.poll(-1, _EVENTS)
        self.clock.wait(self._epoll.fileno(), timers[0][0])
        return self._epoll.poll(0, _EVENTS)

    def _fire(self) -> None:
        """Those that are due now; what they bring about in no time waits for the next turn."""
        now_ns = self.now_ns()
        due: list[Timer] = []
        while self._timers and self._timers[0][0] <= now_ns:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            if timer.told is not None:
                told, timer.told = timer.told, None
                told()

    def _close_those_leaving(self) -> None:
        for sock in self._leaving:
            sock.close()
        self._leaving.clear()

    def _rung(self, _what: int) -> None:
        os.eventfd_read(self._bell)
