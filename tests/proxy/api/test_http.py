"""Connections to the control plane, byte by byte."""

from __future__ import annotations

import json
import re
import socket
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from harness.loop import Loop
from harness.proxy.api import connection
from harness.proxy.api import server as api_server
from harness.proxy.api.allowed import Allowed
from harness.proxy.api.api import Api
from harness.proxy.api.names import Names
from harness.proxy.api.proxies import Proxies
from harness.proxy.dial import Resolver
from harness.proxy.engine import Engine
from tests.proxy.api.differences import shows
from tests.proxy.api.servers import PATIENCE_S, Server, ours, with_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "Host: localhost"
CREATE = json.dumps({"name": "web", "upstream": "localhost:1", "enabled": False})


def talk(port: int, *parts: bytes, ends: bool = False) -> bytes:
    """Write the parts, one packet each, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            wire.sendall(part)
        if ends:
            wire.shutdown(socket.SHUT_WR)
        said = b""
        while data := wire.recv(65_536):
            said += data
        return said


def request(method: str, path: str, *headers: str, body: str = "") -> bytes:
    """A whole request."""
    size = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", HOST, *size, *headers, "", body]).encode()


LAST = request("GET", "/version", "Connection: close")


def statuses(said: bytes) -> list[int]:
    """Of all answers."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d+)", said)]


def test_many_requests_on_one_connection(any_server: Server) -> None:
    """In one packet, they are answered in their order; a body between them is no request."""
    said = talk(
        any_server.port,
        request("POST", "/proxies", body=CREATE)
        + request("GET", "/proxies/web")
        + request("DELETE", "/proxies/web")
        + LAST,
    )
    assert statuses(said) == [201, 200, 204, 200]


def test_a_request_in_pieces(any_server: Server) -> None:
    """However it is cut."""
    whole = request("POST", "/proxies", "Connection: close", body=CREATE)
    said = talk(any_server.port, *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    assert statuses(said) == [201]


def test_a_body_in_chunks(any_server: Server) -> None:
    """Without a Content-Length."""
    head = request("POST", "/proxies", "Transfer-Encoding: chunked", "Connection: close")
    middle = len(CREATE) // 2
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (CREATE[:middle].encode(), CREATE[middle:].encode(), b"")
    )
    assert statuses(talk(any_server.port, head, chunks)) == [201]


def test_a_client_that_asks_before_it_sends_its_body(any_server: Server) -> None:
    """``Expect: 100-continue``, as curl does with larger bodies."""
    head = request(
        "POST",
        "/proxies",
        "Expect: 100-continue",
        f"Content-Length: {len(CREATE)}",
        "Connection: close",
    )
    with socket.create_connection(("127.0.0.1", any_server.port), timeout=PATIENCE_S) as wire:
        wire.sendall(head)
        assert wire.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(CREATE.encode())
        assert statuses(wire.recv(65_536)) == [201]


def test_a_client_that_would_change_the_protocol(any_server: Server) -> None:
    """Java's client offers HTTP/2 with each first request; it gets HTTP/1.1."""
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")
    assert statuses(talk(any_server.port, request("GET", "/version", *upgrade) + LAST)) == [
        200,
        200,
    ]


def test_a_client_that_sends_no_more(any_server: Server) -> None:
    """It still gets its answer."""
    assert statuses(talk(any_server.port, request("GET", "/version"), ends=True)) == [200]


