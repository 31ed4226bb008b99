"""What ours does that Toxiproxy does not: half of a connection may end, and nobody waits for anybody."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.proxy.data.proxied import (
    PATIENCE_S,
    Proxied,
    digest,
    how_it_ends,
    passed,
    received,
    sent_in_background,
    to_the_end,
    took_s,
)

MB = 1 << 20
PIPES = 8
"""That the proxy may keep for the next one that needs one."""


def settled(wire: Proxied, connections: int = 0) -> None:
    """Until so many connections are left."""
    end_s = time.monotonic() + PATIENCE_S
    while wire.facts()["connections"] != connections:
        assert time.monotonic() < end_s
        time.sleep(0.002)


def events(wire: Proxied) -> list[dict]:
    """All that is known to have happened on the wire."""
    lines = wire.server.ask("GET", "/events?follow=false").body.splitlines()
    return [one for one in map(json.loads, lines) if one["proxy"] == wire.name]


@pytest.mark.parametrize("kind", ["", "noop", "latency", "slicer", "bandwidth"])
def test_half_of_a_connection_may_end(wire: Proxied, kind: str) -> None:
    """A client that has said all still gets its answer."""
    settings = {"latency": 5, "average_size": 999, "rate": 100_000}
    kinds = {"latency": "latency", "slicer": "average_size", "bandwidth": "rate"}
    if kind:
        named = kinds.get(kind)
        wire.toxic(kind, "both", **({named: settings[named]} if named else {}))
    client, far = wire.connect()
    asked, answered = os.urandom(100_000), os.urandom(200_000)
    sender = sent_in_background(client, asked, then_shut=True)
    assert to_the_end(far) == asked
    sender.join()
    sender = sent_in_background(far, answered, then_shut=True)
    assert to_the_end(client) == answered
    sender.join()
    settled(wire)


@pytest.mark.parametrize(
    "kind", ["noop", "latency", "bandwidth", "slicer", "slow_close", "limit_data"]
)
def test_no_call_waits_for_a_stalled_reader(wire: Proxied, kind: str) -> None:
    """Toxics come, change and go while nobody reads; then all of it arrives."""
    data = os.urandom(8 * MB)
    settings = {
        "latency": {"latency": 1},
        "bandwidth": {"rate": 10_000_000},
        "slicer": {"average_size": 50_000},
        "limit_data": {"bytes": 1 << 40},
    }.get(kind, {})
    toxic = wire.toxic(kind, **settings)
    client, far = wire.connect()
    sender = sent_in_background(far, data, then_shut=True)
    while wire.facts()["links"][1]["held_bytes"] == 0:
        time.sleep(0.005)

    def control() -> None:
        wire.update(toxic, toxicity=1, attributes=settings)
        wire.toxic("noop", name="more")
        wire.remove("more")
        wire.remove(toxic)
        assert wire.server.ask("GET", "/proxies").status == 200

    assert took_s(control) < 2
    assert digest(to_the_end(client)) == digest(data)
    sender.join()


@pytest.mark.parametrize("latency", [None, 0, 20])
def test_a_stopped_reader_stops_the_sender(wire: Proxied, latency: int | None) -> None:
    """What the proxy holds meanwhile is bounded; when he reads again, all comes."""
    if latency is not None:
        wire.toxic("latency", latency=latency)
    client, far = wire.connect()
    far.setblocking(False)
    taken, quiet = 0, 0
    block = bytes(1 << 16)
    while quiet < 40:  # 200 ms without any progress
        try:
            taken += far.send(block)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.005)
        assert taken < 200 * MB
    held = wire.facts()["held_bytes"]
    assert held <= (36 * MB if latency else MB)
    assert len(received(client, taken)) == taken


def test_when_one_side_dies_the_other_hears_of_it(wire: Proxied) -> None:
    """Also while it does not read, and the proxy cannot write to it."""
    toxic = wire.toxic("noop")
    client, far = wire.connect()
    sender = sent_in_background(far, bytes(8 * MB))
    while wire.facts()["links"][1]["held_bytes"] == 0:
        time.sleep(0.005)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    sender.join(PATIENCE_S)
    assert not sender.is_alive()
    assert how_it_ends(far) in {"end", "reset"}
    far.close()
    settled(wire)
    wire.remove(toxic)


def test_both_sides_may_die_unread(wire: Proxied) -> None:
    """Nothing stays of a connection whose peers have both gone."""
    wire.toxic("noop", "both")
    client, far = wire.connect()
    senders = [sent_in_background(one, bytes(8 * MB)) for one in (client, far)]
    while not all(link["held_bytes"] for link in wire.facts()["links"]):
        time.sleep(0.005)
    for one in (client, far):
        one.shutdown(socket.SHUT_RDWR)
        one.close()
    for sender in senders:
        sender.join()
    settled(wire)


def test_an_upstream_that_never_answers_holds_up_nobody(wire: Proxied) -> None:
    """Its proxy can be changed, disabled and deleted; others serve; clients hang until then."""
    hole = {
        "name": "hole",
        "listen": "127.0.0.1:0",
        "upstream": "127.0.0.1:1",
        "mode": "syn_timeout",
    }
    made = wire.server.ask("POST", "/proxies", hole).json
    behind = {"name": "to-hole", "listen": "127.0.0.1:0", "upstream": made["listen"]}
    port = int(wire.server.ask("POST", "/proxies", behind).json["listen"].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as waiting:
        client, far = wire.connect()
        client.sendall(b"x")
        assert received(far, 1) == b"x"
        wire.server.ask("POST", "/proxies/to-hole/toxics", {"type": "noop"})
        assert wire.server.ask("DELETE", "/proxies/to-hole").status == 204
        assert how_it_ends(waiting) in {"end", "reset"}
    assert wire.server.ask("DELETE", "/proxies/hole").status == 204


def test_from_splice_to_chain_and_back_in_mid_stream(wire: Proxied) -> None:
    """Under full load, not a byte lost, repeated or out of place; both ways of carrying were used."""
    client, far = wire.connect()
    data = os.urandom(MB) * 48
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(to_the_end(client)))
    reader.start()
    sender = sent_in_background(far, data, then_shut=True)
    seen = set()
    while sender.is_alive():
        toxic = wire.toxic("noop")
        seen |= {link["how"] for link in wire.facts()["links"] if link["received_bytes"]}
        wire.remove(toxic)
        seen |= {link["how"] for link in wire.facts()["links"] if link["received_bytes"]}
    reader.join()
    sender.join()
    assert digest(got[0]) == digest(data)
    assert seen >= {"spliced", "chain"}


def test_two_latencies_under_load_each_take_their_time(wire: Proxied) -> None:
    """No byte is early, however many are under way."""
    for name in ("one", "two"):
        wire.toxic("latency", latency=100, name=name)
    client, far = wire.connect()
    sent_s, count = [], 40
    for number in range(count):
        sent_s.append(time.monotonic())
        far.sendall(bytes([number]))
        time.sleep(0.002)
    for number in range(count):
        assert received(client, 1) == bytes([number])
        assert time.monotonic() - sent_s[number] >= 0.199


def test_reset_added_to_a_live_connection_resets(wire: Proxied) -> None:
    """Not an end, as Toxiproxy's; and who was spared is not reset."""
    client, far = wire.connect()
    toxic = wire.toxic("reset_peer", "upstream", toxicity=0)
    client.sendall(b"x")
    assert received(far, 1) == b"x"
    wire.update(toxic, toxicity=1)
    client.sendall(b"y")
    assert {how_it_ends(client), how_it_ends(far)} == {"reset"}
    wire.update(toxic, toxicity=0)
    client, far = wire.connect()
    client.sendall(b"z")
    assert received(far, 1) == b"z"
    client.close()
    assert how_it_ends(far) == "end"


