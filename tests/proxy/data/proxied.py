"""A proxy between two sockets that a test holds both ends of."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 20.0


@dataclass
class Answer:
    """Of a control call."""

    status: int
    body: str

    @property
    def json(self) -> Any:
        """What it says."""
        return json.loads(self.body)


class Control:
    """A server's API, on one connection.

    Attributes:
        pid: of the server.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._wire = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One call."""
        self._wire.request(method, path, None if body is None else json.dumps(body))
        answer = self._wire.getresponse()
        return Answer(answer.status, answer.read().decode())

    def clear(self) -> None:
        """No proxies."""
        for name in self.ask("GET", "/proxies").json:
            assert self.ask("DELETE", f"/proxies/{name}").status == 204

    def close(self) -> None:
        """The server stays."""
        self._wire.close()


@dataclass
class Proxied:
    """A proxy of ``server`` before ``upstream``, a listening socket of the test's."""

    server: Control
    upstream: socket.socket
    stack: ExitStack
    name: str = "wire"
    port: int = 0

    def toxic(self, kind: str, stream: str = "downstream", **more: Any) -> str:
        """Add one; attributes are those that are no field of a toxic. Returns its name."""
        body = {"type": kind, "stream": stream}
        fields = {"name", "toxicity", "when"}
        body |= {key: value for key, value in more.items() if key in fields}
        body["attributes"] = {key: value for key, value in more.items() if key not in fields}
        answer = self.ask("POST", "/toxics", body)
        assert answer.status == 200, answer
        return str(answer.json["name"])

    def update(self, toxic: str, **body: Any) -> None:
        """Its toxicity or attributes."""
        answer = self.ask("POST", f"/toxics/{toxic}", body)
        assert answer.status == 200, answer

    def remove(self, toxic: str) -> None:
        """From all links."""
        assert self.ask("DELETE", f"/toxics/{toxic}").status == 204

    def ask(self, method: str, path: str = "", body: Any = None) -> Answer:
        """About this proxy."""
        return self.server.ask(method, f"/proxies/{self.name}{path}", body)

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """A connection: the client's end and the upstream's."""
        client = self.client()
        far, _ = self.upstream.accept()
        return client, self._kept(far)

    def client(self) -> socket.socket:
        """A connection of which nobody has taken the other end yet."""
        return self._kept(socket.create_connection(("127.0.0.1", self.port), PATIENCE_S))

    def _kept(self, sock: socket.socket) -> socket.socket:
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.stack.enter_context(sock)

    def facts(self) -> Any:
        """Counters and links, as ours tells them."""
        return self.server.ask("GET", f"/proxies/{self.name}/counters").json


@contextmanager
def proxied(server: Control, **more: Any) -> Iterator[Proxied]:
    """A new one, on a server without others."""
    with ExitStack() as stack:
        upstream = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        upstream.settimeout(PATIENCE_S)
        wire = Proxied(server, upstream, stack)
        body = {
            "name": wire.name,
            "listen": "127.0.0.1:0",
            "upstream": f"127.0.0.1:{upstream.getsockname()[1]}",
        }
        answer = server.ask("POST", "/proxies", body | more)
        assert answer.status == 201, answer
        wire.port = int(answer.json["listen"].rpartition(":")[2])
        yield wire


def received(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer if it ends before; a reset ends it too."""
    got = bytearray()
    try:
        while len(got) < size and (data := sock.recv(min(1 << 16, size - len(got)))):
            got += data
    except ConnectionResetError:
        pass
    return bytes(got)


def to_the_end(sock: socket.socket) -> bytes:
    """All that comes."""
    return received(sock, 1 << 62)


def passed(source: socket.socket, destination: socket.socket, size: int = 1) -> None:
    """So many bytes are sent and arrive."""
    source.sendall(b"x" * size)
    assert received(destination, size) == b"x" * size


def how_it_ends(sock: socket.socket) -> str:
    """``end`` or ``reset``, whatever comes before."""
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionResetError:
        return "reset"
    return "end"


def took_s(act: Callable[[], object]) -> float:
    """How long it takes."""
    start_s = time.monotonic()
    act()
    return time.monotonic() - start_s


def sent_in_background(
    sock: socket.socket, data: bytes, *, then_shut: bool = False
) -> threading.Thread:
    """All of it, whoever reads it when; ends when it has gone or cannot go."""

    def send() -> None:
        try:
            sock.sendall(data)
            if then_shut:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def digest(data: bytes) -> str:
    """To compare much by."""
    return hashlib.sha256(data).hexdigest()
