"""Connections through a proxy ``web`` that listens on ``{p1}``."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.proxy.api.servers import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proxy.api.servers import Server


@contextmanager
def link(server: Server, upstream: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection through the proxy: both ends."""
    with socket.create_connection(("127.0.0.1", server.ports["p1"]), timeout=PATIENCE_S) as client:
        there, _ = upstream.accept()
        with there:
            there.settimeout(PATIENCE_S)
            yield client, there


def exchange(client: socket.socket, there: socket.socket) -> None:
    """5 bytes there, 3 bytes back."""
    client.sendall(b"hello")
    assert there.recv(10) == b"hello"
    there.sendall(b"bye")
    assert client.recv(10) == b"bye"
