"""Raw servers: what a connection is answered with is a function of its socket."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from harness.client import Client, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Runs ``handle(connection, server)`` in a thread for each connection; keeps what it was sent."""

    def __init__(self, handle: Callable[[socket.socket, Server], None], host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        self._handle = handle
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.peers: list[str] = []
        self.heads: list[bytes] = []
        self.closed = threading.Semaphore(0)
        self._start(self._accept)

    def read_head(self, wire: socket.socket) -> bytes:
        """One request without a body; empty at the end of the connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = wire.recv(1)
            if not more:
                return b""
            head += more
        self.heads.append(head)
        return head

    def reset(self, wire: socket.socket) -> None:
        """Close with a reset in place of an orderly end."""
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    def stop(self) -> None:
        for wire in [self._listener, *self._open]:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for wire in [self._listener, *self._open]:
            wire.close()

    def _start(self, run: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, peer = self._listener.accept()
                self._open.append(wire)
                self.peers.append(peer[0])
                self._start(lambda wire=wire: self._serve(wire))  # type: ignore[misc]

    def _serve(self, wire: socket.socket) -> None:
        with suppress(OSError):
            self._handle(wire, self)
        wire.close()
        self.closed.release()


def answer_each(answer: bytes = OK) -> Callable[[socket.socket, Server], None]:
    """A handler that gives every request the same answer, and keeps the connection open."""

    def handle(wire: socket.socket, server: Server) -> None:
        while server.read_head(wire):
            wire.sendall(answer)

    return handle


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start raw servers; all are stopped afterwards."""
    servers: list[Server] = []

    def start(handle: Callable[[socket.socket, Server], None], host: str = "127.0.0.1") -> Server:
        servers.append(Server(handle, host))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Make clients for a raw server; all are closed afterwards."""
    clients: list[Client] = []

    def make(server: Server, **settings: object) -> Client:
        seq = count(1)
        clients.append(
            Client(
                server.host,
                server.port,
                instant=lambda: (time.monotonic_ns(), time.time_ns()),
                next_seq=lambda: next(seq),
                **settings,  # type: ignore[arg-type]
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ok_server(serve: Callable[..., Server]) -> Server:
    """Answers every request with 200, connections stay open."""
    return serve(answer_each())


@pytest.fixture
def get() -> Callable[..., Request]:
    """A GET of ``/`` with the settings given."""

    def make(**settings: object) -> Request:
        values = {"method": "GET", "path": "/", "operation": "list", "caller": "me"} | settings
        return Request(**values)  # type: ignore[arg-type]

    return make
