"""What a connection sees: the same through ours and, where it is there, through Toxiproxy itself."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.proxy.data.proxied import (
    Proxied,
    digest,
    how_it_ends,
    passed,
    received,
    sent_in_background,
    to_the_end,
    took_s,
)

DIRECTIONS = ("upstream", "downstream")


def ends(wire: Proxied, stream: str) -> tuple[socket.socket, socket.socket]:
    """A new connection: who sends in that direction, and who receives."""
    client, far = wire.connect()
    return (client, far) if stream == "upstream" else (far, client)


@pytest.mark.parametrize("stream", DIRECTIONS)
def test_latency_is_at_least_what_was_asked(each_wire: Proxied, stream: str) -> None:
    """No byte is early; and it is one direction that is late."""
    each_wire.toxic("latency", stream, latency=60)
    source, destination = ends(each_wire, stream)
    assert took_s(lambda: passed(source, destination)) >= 0.059
    destination.sendall(b"y")
    assert received(source, 1) == b"y"


def test_latencies_add_up(each_wire: Proxied) -> None:
    """Two of 50 ms in a row are 100 ms."""
    for name in ("one", "two"):
        each_wire.toxic("latency", latency=50, name=name)
    client, far = each_wire.connect()
    assert took_s(lambda: passed(far, client)) >= 0.099


def test_what_is_late_still_streams(each_wire: Proxied) -> None:
    """1.2 MB in 12 KB writes do not take 100 times 50 ms."""
    each_wire.toxic("latency", "upstream", latency=50)
    client, far = each_wire.connect()
    sender = sent_in_background(client, b"x" * 1_200_000)
    assert took_s(lambda: received(far, 1_200_000)) < 2.5
    sender.join()


def test_bandwidth_is_not_exceeded(each_wire: Proxied) -> None:
    """48,000 bytes at 400 KB/s need 120 ms, whatever came at once."""
    each_wire.toxic("bandwidth", rate=400)
    client, far = each_wire.connect()
    assert took_s(lambda: passed(far, client, 48_000)) >= 0.115


def test_bandwidth_of_nothing_stalls_and_loses_nothing(each_wire: Proxied) -> None:
    """Once it is gone, all comes."""
    toxic = each_wire.toxic("bandwidth", rate=0)
    client, far = each_wire.connect()
    far.sendall(b"x" * 1000)
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(20)
    each_wire.remove(toxic)
    assert received(client, 1000) == b"x" * 1000


@pytest.mark.parametrize("stream", DIRECTIONS)
@pytest.mark.parametrize("timeout", [0, 50])
def test_reset_peer(each_wire: Proxied, stream: str, timeout: int) -> None:
    """After the first bytes of its direction and the timeout, both peers are reset."""
    each_wire.toxic("reset_peer", stream, timeout=timeout)
    source, destination = ends(each_wire, stream)
    source.sendall(b"x")
    assert how_it_ends(destination) == "reset"
    assert how_it_ends(source) == "reset"


def test_timeout_closes_after_silence(each_wire: Proxied) -> None:
    """Both ends, and nothing has come."""
    each_wire.toxic("timeout", "upstream", timeout=50)
    client, far = each_wire.connect()
    client.sendall(b"x")
    assert to_the_end(far) == b""
    assert to_the_end(client) == b""


def test_removing_a_timeout_closes(each_wire: Proxied) -> None:
    """Bytes are missing, so the connection cannot go on; a latency before it does not hold that up."""
    each_wire.toxic("latency", "upstream", latency=5000)
    toxic = each_wire.toxic("timeout", "upstream", timeout=0)
    client, far = each_wire.connect()
    client.sendall(b"x")
    each_wire.remove("latency_upstream")
    each_wire.remove(toxic)
    assert to_the_end(far) == b""
    assert to_the_end(client) == b""


@pytest.mark.parametrize(
    ("sizes", "limit", "passed"),
    [
        ([50], 50, 50),
        ([100], 100, 100),
        ([150], 100, 100),
        ([25] * 4, 100, 100),
        ([90, 20], 100, 100),
        ([10], 0, 0),
    ],
)
def test_limit_data(each_wire: Proxied, sizes: list[int], limit: int, passed: int) -> None:
    """Exactly so much comes, then the end."""
    each_wire.toxic("limit_data", "upstream", bytes=limit)
    client, far = each_wire.connect()
    sender = sent_in_background(client, b"x" * sum(sizes))
    assert len(to_the_end(far)) == passed
    sender.join()


def test_limit_data_counts_on(each_wire: Proxied) -> None:
    """90 bytes have passed when the limit becomes 100."""
    toxic = each_wire.toxic("limit_data", "upstream", bytes=1000)
    client, far = each_wire.connect()
    client.sendall(b"x" * 90)
    assert len(received(far, 90)) == 90
    each_wire.update(toxic, attributes={"bytes": 100})
    client.sendall(b"y" * 20)
    assert to_the_end(far) == b"y" * 10


def test_slicer_cuts_and_loses_nothing(each_wire: Proxied) -> None:
    """Who reads as it comes sees pieces no larger than asked for, and the same bytes."""
    each_wire.toxic("slicer", average_size=100, size_variation=20, delay=2000)
    client, far = each_wire.connect()
    data = bytes(range(256)) * 8
    far.sendall(data)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(data):
        pieces.append(client.recv(1 << 16))
    assert b"".join(pieces) == data
    assert len(pieces) > 8, "some may have been read together, not all"


def test_slow_close_holds_up_the_end_only(each_wire: Proxied) -> None:
    """Data is there at once; the end is not, until the toxic goes."""
    toxic = each_wire.toxic("slow_close", delay=60_000)
    client, far = each_wire.connect()
    far.sendall(b"x")
    far.close()
    assert received(client, 1) == b"x"
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(20)
    each_wire.remove(toxic)
    assert to_the_end(client) == b""


def test_toxicity_of_nothing_and_of_all(each_wire: Proxied) -> None:
    """0 passes; once it is 1, live connections are hit."""
    toxic = each_wire.toxic("timeout", toxicity=0, timeout=50)
    client, far = each_wire.connect()
    far.sendall(b"x")
    assert received(client, 1) == b"x"
    each_wire.update(toxic, toxicity=1)
    assert to_the_end(client) == b""


def test_toxics_come_and_go_on_a_live_connection(each_wire: Proxied) -> None:
    """A hundred times, and across two resets, the same connection echoes."""
    client, far = each_wire.connect()
    for number in range(100):
        each_wire.toxic("noop", "upstream" if number % 2 else "downstream", name="n")
        client.sendall(bytes([number]))
        far.sendall(received(far, 1))
        assert received(client, 1) == bytes([number])
        each_wire.remove("n")
        if number in {40, 41}:
            assert each_wire.server.ask("POST", "/reset").status == 204


def test_connections_under_a_toxic_come_and_go(each_wire: Proxied) -> None:
    """Latency added, a connection made, written to, closed, latency removed, a hundred times."""
    for _ in range(100):
        toxic = each_wire.toxic("latency", "upstream", latency=10)
        client, far = each_wire.connect()
        client.sendall(b"x")
        client.close()
        each_wire.remove(toxic)
        assert to_the_end(far) in {b"x", b""}
        far.close()


def test_no_byte_is_lost_while_latency_comes_and_goes(each_wire: Proxied) -> None:
    """65,535 numbered writes arrive once each, in order."""
    numbers = b"".join(number.to_bytes(2) for number in range(65_535))
    client, far = each_wire.connect()

    def send() -> None:
        for at in range(0, len(numbers), 2):
            client.send(numbers[at : at + 2])
        client.shutdown(socket.SHUT_WR)

    sender, got = threading.Thread(target=send), bytearray()
    reader = threading.Thread(target=lambda: got.extend(to_the_end(far)))
    sender.start()
    reader.start()
    while sender.is_alive():
        each_wire.remove(each_wire.toxic("latency", "upstream", latency=3))
    reader.join()
    assert digest(bytes(got)) == digest(numbers)


def test_disabling_ends_connections(each_wire: Proxied) -> None:
    """Both ends; and who connects is refused; enabled again, it serves."""
    client, far = each_wire.connect()
    client.sendall(b"x")
    assert received(far, 1) == b"x"
    each_wire.ask("POST", body={"enabled": False})
    assert {how_it_ends(client), how_it_ends(far)} <= {"end", "reset"}
    with pytest.raises(ConnectionRefusedError):
        each_wire.client()
    each_wire.ask("POST", body={"enabled": True})
    client, far = each_wire.connect()
    client.sendall(b"y")
    assert received(far, 1) == b"y"


def test_an_upstream_that_is_not_there(each_wire: Proxied) -> None:
    """The client is let in, and closed."""
    each_wire.upstream.close()
    assert how_it_ends(each_wire.client()) == "end"
