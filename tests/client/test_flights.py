"""Calls that stay under way, against raw servers on real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from harness.client import FlightClient, Request
from harness.client.exchange import Exchange
from harness.client.wire import Connection
from harness.targets import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_S = 10.0

Serve = Callable[..., Any]
Get = Callable[..., Request]


@pytest.fixture
def client(serve: Serve) -> Iterator[Callable[..., FlightClient]]:
    """A client of a server; closed at the end."""
    clients: list[FlightClient] = []

    def make(server: Any, **settings: Any) -> FlightClient:
        seq = count(1)
        clients.append(
            FlightClient(
                server.host,
                server.port,
                instant=lambda: (time.monotonic_ns(), time.time_ns()),
                next_seq=lambda: next(seq),
                **settings,
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def until_ended(client: FlightClient, calls: list[Exchange]) -> None:
    """Read until they have ended."""
    until = time.monotonic() + PATIENCE_S
    while not all(call.ended for call in calls):
        assert time.monotonic() < until
        client.wait(0.05)
        client.pump()


class Gate:
    """A server that answers a request only when told: its handler, and the gate's key."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, wire: socket.socket, server: Any) -> None:
        while server.read_head(wire):
            self.came.release()
            assert self.open.acquire(timeout=PATIENCE_S)
            wire.sendall(OK)

    def wait_for(self, requests: int) -> None:
        for _ in range(requests):
            assert self.came.acquire(timeout=PATIENCE_S)


def silent(wire: socket.socket, server: Any) -> None:
    """Reads requests, and answers none."""
    while server.read_head(wire):
        pass


