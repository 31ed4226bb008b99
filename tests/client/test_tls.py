"""The client over TLS, against raw servers on real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import trustme

from harness.client.tls import Secured, Trust
from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from pathlib import Path

    from harness.client import Client, Request

    Get = Callable[..., Request]
    Connect = Callable[..., Client]
    Serve = Callable[..., SimpleNamespace]
    Handle = Callable[[ssl.SSLSocket, SimpleNamespace], None]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AUTHORITY = trustme.CA()


def server_context(tickets: int = 2) -> ssl.SSLContext:
    """Of a server that sends so many session tickets, unasked, after each handshake."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.num_tickets = tickets
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def secured(tmp_path: Path) -> Secured:
    """Trusts the tests' authority."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    found = Secured.by(Trust(name="localhost", file=tmp_path / "ca.pem"))
    assert found is not None
    return found


def over_tls(handle: Handle, tickets: int = 2) -> Callable[[socket.socket, SimpleNamespace], None]:
    """``handle`` behind a handshake."""
    context = server_context(tickets)

    def shake(wire: socket.socket, server: SimpleNamespace) -> None:
        with suppress(OSError), context.wrap_socket(wire, server_side=True) as sock:
            handle(sock, server)

    return shake


def ok_each(sock: ssl.SSLSocket, server: SimpleNamespace) -> None:
    while server.read_head(sock):
        sock.sendall(OK)


@pytest.mark.parametrize("tickets", [0, 2, 20])
def test_a_kept_connection_stays_one(
    serve: Serve, connect: Connect, get: Get, secured: Secured, tickets: int
) -> None:
    """Session tickets that come unasked are no word of the server: the connection is still idle."""
    client = connect(serve(over_tls(ok_each, tickets)), secured=secured)
    calls = client.exchange([get(connection="a")] * 5, together=False)
    assert [(call.status, call.body, call.error) for call in calls] == [(200, b"ok", None)] * 5
    assert len({call.connection for call in calls}) == 1


def test_a_kept_connection_that_was_closed_is_opened_again(
    serve: Serve, connect: Connect, get: Get, secured: Secured
) -> None:
    """The server says goodbye as TLS does; the next call goes over a new connection."""

    def one(sock: ssl.SSLSocket, server: SimpleNamespace) -> None:
        server.read_head(sock)
        sock.sendall(OK)
        sock.unwrap()

    server = serve(over_tls(one))
    client = connect(server, secured=secured)
    for _ in range(2):
        (call,) = client.exchange([get(connection="a")], together=False)
        assert (call.status, call.error) == (200, None)


def test_a_burst_is_written_before_any_answer_is_read(
    serve: Serve, connect: Connect, get: Get, secured: Secured
) -> None:
    """The server answers nobody before it has heard everybody: all hands are shaken and all is sent."""
    barrier = threading.Barrier(40)

    def wait(sock: ssl.SSLSocket, server: SimpleNamespace) -> None:
        server.read_head(sock)
        barrier.wait(20)
        sock.sendall(OK)

    calls = connect(serve(over_tls(wait)), secured=secured).exchange([get()] * 40, together=True)
    assert [call.status for call in calls] == [200] * 40
    written = max(call.written_seq for call in calls)
    assert all(call.answered_seq is not None and call.answered_seq > written for call in calls)
    assert len({call.connection for call in calls}) == 40


def test_large_bodies_both_ways(serve: Serve, connect: Connect, get: Get, secured: Secured) -> None:
    """More than a record and more than the kernel's buffers; tickets in between stop nothing."""
    size = 3_000_000

    def large(sock: ssl.SSLSocket, server: SimpleNamespace) -> None:
        assert server.read_head(sock)
        left = size
        while left:
            left -= len(sock.recv(min(65_536, left)))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)

    client = connect(serve(over_tls(large, tickets=20)), secured=secured)
    (call,) = client.exchange([get(method="POST", body=b"y" * size)], together=False)
    assert (call.status, call.complete, call.error) == (200, True, None)
    assert call.body == b"x" * 65_536


def test_an_answer_before_the_request_was_whole(
    serve: Serve, connect: Connect, get: Get, secured: Secured
) -> None:
    """It is read, although it came while we were writing; the rest is not sent."""

    def hasty(sock: ssl.SSLSocket, server: SimpleNamespace) -> None:
        server.read_head(sock)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        server.seen.wait(20)

    server = serve(over_tls(hasty))
    server.seen = threading.Event()
    client = connect(server, secured=secured)
    (call,) = client.exchange([get(method="POST", body=b"y" * 9_000_000)], together=False)
    server.seen.set()
    assert (call.status, call.body, call.error) == (413, b"no", None)


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (lambda wire, _: wire.recv(1), "reset"),
        (lambda wire, _: wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "garbage"),
        (lambda wire, server: server.reset(wire), "reset"),
    ],
    ids=["leaves", "plain HTTP", "resets"],
)
def test_a_handshake_that_fails(  # noqa: PLR0917 (fixtures and cases)
    serve: Serve,
    connect: Connect,
    get: Get,
    secured: Secured,
    handle: Callable[[socket.socket, SimpleNamespace], None],
    error: str,
) -> None:
    """The call was never made: no byte of it was written."""
    (call,) = connect(serve(handle), secured=secured).exchange([get()], together=False)
    assert call.error in {error, "closed"}
    assert (call.written, call.status) == (False, None)


def test_nobody_shakes_hands(serve: Serve, connect: Connect, get: Get, secured: Secured) -> None:
    """A server that accepts and stays silent is given up like one that does not answer."""
    done = threading.Event()
    client = connect(serve(lambda *_: done.wait(20)), secured=secured, timeout_s=0.2)
    (call,) = client.exchange([get()], together=False)
    done.set()
    assert (call.error, call.written) == ("timeout", False)


def test_an_untrusted_certificate_stops_everything(
    serve: Serve, connect: Connect, get: Get
) -> None:
    """It was right when the target started: whoever answers now is somebody else."""
    strict = Secured.by(Trust(name="localhost"))
    with pytest.raises(CouldNotRun, match="is not trusted"):
        connect(serve(over_tls(ok_each)), secured=strict).exchange([get()] * 3, together=True)


def test_half_a_request(serve: Serve, connect: Connect, get: Get, secured: Secured) -> None:
    """Parts and early leaving work as they do without TLS."""
    heard = threading.Event()

    def hear(sock: ssl.SSLSocket, _: SimpleNamespace) -> None:
        sock.recv(10)
        heard.set()
        sock.recv(1)

    client = connect(serve(over_tls(hear)), secured=secured)
    (call,) = client.exchange([get(part="half")], together=False)
    assert heard.wait(10)
    assert (call.written, call.answered_seq, call.error) == (True, None, None)
    client.forget()
