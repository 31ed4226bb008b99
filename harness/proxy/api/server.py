"""The control plane's listener and its connections, on the loop that the wires are on too."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
from functools import partial
from traceback import print_exc
from typing import TYPE_CHECKING, Final

from harness.proxy.api.connection import Connection
from harness.proxy.api.messages import error as api_error
from harness.proxy.api.names import Names, Unknown
from harness.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.loop import Loop, Timer
    from harness.proxy.api.api import Api
    from harness.proxy.api.messages import Request, Response
    from harness.proxy.wires import Events

__all__ = ["LIMIT_CONNECTIONS", "ControlPlane"]

LIMIT_CONNECTIONS: Final = 1024
_ACCEPTS: Final = 64


class _Late:
    """When a connection is late, on the loop's clock, and the timer that looks."""

    __slots__ = ("at_ns", "timer")

    def __init__(self) -> None:
        self.at_ns: int | None = None
        self.timer: Timer | None = None


class ControlPlane:
    """Takes connections from ``listener`` and has ``api`` answer their requests.

    Args:
        loop: tells of what happens; the control plane runs on it and never waits.
        listener: bound, listening; belongs to the control plane from now on.
        names: those that the API's proxies look up.

    A connection has 60 s for its next request and 15 s for all of one, by the machine's clock. Where a
    clock is held there are no such timers, as they would count as the target's own: there the oldest
    connection goes when there are too many.
    """

    def __init__(
        self, loop: Loop, listener: socket.socket, api: Api, names: Names, events: Events
    ) -> None:
        self.events = events
        self._loop = loop
        self._listener = listener
        self._api = api
        self._names = names
        self._late: dict[Connection, _Late] = {}
        self._is_closed = False
        self._has_timers = not hasattr(ctypes.CDLL(None), "stormproof_clock_real")
        listener.setblocking(False)
        loop.watch(listener.fileno(), select.EPOLLIN, self._accept)
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._spare = [os.dup(self._null)]

    def close(self) -> None:
        """Listener and connections."""
        self._is_closed = True
        self._loop.leave(self._listener)
        for descriptor in (self._null, *self._spare):
            os.close(descriptor)
        self._spare.clear()
        for connection in list(self._late):
            connection.close()

    def _accept(self, _what: int) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno not in {errno.EMFILE, errno.ENFILE}:
                    return
                if not self._spare:  # somebody has it, and will give it back
                    self._loop.change(self._listener.fileno(), 0)
                    return
                os.close(self._spare.pop())
                continue
            self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        if len(self._late) >= LIMIT_CONNECTIONS:
            next(iter(self._late)).close()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self)
        self._loop.watch(sock.fileno(), select.EPOLLIN, connection.on_event)

    def _save(self, sock: socket.socket) -> None:
        """Close a connection, and keep its descriptor for when there is no other.

        In one step: once it were free, the wires, which may have long queues, would take it.
        """
        self._loop.forget(sock.fileno())
        descriptor = sock.detach()
        self._spare.append(os.dup2(self._null, descriptor, inheritable=False))
        self._loop.change(self._listener.fileno(), select.EPOLLIN)

    # what connections need

    def answer(self, connection: Connection, request: Request) -> Response | None:
        """See :class:`harness.proxy.api.connection.House`."""
        return self._answer(connection, request, {})

    def _answer(
        self, connection: Connection, request: Request, known: dict[str, str]
    ) -> Response | None:
        self._names.known = known
        try:
            return self._api.answer(request)
        except Unknown as unknown:
            again = partial(self._again, connection, request, known, unknown.name)
            self._names.find(unknown.name, again)
            return None
        except Exception as error:  # noqa: BLE001 (a defect of ours must not end everybody's proxies)
            print_exc()
            return api_error(500, f"internal error: {error!r}; the proxy's own output says where")

    def _again(
        self,
        connection: Connection,
        request: Request,
        known: dict[str, str],
        name: str,
        address: str,
    ) -> None:
        answer = self._answer(connection, request, known | {name: address})
        if answer is not None:
            connection.late_answer(answer)

    def wants(self, connection: Connection, events: int) -> None:
        """See :class:`harness.proxy.api.connection.House`."""
        self._loop.change(connection.sock.fileno(), events)

    def expects(self, connection: Connection, within_s: float | None) -> None:
        """See :class:`harness.proxy.api.connection.House`."""
        late = self._late.setdefault(connection, _Late())
        late.at_ns = None
        if within_s is not None and self._has_timers:
            late.at_ns = self._loop.now_ns() + int(within_s * NS_PER_S)
            self._arm(connection, late)

    def _arm(self, connection: Connection, late: _Late) -> None:
        """One timer a connection: it may come too early and is then set again."""
        assert late.at_ns is not None
        if late.timer is not None and late.timer.at_ns > late.at_ns:
            late.timer.cancel()
            late.timer = None
        if late.timer is None:
            late.timer = self._loop.at(late.at_ns, partial(self._on_timer, connection, late))

    def _on_timer(self, connection: Connection, late: _Late) -> None:
        late.timer = None
        if late.at_ns is None:
            return
        if late.at_ns > self._loop.now_ns():
            self._arm(connection, late)
        else:
            connection.on_late()

    def soon(self, told: Callable[[], None]) -> None:
        """See :class:`harness.proxy.api.connection.House`."""
        self._loop.soon(told)

    def left(self, connection: Connection) -> None:
        """See :class:`harness.proxy.api.connection.House`."""
        timer = self._late.pop(connection).timer
        if timer is not None:
            timer.cancel()
        if self._spare or self._is_closed:
            self._loop.leave(connection.sock)
        else:
            self._save(connection.sock)