def test_calls_stay_under_way_until_they_are_read(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """Begun calls have no answer until one has come and somebody looks; then each has its end."""
    gate = Gate()
    flights = client(serve(gate))
    calls = flights.begin([get(token="sp-1"), get()])
    gate.wait_for(2)
    assert flights.pump() == []
    assert flights.under_way == tuple(calls)
    begun = calls[0].call()
    assert (begun.token, begun.status, begun.ended_ns, begun.complete) == (
        "sp-1",
        None,
        None,
        False,
    )
    gate.open.release()
    gate.open.release()
    until_ended(flights, calls)
    assert flights.under_way == ()
    for call in (one.call() for one in calls):
        assert (call.status, call.complete, call.error) == (200, True, None)
        assert call.ended_ns is not None
        assert call.written_ns <= (call.last_byte_ns or 0) <= call.ended_ns
        assert call.ended_target_ns is not None


def test_a_call_has_its_end_where_it_is_made_at_once(
    ok_server: SimpleNamespace, client: Callable[..., FlightClient], get: Get
) -> None:
    """Exchanged calls say too when they ended, by an answer as by an error."""
    nobody = SimpleNamespace(host="127.0.0.1", port=free_port())
    for server in (ok_server, nobody):
        (call,) = client(server).exchange([get()], together=False)
        assert (call.ended_ns or 0) >= call.written_ns
        assert (call.ended_target_ns or 0) >= call.sent_target_ns


def test_all_are_written_before_any_is_read(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """A server that answers at once gets all requests of a step before the first answer is read."""
    flights = client(serve(silent))
    calls = [one.call() for one in flights.begin([get()] * 150)]
    assert [call.answered_seq for call in calls] == [None] * 150
    assert [call.written_seq for call in calls] == list(range(1, 151))


def test_quiet_is_not_asked(serve: Serve, client: Callable[..., FlightClient], get: Get) -> None:
    """While calls begin, nobody moves the clock."""
    asked = count()
    flights = client(serve(silent), quiet=lambda: next(asked) < 0)
    flights.begin([get()] * 3)
    flights.pump()
    assert next(asked) == 0


def test_leaving(serve: Serve, client: Callable[..., FlightClient], get: Get) -> None:
    """Who leaves is seen to go, and its call says so; the others stay."""
    gone = threading.Semaphore(0)

    def handle(wire: socket.socket, server: Any) -> None:
        server.read_head(wire)
        if not wire.recv(1):
            gone.release()

    flights = client(serve(handle))
    first, second = flights.begin([get()] * 2)
    flights.leave(first)
    assert gone.acquire(timeout=PATIENCE_S)
    call = first.call()
    assert (call.error, call.complete, call.status) == ("left", False, None)
    assert call.ended_ns is not None
    assert flights.under_way == (second,)
    flights.leave(first)
    assert first.call() == call


def test_half_a_request_may_be_answered_or_cut(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """Half a request stays under way; a server that answers it, or hangs up, ends it."""

    def handle(wire: socket.socket, server: Any) -> None:
        head = wire.recv(4096)
        assert not head.endswith(b"\r\n\r\n")
        if b"X-Late" in head:
            wire.sendall(OK.replace(b"200 OK", b"408 Late"))

    flights = client(serve(handle))
    filler = ("X-Filler", "f" * 200)
    late = get(part="half", headers=(("X-Late", "1"), filler))
    calls = flights.begin([late, get(part="half", headers=(filler,))])
    until_ended(flights, calls)
    assert [(one.call().status, one.call().error) for one in calls] == [
        (408, None),
        (None, "closed"),
    ]


def test_a_kept_connection_is_used_again(
    ok_server: SimpleNamespace, client: Callable[..., FlightClient], get: Get
) -> None:
    """A connection whose call has ended serves the next; one that is busy does not."""
    flights = client(ok_server)
    request = get(connection="a")
    first = flights.begin([request])
    second = flights.begin([request])
    until_ended(flights, first + second)
    third = flights.begin([request])
    until_ended(flights, third)
    numbers = [one.call().connection for one in (*first, *second, *third)]
    assert numbers[:2] == [1, 2]
    assert numbers[2] in (1, 2)


def test_nobody_listens(client: Callable[..., FlightClient], get: Get) -> None:
    """A call that is refused has ended when it has begun."""
    flights = client(SimpleNamespace(host="127.0.0.1", port=free_port()))
    (one,) = flights.begin([get()])
    call = one.call()
    assert (call.error, call.written, flights.under_way) == ("refused", False, ())
    assert call.ended_ns is not None


def test_a_full_listen_queue(client: Callable[..., FlightClient], get: Get) -> None:
    """A call that cannot be connected has ended when it has begun, and not a byte was written."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        host, port = listener.getsockname()
        flights = client(SimpleNamespace(host=host, port=port), timeout_s=0.2)
        calls = [one.call() for one in flights.begin([get()] * 6)]
    lost = [call for call in calls if not call.written]
    assert lost
    assert {call.error for call in lost} == {"timeout"}
    assert len(flights.under_way) == 6 - len(lost)


def test_a_request_that_does_not_fit(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """What the kernel has no room for is written when it has, whenever somebody looks."""
    size = 8 << 20
    go = threading.Event()

    def handle(wire: socket.socket, server: Any) -> None:
        server.read_head(wire)
        assert go.wait(PATIENCE_S)
        left = size
        while left:
            left -= len(wire.recv(1 << 20))
        wire.sendall(OK)

    flights = client(serve(handle))
    (one,) = flights.begin([get(method="POST", body=b"x" * size)])
    flights.pump()
    assert one.offset < size
    begun = one.call()
    go.set()
    until_ended(flights, [one])
    assert one.call().status == 200
    assert one.call().written_seq >= begun.written_seq


def test_a_slow_reader(serve: Serve, client: Callable[..., FlightClient], get: Get) -> None:
    """Its answer comes a byte at a time, whenever it is told to; looking alone takes none."""
    answered = threading.Semaphore(0)

    def handle(wire: socket.socket, server: Any) -> None:
        server.read_head(wire)
        wire.sendall(OK)
        answered.release()

    flights = client(serve(handle))
    (one,) = flights.begin([get(slow=True)])
    assert answered.acquire(timeout=PATIENCE_S)
    until = time.monotonic() + PATIENCE_S
    while one.answer.received_bytes == 0:
        assert time.monotonic() < until
        flights.pump()
        flights.sip(one)
    sips = 1
    while not flights.sip(one):
        flights.pump()
        sips += 1
    assert sips == len(OK) - 1
    assert (one.call().status, one.call().body, flights.under_way) == (200, b"ok", ())


def test_a_slow_reader_holds_up_who_writes(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """A long answer to a slow reader does not vanish into the kernel's buffers."""
    written: list[int] = []
    done = threading.Event()

    def handle(wire: socket.socket, server: Any) -> None:
        server.read_head(wire)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        wire.settimeout(0.05)
        try:
            while True:
                written.append(wire.send(b"x" * 1024))
        except TimeoutError:
            done.set()

    flights = client(serve(handle))
    flights.begin([get(slow=True)])
    assert done.wait(PATIENCE_S)
    assert sum(written) < 100_000


def test_closing_with_calls_under_way(
    serve: Serve, client: Callable[..., FlightClient], get: Get
) -> None:
    """A client that is closed leaves no socket behind, and its calls are not ended by that."""
    flights = client(serve(silent))
    (one,) = flights.begin([get()])
    flights.close()
    assert one.connection.sock.fileno() == -1
    assert one.call().ended_ns is None


class Stamped(Connection):
    """A connection that knows when bytes were handed to the kernel."""

    sent_ns = 0

    def send(self, data: memoryview) -> int:
        self.sent_ns = time.monotonic_ns()
        return super().send(data)


def test_a_request_is_written_before_anything_that_it_causes(get: Get) -> None:
    """Its moment is read before the kernel has its last byte, however long that then takes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one = Exchange(get())
        wire = Stamped(ours, 1, "127.0.0.1")
        one.use(wire, "shop")
        assert one.write(lambda: (0, 0), lambda: 1)
        assert one.call().written_ns <= wire.sent_ns
