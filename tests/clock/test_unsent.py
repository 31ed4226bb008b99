"""The kernel's answer about bytes that it still holds back."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from harness.clock.unsent import Connection, Unsent, under_way
from tests.clock.conftest import PATIENCE_S


@pytest.fixture
def unsent() -> Iterator[Unsent]:
    try:
        question = Unsent()
    except OSError as error:
        pytest.skip(f"sock_diag does not answer here: {error}")
    with contextlib.closing(question):
        yield question


@pytest.fixture(params=["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection; the last kind has IPv4 at one end and IPv6 at the other."""
    host = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server(("::" if "ffff" in host else host, 0), family=family,
                                      dualstack_ipv6="ffff" in host)  # fmt: skip
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1" if "ffff" in host else host, port))
        accepted, _ = server.accept()
        with client, accepted:
            yield client, accepted


def corked(end: socket.socket) -> None:
    """Let the kernel hold what is written, until the cork is drawn (or for 200 ms)."""
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    end.sendall(b"held back")


def test_delivered_bytes_are_not_held(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Nobody has read them, but they are where they belong."""
    pair[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(3):
        pair[0].sendall(b"delivered")
        assert not unsent.of([os.getpid()])


def test_corked_bytes_are_held(unsent: Unsent, pair: tuple[socket.socket, socket.socket]) -> None:
    """In either direction, found in the list and by name, until they are let go."""
    for end in pair:
        corked(end)
        assert unsent.of([os.getpid()])
        corked(end)
        assert unsent.of([os.getpid()])
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        assert not unsent.of([os.getpid()])


def test_a_new_connection_is_noticed(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket]
) -> None:
    """The list that was taken before it was opened is taken again."""
    assert not unsent.of([os.getpid()])
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            corked(client)  # not accepted yet
            assert unsent.of([os.getpid()])
        with server.accept()[0] as accepted:
            assert accepted.recv(100) == b"held back"
    assert not unsent.of([os.getpid()])


def test_a_socket_that_connects_later_is_noticed(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket]
) -> None:
    """It was there when the list was taken, so the sockets are the same: but it could connect."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        for _ in range(2):
            assert not unsent.of([os.getpid()])
        client.connect(server.getsockname())
        corked(client)
        assert unsent.of([os.getpid()])


def test_connections_opened_by_others_cost_no_new_list(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine somebody always opens one; ours are still asked by name."""
    assert not unsent.of([os.getpid()])
    lists: list[int] = []
    monkeypatch.setattr(Unsent, "_list", lambda _self, states: lists.append(states))
    opener = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); "
    opener += "socket.create_connection(s.getsockname())"
    subprocess.run([sys.executable, "-c", opener], check=True)
    assert not unsent.of([os.getpid()])
    corked(pair[0])
    assert unsent.of([os.getpid()])
    assert lists == []


def test_a_reader_that_does_not_read_holds_nothing_up(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket]
) -> None:
    """With its window closed nothing moves until it reads: that is idle, not under way."""
    pair[0].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(b"x" * 65536)
    end_s = time.monotonic() + PATIENCE_S
    while unsent.of([os.getpid()]):
        assert time.monotonic() < end_s


def end_of(port: int, peer: int, *, sent: int, received: int, held: bool = False) -> Connection:
    """One end of a loopback connection."""
    home = bytes([127, 0, 0, 1]) + bytes(12)
    identity = port.to_bytes(2) + peer.to_bytes(2) + home + home + bytes(4)
    return Connection(socket.AF_INET, identity, 1, held, sent, received)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (end_of(2, 1, sent=0, received=70), []),
        (end_of(2, 1, sent=0, received=69), [1]),
        (end_of(2, 1, sent=51, received=71), [2]),
        (end_of(2, 1, sent=0, received=70, held=True), [2]),
        (end_of(2, 3, sent=0, received=0), []),
    ],
    ids=["arrived", "one byte short", "the other way", "held", "the other end is elsewhere"],
)
def test_sent_is_not_received(there: Connection, expected: list[int]) -> None:
    """What one end has sent and the other has not got is on its way; FIN counts as received only."""
    here = end_of(1, 2, sent=70, received=50)
    ports = [int.from_bytes(end.identity[:2]) for end in under_way([here, there])]
    assert ports == expected


def test_connections_of_others_do_not_count(
    unsent: Unsent, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those with an end in a process on the path, or in the caller."""
    monkeypatch.setattr(os, "getpid", lambda: 1 << 22)
    corked(pair[0])
    assert not unsent.of([1 << 22])
