"""The witness's process: one thread, one epoll, timers on the target's clock, one control socket.

In each turn it looks after clients first, then timers, then the runner: whatever the runner asks for
sees all that had happened before. Asleep when there is nothing to do.
"""

from __future__ import annotations

import errno
import heapq
import json
import resource
import select
import socket
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from harness.witness.book import Book
from harness.witness.connection import READS, Connection, Exchange
from harness.witness.moments import Clock
from harness.witness.peer import Peers
from harness.witness.protocol import answer_from, line, script_from, usual_from
from harness.witness.reply import Reply

if TYPE_CHECKING:
    from harness.script import Answer, Reach

__all__ = ["Server"]

_HOST: Final = "127.0.0.1"
_BACKLOG: Final = 4096
_ACCEPTS: Final = 64
_TURNS: Final = 100
_CONTROL_BYTES: Final = 1 << 20


class Server:
    """Serves until the other end of ``control`` is closed."""

    def __init__(self, control: socket.socket) -> None:
        self.book = Book()
        self.clock = Clock()
        self.held: dict[int, tuple[Connection, Exchange]] = {}
        self._control = control
        self._asked = b""
        self._peers = Peers()
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._timers: list[tuple[int, int, Connection, Exchange]] = []
        self._order = count()
        self._port = 0
        self._listener: socket.socket | None = None
        self._how: Reach = "refuse"
        self._is_taking = False
        soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft_limit != hard_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))

    def serve(self) -> None:
        """Turn after turn, until the runner goes away."""
        while True:
            is_asked = self._serve_clients(self._sleep())
            for _ in range(_TURNS if is_asked else 0):  # what had happened before it asked
                events = self._epoll.poll(0)
                self._serve_clients(events)
                if len(events) <= 1:
                    break
            self._fire()
            if is_asked and not self._serve_runner():
                return

    def _sleep(self) -> list[tuple[int, int]]:
        while self._timers and self._timers[0][3].over:
            heapq.heappop(self._timers)
        if not self._timers:
            return self._epoll.poll()
        self.clock.wait(self._epoll.fileno(), self._timers[0][0])
        return self._epoll.poll(0)

    def _serve_clients(self, events: list[tuple[int, int]]) -> bool:
        """Whether the runner has asked something."""
        is_asked = False
        for fd, what in events:
            connection = self._connections.get(fd)
            if connection is not None:
                connection.on_event(what)
            elif fd == self._control.fileno():
                is_asked = True
            elif self._listener is not None and fd == self._listener.fileno():
                self._accept()
        return is_asked

    def _fire(self) -> None:
        while self._timers and self._timers[0][0] <= self.clock.now()[1]:
            _, _, connection, exchange = heapq.heappop(self._timers)
            if not exchange.over:
                connection.pump()

    # what connections need

    def wants(self, connection: Connection, events: int) -> None:
        """See :class:`harness.witness.connection.House`."""
        self._epoll.modify(connection.sock, events)

    def wake(self, connection: Connection, exchange: Exchange, at_ns: int) -> None:
        """See :class:`harness.witness.connection.House`."""
        if exchange.wakes_ns != at_ns:
            exchange.wakes_ns = at_ns
            heapq.heappush(self._timers, (at_ns, next(self._order), connection, exchange))

    def left(self, connection: Connection) -> None:
        """See :class:`harness.witness.connection.House`."""
        del self._connections[connection.sock.fileno()]
        self._epoll.unregister(connection.sock)
        self._take(wanted=self._how == "open")

    def reads_on(self, sock: socket.socket) -> bool:
        """See :class:`harness.witness.connection.House`."""
        return self._peers.reads_on(sock)

    # who may come in

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(_ACCEPTS):
            try:
                sock, peer = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:  # until somebody leaves
                    self._take(wanted=False)
                    return
                continue  # it has gone already
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[sock.fileno()] = Connection(sock, self, peer[1])
            self._epoll.register(sock, READS)

    def _take(self, *, wanted: bool) -> None:
        """Look after newcomers, or leave them in the queue."""
        if self._listener is not None and wanted != self._is_taking:
            self._is_taking = wanted
            if wanted:
                self._epoll.register(self._listener, select.EPOLLIN)
            else:
                self._epoll.unregister(self._listener)

    def _reach(self, how: Reach) -> None:
        """A bound socket that does not listen keeps the port while connects are refused."""
        if self._listener is not None:
            self._take(wanted=False)
            self._listener.close()
        self._how = how
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind((_HOST, self._port))
        if how != "refuse":
            self._listener.listen(_BACKLOG if how == "open" else 0)
        self._take(wanted=how == "open")

    # the runner

    def _serve_runner(self) -> bool:
        """Whether it is still there."""
        try:
            data = self._control.recv(_CONTROL_BYTES)
        except OSError:
            data = b""
        *lines, self._asked = (self._asked + data).split(b"\n")
        for asked in lines:
            message = json.loads(asked)
            try:
                answer = {"done": self._do(message)}
            except OSError as error:
                answer = {"error": str(error)}
            with suppress(BrokenPipeError, ConnectionResetError):
                self._control.sendall(line(answer))
        return bool(data)

    def _do(self, message: dict[str, Any]) -> Any:
        for connection in [one for one in self._connections.values() if one.half_closed]:
            connection.look()
        match message["do"]:
            case "open":
                self._port = message["port"]
                self.book = Book(tuple(usual_from(one) for one in message["usual"]))
                self._reach("open")
            case "script":
                self.book.play(script_from(message["script"]))
            case "reach":
                self._reach(message["how"])
            case "held":
                return list(self.held)
            case "release":
                return self._release(message["numbers"], answer_from(message["answer"]))
            case "news":
                return self.book.news()
            case "truth":
                return self._truth()
        return None

    def _release(self, numbers: list[int], answer: Answer) -> list[int]:
        known = [number for number in numbers if number in self.held]
        for number in known:
            held = self.held.pop(number, None)
            if held is None:
                continue  # cut with one before it on the same connection
            connection, exchange = held
            assert exchange.record is not None
            connection.release(exchange, Reply(answer, self.book.usual(exchange.record.path)))
        return known

    def _truth(self) -> dict[str, int]:
        connections = list(self._connections.values())
        return {
            "arrivals": self.book.arrivals,
            **self.book.states,
            "connections": self.book.connections,
            "open": len(connections),
            "half_closed": sum(one.half_closed for one in connections),
            "partial": sum(one.reader.partial for one in connections),
            "broken": self.book.broken,
        }