def test_a_spared_connection_outlives_a_timeout(wire: Proxied) -> None:
    """Only those that were hit lost bytes."""
    toxic = wire.toxic("timeout", "upstream", toxicity=0)
    client, far = wire.connect()
    wire.remove(toxic)
    client.sendall(b"x")
    assert received(far, 1) == b"x"


def test_updating_bandwidth_loses_nothing(wire: Proxied) -> None:
    """Bytes that waited for 1 KB/s go on."""
    toxic = wire.toxic("bandwidth", rate=1)
    client, far = wire.connect()
    far.sendall(b"x" * 1000)
    wire.update(toxic, attributes={"rate": 100_000})
    far.sendall(b"y" * 1000)
    assert received(client, 2000) == b"x" * 1000 + b"y" * 1000


def test_connections_that_are_reset_or_hang(wire: Proxied) -> None:
    """By a plan: the first two are reset, the next hangs, the others pass."""
    wire.toxic("accept_then_reset", when={"last": 2})
    wire.toxic("accept_and_hang", when={"first": 3, "last": 3})
    for _ in range(2):
        with suppress(ConnectionResetError):  # while it connects
            assert how_it_ends(wire.client()) == "reset"
    hanging = wire.client()
    hanging.settimeout(0.05)
    with pytest.raises(TimeoutError):
        hanging.recv(1)
    client, far = wire.connect()
    client.sendall(b"x")
    assert received(far, 1) == b"x"
    counted = wire.facts()["toxics"]
    assert [counted[f"accept_{how}_downstream"]["hits"] for how in ("then_reset", "and_hang")] == [
        2,
        1,
    ]