@shows("old-http")
def test_old_http(server: Server) -> None:
    """HTTP/1.0 needs no Host, and its connection ends."""
    assert statuses(talk(server.port, b"GET /version HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize(
    "said",
    [b"nonsense\r\n\r\n", b"GET /version HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"],
)
def test_what_is_no_http(any_server: Server, said: bytes) -> None:
    """400, and the connection ends; Toxiproxy's text too."""
    answer = talk(any_server.port, said)
    assert statuses(answer) == [400]
    assert b"\r\n\r\n400 Bad Request" in answer


def test_a_name_without_end(server: Server) -> None:
    """Too large a head is refused while it comes."""
    head = b"GET /" + b"a" * 70_000
    assert statuses(talk(server.port, head)) == [431]


@shows("body-limit")
def test_a_body_without_end(server: Server) -> None:
    """Bodies have at most 8 MiB, said or chunked: the difference is told while it comes."""
    size = connection.BODY_MOST_BYTES + 1
    head = request("POST", "/populate", f"Content-Length: {size}")
    assert statuses(talk(server.port, head, b" " * size)) == [413]
    fits = b" " * (connection.BODY_MOST_BYTES - 1)
    head = request("POST", "/populate", f"Content-Length: {len(fits)}", "Connection: close")
    assert statuses(talk(server.port, head, fits)) == [400]


def send_for_ever(wire: socket.socket, data: bytes) -> None:
    """Until somebody stops it."""
    while True:
        wire.send(data)


@shows("content-length")
def test_a_large_answer(any_server: Server) -> None:
    """More than 2 KiB: Toxiproxy sends them in chunks."""
    many = [
        {"name": f"{number}", "upstream": "localhost:1", "enabled": False} for number in range(50)
    ]
    answer = any_server.ask("POST", "/populate", many)
    assert len(answer.json["proxies"]) == 50
    assert ("content-length" in answer.headers) == (not any_server.is_real)


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch, **patience_s: float) -> Iterator[int]:
    """A control plane in this process that waits less long; its port."""
    for name, seconds in patience_s.items():
        monkeypatch.setattr(connection, f"_{name}_S", seconds)
    loop = Loop()
    engine, resolver = Engine(loop, 1), Resolver(loop)
    names = Names(resolver)
    api = Api(engine, Proxies(engine, Allowed(), names.lookup), Allowed())
    listener = socket.create_server(("127.0.0.1", 0))
    plane = api_server.ControlPlane(loop, listener, api, names, engine.events)
    thread = Thread(target=loop.run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.hand_in(loop.stop)
        thread.join(PATIENCE_S)
        plane.close()
        resolver.close()
        engine.close()
        loop.close()


def test_a_connection_that_asks_nothing_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 60 s without a request; here sooner."""
    with impatient(monkeypatch, IDLE=0.05) as port:
        assert statuses(talk(port, request("GET", "/version"))) == [200]


def test_half_a_head_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 15 s for the whole request; here sooner."""
    with impatient(monkeypatch, REQUEST=0.05) as port:
        assert talk(port, b"GET /version HT") == b""


def test_half_a_body_is_answered_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty body, as Toxiproxy does; more of the body does not prolong it."""
    with impatient(monkeypatch, REQUEST=0.05) as port:
        said = talk(port, request("POST", "/proxies", "Content-Length: 9"), b"{")
    assert statuses(said) == [503]
    assert said.endswith(b"\r\n\r\n")


def test_who_does_not_take_the_answers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 30 s in which nothing more could be written; here sooner. Others are answered meanwhile."""
    many = [
        {"name": f"{number}", "upstream": "localhost:1", "enabled": False} for number in range(300)
    ]
    with (
        impatient(monkeypatch, ANSWER=0.2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as stuck,
    ):
        populate = request("POST", "/populate", "Connection: close", body=json.dumps(many))
        assert statuses(talk(port, populate)) == [201]
        flood = request("GET", "/proxies") * 1000
        stuck.setblocking(False)
        with suppress(BlockingIOError):
            stuck.send(flood)
        assert statuses(talk(port, LAST)) == [200]
        stuck.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionError):
            send_for_ever(stuck, flood)


def test_the_oldest_connection_goes_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control plane is never full."""
    monkeypatch.setattr(api_server, "LIMIT_CONNECTIONS", 2)
    with (
        impatient(monkeypatch) as port,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as first,
    ):
        first.sendall(request("GET", "/version"))
        assert statuses(first.recv(65_536)) == [200]
        with socket.create_connection(("127.0.0.1", port)):
            assert statuses(talk(port, LAST)) == [200]
            assert first.recv(65_536) == b""


def test_a_server_without_descriptors_still_answers() -> None:
    """When links have taken all of them, one control call at a time goes on the spare one."""
    few = ("sh", "-c", 'ulimit -n 40; exec "$@"', "sh")
    with ExitStack() as stack:
        server = stack.enter_context(with_ports(stack.enter_context(ours(before=few))))
        upstream = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        body = {
            "name": "web",
            "upstream": f"127.0.0.1:{upstream.getsockname()[1]}",
            "listen": ":{p1}",
        }
        assert server.ask("POST", "/proxies", body).status == 201
        server.close()
        for _ in range(60):
            address = ("127.0.0.1", server.ports["p1"])
            stack.enter_context(socket.create_connection(address, timeout=PATIENCE_S))
        for _ in range(3):
            assert statuses(talk(server.port, LAST)) == [200]
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as first:
            first.sendall(request("GET", "/version"))
            assert statuses(first.recv(65_536)) == [200]
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as second:
                second.sendall(LAST)
                first.close()
                assert statuses(second.recv(65_536)) == [200]
        assert statuses(
            talk(server.port, request("DELETE", "/proxies/web", "Connection: close"))
        ) == [204]
        shown = server.ask("GET", "/proxies")
        assert shown.json == {}
