"""The client against raw servers on real sockets."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.client import Client, Request
from harness.errors import CouldNotRun
from harness.targets import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    Get = Callable[..., Request]
    Connect = Callable[..., Client]
    Serve = Callable[..., SimpleNamespace]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASYNC_SERVER = """
import asyncio, sys
class Ok(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
async def main():
    server = await asyncio.get_running_loop().create_server(Ok, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(main())
"""


def test_the_facts_of_a_call(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """Status, headers, body, order, both time axes and the peer's view of an answered call."""
    (call,) = connect(ok_server).exchange([get(identity=7, forwarded="9.9.9.9")], together=False)
    assert (call.status, call.headers, call.body) == (200, (("content-length", "2"),), b"ok")
    assert (call.complete, call.error, call.written) == (True, None, True)
    assert (call.source, call.identity, call.forwarded) == ("127.0.0.1", 7, "9.9.9.9")
    assert (call.written_seq, call.answered_seq) == (1, 2)
    first, last = call.first_byte_ns, call.last_byte_ns
    assert first is not None
    assert last is not None
    assert call.answered_target_ns is not None
    assert call.sent_target_ns <= call.written_ns <= first <= last <= call.answered_target_ns


def test_what_a_request_looks_like(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """What every request needs is added once, and never in place of what was given."""
    given = get(headers=(("Host", "shop"), ("X-Key", "k")), method="POST", body=b"")
    connect(ok_server).exchange([get(), given], together=False)
    host = b"host: 127.0.0.1:%d" % ok_server.port
    plain = [
        b"GET / HTTP/1.1",
        host,
        b"user-agent: stormproof",
        b"accept: */*",
        b"connection: close",
    ]
    changed = [b"POST / HTTP/1.1", b"Host: shop", b"user-agent: stormproof", b"accept: */*"]
    changed += [b"content-length: 0", b"connection: close", b"X-Key: k"]
    assert ok_server.heads == [b"\r\n".join([*lines, b"", b""]) for lines in (plain, changed)]


@pytest.mark.parametrize(
    "bad",
    [
        {"headers": (("X", "a\r\nb: c"),)},
        {"path": "/a b"},
        {"headers": (("X", "\u20ac"),)},
        {"method": "G T"},
    ],
)
def test_what_cannot_be_sent(
    ok_server: SimpleNamespace, connect: Connect, get: Get, bad: dict[str, object]
) -> None:
    """A header with a line break, or a path with a space, is refused before a byte goes out."""
    with pytest.raises(CouldNotRun, match="cannot be sent"):
        connect(ok_server).exchange([get(**bad)], together=False)


def test_kept_and_fresh_connections(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """A name keeps its connection, for each source its own; without a name each is new."""
    requests = [
        get(connection="a"),
        get(connection="a"),
        get(connection="b"),
        get(connection="a", source="127.4.0.9"),
        get(),
        get(),
        get(connection="a"),
    ]
    calls = connect(ok_server).exchange(requests, together=False)
    assert [call.connection for call in calls] == [1, 1, 2, 3, 4, 5, 1]
    assert len(ok_server.peers) == 5


def test_forgetting_connections(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """Forgotten connections are closed, those of other sources live on."""
    client = connect(ok_server)
    requests = [get(connection="a"), get(connection="a", source="127.4.0.9")]
    client.exchange(requests, together=False)
    client.forget("127.4.0.9")
    assert ok_server.closed.acquire(timeout=10)
    assert [c.connection for c in client.exchange(requests, together=False)] == [1, 3]


def test_a_burst_is_written_before_any_answer_is_read(
    serve: Serve, connect: Connect, get: Get
) -> None:
    """A server that answers nobody before all have asked gets all, and the order numbers show it."""
    all_asked = threading.Barrier(20)

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        all_asked.wait(10)
        wire.sendall(OK)

    calls = connect(serve(handle)).exchange([get(connection="same")] * 20, together=True)
    assert [call.status for call in calls] == [200] * 20
    assert max(call.written_seq for call in calls) < min(call.answered_seq or 0 for call in calls)
    assert len({call.connection for call in calls}) == 20


def test_one_after_another(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """Without ``together`` each answer is read before the next request is written."""
    calls = connect(ok_server).exchange([get()] * 3, together=False)
    assert [(c.written_seq, c.answered_seq) for c in calls] == [(1, 2), (3, 4), (5, 6)]


def test_nobody_listens(connect: Connect, get: Get) -> None:
    """A refused connect is no call: not a byte was written."""
    client = connect(SimpleNamespace(host="127.0.0.1", port=free_port()))
    for together in (False, True):
        (call,) = client.exchange([get()], together=together)
        assert (call.error, call.written, call.status) == ("refused", False, None)


def test_a_reset_before_and_within_the_answer(serve: Serve, connect: Connect, get: Get) -> None:
    """A reset without an answer has no status, one within the body has."""
    part = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    read = threading.Event()

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        if len(server.peers) == 2:
            server.read_head(wire)
            wire.sendall(part)
            assert read.wait(10)
        else:
            server.read_head(wire)
        server.reset(wire)

    def quiet() -> bool:
        read.set()
        return False

    client = connect(serve(handle), quiet=quiet)
    without, within = client.exchange([get(), get()], together=False)
    assert (without.status, without.error, without.answered_target_ns) == (None, "reset", None)
    assert (within.status, within.error, within.complete, within.body) == (
        200,
        "reset",
        False,
        b"half",
    )


def test_closed_without_an_answer_is_never_sent_again(
    serve: Serve, connect: Connect, get: Get
) -> None:
    """A request that was written on a kept connection goes out once, whatever becomes of it."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(OK)
        server.read_head(wire)

    server = serve(handle)
    first, second = connect(server).exchange([get(connection="a")] * 2, together=False)
    assert (first.status, second.status, second.error, second.written) == (
        200,
        None,
        "closed",
        True,
    )
    assert first.connection == second.connection
    assert len(server.heads) == 2


def test_a_kept_connection_that_died_is_replaced(serve: Serve, connect: Connect, get: Get) -> None:
    """A connection that the server closed while it was idle costs no call."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(OK)

    server = serve(handle)
    client = connect(server)
    numbers = []
    for _ in range(3):
        (call,) = client.exchange([get(connection="a")], together=False)
        assert (call.status, call.error) == (200, None)
        assert server.closed.acquire(timeout=10)
        numbers.append(call.connection)
    assert numbers == [1, 2, 3]


def test_source_addresses(ok_server: SimpleNamespace, connect: Connect, get: Get) -> None:
    """The server sees the chosen address; one that this machine does not have is told as such."""
    client = connect(ok_server)
    (call,) = client.exchange([get(source="127.4.0.9")], together=False)
    assert call.source == "127.4.0.9"
    assert ok_server.peers == ["127.4.0.9"]
    with pytest.raises(CouldNotRun, match=r"calls cannot come from 192\.0\.2\.1"):
        client.exchange([get(source="192.0.2.1")], together=False)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"part": "head", "method": "POST", "body": b"0123456789"}, lambda whole: whole[:-10]),
        ({"part": "head", "method": "GET", "body": b""}, lambda whole: whole[:-2]),
        (
            {"part": "half", "method": "POST", "body": b"0123456789"},
            lambda whole: whole[: len(whole) // 2],
        ),
    ],
)
def test_parts_are_held_until_they_are_forgotten(
    serve: Serve,
    connect: Connect,
    get: Get,
    settings: dict[str, Any],
    share: Callable[[bytes], bytes],
) -> None:
    """A part of a request arrives, the call has no end yet, and the connection stays open."""
    whole_came: list[bytes] = []
    part_came: list[bytes] = []

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        came = whole_came if len(server.peers) == 1 else part_came
        while more := wire.recv(4096):
            came.append(more)
            if came is whole_came and b"".join(came).endswith(settings["body"] or b"\r\n\r\n"):
                wire.sendall(OK)
                break

    server = serve(handle)
    client = connect(server)
    client.exchange([get(**settings | {"part": "whole"})], together=False)
    assert server.closed.acquire(timeout=10)
    (call,) = client.exchange([get(**settings)], together=False)
    assert (call.answered_seq, call.error, call.status, call.complete) == (None, None, None, False)
    assert not server.closed.acquire(blocking=False)
    client.forget()
    assert server.closed.acquire(timeout=10)
    assert b"".join(part_came) == share(b"".join(whole_came))


@pytest.mark.parametrize("part", ["whole", "half"])
def test_leaving_when_all_is_written(
    ok_server: SimpleNamespace, connect: Connect, get: Get, part: str
) -> None:
    """Whoever leaves after writing has no answer, and its connection is gone."""
    request = get(part=part, leave="written", connection="a")
    (call,) = connect(ok_server).exchange([request], together=False)
    assert (call.error, call.status, call.written, call.answered_seq) == ("left", None, True, 2)
    assert ok_server.closed.acquire(timeout=10)


def test_leaving_at_the_first_byte(serve: Serve, connect: Connect, get: Get) -> None:
    """Whoever leaves at the first byte knows the status if the head came with it, and no more."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        wire.recv(1)

    server = serve(handle)
    (call,) = connect(server).exchange([get(leave="first_byte", connection="a")], together=False)
    assert (call.error, call.status, call.complete) == ("left", 200, False)
    assert server.closed.acquire(timeout=10)


def test_quiet_moves_what_nobody_else_moves(serve: Serve, connect: Connect, get: Get) -> None:
    """An answer that needs many jumps of the clock comes at last, long after patience would be over."""
    enough = threading.Event()
    patience_s = 0.05
    until = time.monotonic() + 3 * patience_s  # one that trickles is given up after six times

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        assert enough.wait(10)
        wire.sendall(OK)

    def quiet() -> bool:
        assert not client.readable()
        if time.monotonic() > until:
            enough.set()
            while not client.readable():
                pass
        return True

    client = connect(serve(handle), quiet=quiet, timeout_s=patience_s)
    (call,) = client.exchange([get()], together=False)
    assert (call.status, call.error) == (200, None)


def is_connecting(port: int) -> bool:
    """Whether the kernel still waits for the answer to a SYN; who accepts may be much later."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def test_time_stands_still_while_a_connection_is_made() -> None:
    """A connect that a full listen queue dropped comes through by the kernel's own clock, not by ours."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        host, port = listener.getsockname()
        waiting = [socket.create_connection((host, port)) for _ in range(2)]
        served: list[socket.socket] = []

        def accept() -> None:
            assert dropped.wait(10)
            while len(served) < 3:
                served.append(listener.accept()[0])
            served[-1].recv(4096)
            served[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def instant() -> tuple[int, int]:
            return 0, 0

        def quiet() -> bool:
            assert not is_connecting(port), "asked while the connection was still being made"
            return False

        dropped = threading.Event()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        client = Client(host, port, instant=instant, next_seq=count(1).__next__, quiet=quiet)
        timer = threading.Timer(0.2, dropped.set)
        timer.start()
        (call,) = client.exchange(
            [Request(method="GET", path="/", operation="list", caller="me")], together=False
        )
        thread.join(10)
        client.close()
        for wire in (*waiting, *served):
            wire.close()
    assert call.status == 200


def test_patience_ends(serve: Serve, connect: Connect, get: Get) -> None:
    """A server that says nothing, while nothing moves, is given up, and the connection with it."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(b"HTTP/1.1 200 OK\r\n")
        wire.recv(1)

    server = serve(handle)
    client = connect(server, quiet=lambda: False, timeout_s=0.05)
    (call,) = client.exchange([get(connection="a")], together=False)
    assert (call.status, call.error, call.complete) == (200, "timeout", False)
    assert call.answered_target_ns is not None
    assert server.closed.acquire(timeout=10)


def test_a_trickle_ends(serve: Serve, connect: Connect, get: Get) -> None:
    """An answer that always makes a little progress, and never ends, is given up as well."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        pace = threading.Event()
        while not pace.wait(0.001):
            wire.sendall(b"1\r\nx\r\n")

    (call,) = connect(serve(handle), timeout_s=0.05).exchange([get()], together=False)
    assert (call.status, call.error, call.complete) == (200, "timeout", False)


def test_an_error_of_quiet_passes_through(serve: Serve, connect: Connect, get: Get) -> None:
    """What ``quiet`` raises reaches the caller, and no connection is left open."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        while wire.recv(4096):
            pass

    def quiet() -> bool:
        raise CouldNotRun("the target spins")

    server = serve(handle)
    with pytest.raises(CouldNotRun, match="spins"):
        connect(server, quiet=quiet).exchange([get(), get()], together=True)
    assert server.closed.acquire(timeout=10)
    assert server.closed.acquire(timeout=10)


@pytest.mark.parametrize("then", ["close", "read on", "nothing"])
def test_an_answer_before_the_request_is_whole(
    serve: Serve, connect: Connect, get: Get, then: str
) -> None:
    """A server that refuses a large body is heard, whatever it does with the rest of that body."""
    heard = threading.Event()

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        while server.read_head(wire):
            wire.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            left = size if then == "read on" else 0
            while left and (data := wire.recv(min(left, 65_536))):
                left -= len(data)
            if then == "close":
                return
            if then == "nothing":
                heard.wait(10)
                return

    size = 20_000_000
    request = get(method="POST", body=b"x" * size, connection="a")
    client = connect(serve(handle))
    calls = [client.exchange([request], together=False)[0] for _ in range(2)]
    heard.set()
    assert [(call.status, call.written) for call in calls] == [(413, True)] * 2
    if then == "nothing":  # what was cut short can't be followed by another request
        assert [call.connection for call in calls] == [1, 2]


def test_large_bodies_both_ways(serve: Serve, connect: Connect, get: Get) -> None:
    """Bodies beyond the kernel's buffers arrive whole, also when many are under way."""
    size = 3_000_000

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        left = size
        while left:
            left -= len(wire.recv(65_536))
        wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size)

    request = get(method="POST", body=b"x" * size)
    calls = connect(serve(handle)).exchange([request] * 3, together=True)
    assert [(c.status, c.complete, len(c.body)) for c in calls] == [(200, True, 65_536)] * 3


def test_ipv6(serve: Serve, connect: Connect, get: Get) -> None:
    """IPv6 loopback works, and its Host header has brackets."""

    def handle(wire: socket.socket, server: SimpleNamespace) -> None:
        server.read_head(wire)
        wire.sendall(OK)

    server = serve(handle, "::1")
    (call,) = connect(server).exchange([get()], together=False)
    assert (call.status, call.source) == (200, "::1")
    assert f"host: [::1]:{server.port}\r\n".encode() in server.heads[0]


def test_a_thousand_connections_at_once(connect: Connect, get: Get) -> None:
    """A burst needs more open files than are allowed at first; all connections are kept, and used again."""
    command = [sys.executable, "-c", ASYNC_SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with subprocess.Popen(command, **pipes) as server:  # type: ignore[call-overload]
        client = connect(SimpleNamespace(host="127.0.0.1", port=int(server.stdout.readline())))
        try:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 50, limits[1])
            )
            bursts = [
                client.exchange([get(connection="a")] * 1000, together=True) for _ in range(2)
            ]
        finally:
            client.forget()
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            server.stdin.close()
    for burst in bursts:
        assert {(call.status, call.error) for call in burst} == {(200, None)}
    assert (
        {c.connection for c in bursts[0]}
        == {c.connection for c in bursts[1]}
        == set(range(1, 1001))
    )