def test_every_second_connection(wire: Proxied) -> None:
    """By number, from the second on."""
    wire.toxic("limit_data", "upstream", bytes=1, when={"first": 2, "every": 2})
    sizes = []
    for _ in range(4):
        client, far = wire.connect()
        sent_in_background(client, b"xyz", then_shut=True).join()
        sizes.append(len(to_the_end(far)))
    assert sizes == [3, 1, 3, 1]


def passed_again_and_again(source: socket.socket, destination: socket.socket) -> None:
    """One byte after the other, as long as they arrive."""
    for _ in range(100_000):
        passed(source, destination)


def test_a_window_of_time(wire: Proxied) -> None:
    """A toxic begins and ends by itself, on connections that are there."""
    client, far = wire.connect()
    start_s = time.monotonic()
    wire.toxic("bandwidth", rate=0, when={"until_ms": 150})
    passed(far, client)
    assert time.monotonic() - start_s >= 0.149
    wire.toxic("timeout", name="later", timeout=0, when={"from_ms": 300})
    passed(far, client)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        passed_again_and_again(far, client)


def test_limit_time_and_slow_open(wire: Proxied) -> None:
    """Traffic does not put the end off; the first byte is late."""
    wire.toxic("slow_open", delay=40)
    wire.toxic("limit_time", time=150)
    client, far = wire.connect()
    assert took_s(lambda: passed(far, client)) >= 0.039
    sender = sent_in_background(far, b"y" * 100)
    sender.join()
    assert to_the_end(client) == b"y" * 100


def test_refused_and_unanswered(wire: Proxied) -> None:
    """As modes: nobody listens; nobody answers; and as before, live connections stay."""
    client, far = wire.connect()
    wire.ask("POST", body={"mode": "refuse"})
    with pytest.raises(ConnectionRefusedError):
        wire.client()
    wire.ask("POST", body={"mode": "syn_timeout"})
    with socket.socket() as waiting:
        waiting.settimeout(0.15)
        with pytest.raises(TimeoutError):
            waiting.connect(("127.0.0.1", wire.port))
    wire.ask("POST", body={"mode": "accept"})
    client.sendall(b"x")
    assert received(far, 1) == b"x"
    client, far = wire.connect()
    client.sendall(b"y")
    assert received(far, 1) == b"y"


def test_the_same_seed_the_same_fate(wire: Proxied) -> None:
    """Which of 30 connections are hit is decided by the seed; another wire of that name has the same."""
    fates = []
    for _ in range(2):
        wire.toxic("limit_data", "upstream", bytes=1, toxicity=0.5)
        hit = []
        for _ in range(30):
            client, far = wire.connect()
            sent_in_background(client, b"xy", then_shut=True).join()
            hit.append(len(to_the_end(far)) == 1)
        fates.append(hit)
        counted = wire.facts()["toxics"]["limit_data_upstream"]
        assert (counted["links"], counted["spared"]) == (30, 30 - sum(hit))
        body = {"name": wire.name, "listen": f"127.0.0.1:{wire.port}"}
        body["upstream"] = f"127.0.0.1:{wire.upstream.getsockname()[1]}"
        wire.ask("DELETE")
        wire.server.ask("POST", "/proxies", body)
    assert fates[0] == fates[1]
    assert 5 < sum(fates[0]) < 25


def test_corrupted_bytes_are_the_same_twice(wire: Proxied) -> None:
    """Whatever was read at once."""
    data = bytes(20_000)
    wire.toxic("corrupt", "upstream", probability=0.2, when={"first": 1, "last": 1})
    client, far = wire.connect()
    sent_in_background(client, data, then_shut=True).join()
    whole = to_the_end(far)
    assert whole != data
    body = {"name": wire.name, "listen": "127.0.0.1:0"}
    body["upstream"] = f"127.0.0.1:{wire.upstream.getsockname()[1]}"
    wire.ask("DELETE")
    made = wire.server.ask("POST", "/proxies", body).json
    wire.port = int(made["listen"].rpartition(":")[2])
    wire.toxic("corrupt", "upstream", probability=0.2)
    client, far = wire.connect()
    for start, end in pairwise(range(0, 20_001, 1000)):
        client.sendall(data[start:end])
        assert received(far, 1000) == whole[start:end]


def test_what_happened_is_told(wire: Proxied) -> None:
    """Accept, dial, hit, cut, ends and close of a connection, with numbers, bytes and both clocks."""
    newest = len(events(wire))
    wire.toxic("limit_data", "upstream", bytes=3)
    client, far = wire.connect()
    client.sendall(b"abcde")
    assert to_the_end(far) == b"abc"
    settled(wire)
    told = [one for one in events(wire)[newest:] if one["connection"] == 1]
    kinds = [one["kind"] for one in told]
    assert kinds == ["accept", "dial", "hit", "cut", "end", "close"]
    hit = told[2]
    assert (hit["toxic"], hit["stream"], hit["offset"]) == ("limit_data_upstream", "upstream", 0)
    times = [one["at_ns"] for one in told]
    assert times == sorted(times)
    facts = wire.facts()
    counters, toxic = facts["counters"], facts["toxics"]["limit_data_upstream"]
    assert (counters["upstream_received_bytes"], counters["upstream_sent_bytes"]) == (5, 3)
    assert (toxic["hits"], toxic["dropped_bytes"], toxic["closed"]) == (1, 2, 1)


def test_nothing_stays_of_connections(wire: Proxied) -> None:
    """Descriptors and memory after 200 of all kinds are what they were after a few."""

    def some(count: int) -> None:
        for number in range(count):
            toxic = wire.toxic("latency", "both", latency=1) if number % 3 == 0 else None
            client, far = wire.connect()
            sender = sent_in_background(far, b"x" * 100_000)
            if number % 4 == 1:
                received(client, 100)  # and leaves, with more unread
            else:
                assert len(received(client, 100_000)) == 100_000
            client.close()
            sender.join()
            far.close()
            if toxic is not None:
                wire.remove(toxic)
        settled(wire)

    def descriptors() -> int:
        return len(list(Path(f"/proc/{wire.server.pid}/fd").iterdir()))

    def resident_kb() -> int:
        fields = Path(f"/proc/{wire.server.pid}/statm").read_text().split()
        return int(fields[1]) * 4

    some(40)
    before, before_kb = descriptors(), resident_kb()
    some(200)
    assert descriptors() <= before + 2 * PIPES
    assert resident_kb() < before_kb + 4000
