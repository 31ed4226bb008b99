"""Toxics added, changed and removed at random under random traffic: the bytes arrive as they were sent."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from tests.proxy.api.servers import ours
from tests.proxy.data.proxied import Control, Proxied, digest, proxied

SOME = 20
STREAMS = ("upstream", "downstream", "both")


def lossless(rng: Random) -> tuple[str, dict[str, float]]:
    """A toxic that loses nothing, whose waits are short."""
    return rng.choice(
        [
            ("noop", {}),
            ("latency", {"latency": rng.randrange(4), "jitter": rng.randrange(4)}),
            ("bandwidth", {"rate": rng.choice([20_000, 100_000, 1_000_000])}),
            ("bandwidth", {"rate": 50_000, "shared": 1}),
            ("slow_close", {"delay": rng.randrange(20)}),
            ("slow_open", {"delay": rng.randrange(5)}),
            (
                "slicer",
                {
                    "average_size": rng.choice([200, 5000, 40_000]),
                    "size_variation": rng.choice([0, 100, 60_000]),
                    "delay": rng.choice([0, 20]),
                },
            ),
            ("packet_loss", {"loss_rate": rng.choice([0.01, 0.1]), "retransmit": 1}),
            ("limit_data", {"bytes": 1 << 50}),
        ]
    )


@dataclass
class Traffic:
    """Bytes that one end sends in uneven writes, with pauses, and how the other end reads them."""

    rng: Random
    source: socket.socket
    destination: socket.socket
    sent: bytes = b""
    got: bytearray = field(default_factory=bytearray)

    def start(self) -> list[threading.Thread]:
        """Sending and reading."""
        self.sent = self.rng.randbytes(
            self.rng.choice([0, 1, 30_000, 300_000, 1_500_000, 4_000_000])
        )
        threads = [threading.Thread(target=act) for act in (self._send, self._read)]
        for thread in threads:
            thread.start()
        return threads

    def _send(self) -> None:
        rng, at = Random(self.rng.random()), 0
        while at < len(self.sent):
            size = rng.choice([1, 100, 3000, 20_000, 200_000])
            self.source.sendall(self.sent[at : at + size])
            at += size
            if rng.random() < 0.4:
                time.sleep(0.002)
        self.source.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        while data := self.destination.recv(1 << 17):
            self.got += data
            if len(self.got) % 7 == 0:
                time.sleep(0.001)


def change(rng: Random, wire: Proxied, standing: dict[str, str]) -> None:
    """Add, change or remove one toxic."""
    act = rng.random()
    if not standing or (act < 0.45 and len(standing) < 5):
        kind, settings = lossless(rng)
        name = f"t{rng.randrange(1 << 30)}"
        toxicity = rng.choice([1, 1, 1, 0.5])
        wire.toxic(kind, rng.choice(STREAMS), name=name, toxicity=toxicity, **settings)
        standing[name] = kind
        return
    name = rng.choice(sorted(standing))
    if act < 0.7:
        others = [
            settings
            for kind, settings in (lossless(rng) for _ in range(9))
            if kind == standing[name]
        ]
        wire.update(name, attributes=others[0] if others else {}, toxicity=rng.choice([0, 0.5, 1]))
    else:
        wire.remove(name)
        del standing[name]


def schedule(wire: Proxied, number: int) -> list[str]:
    """One round; returns what did not arrive as it was sent."""
    rng = Random(number)
    standing: dict[str, str] = {}
    for _ in range(rng.randrange(3)):
        change(rng, wire, standing)
    ways: list[Traffic] = []
    for _ in range(rng.choice([1, 3])):
        client, far = wire.connect()
        ways += [Traffic(Random(rng.random()), *pair) for pair in ((client, far), (far, client))]
    threads = [thread for way in ways for thread in way.start()]
    while any(thread.is_alive() for thread in threads):
        change(rng, wire, standing)
        time.sleep(rng.random() * 0.0005)
    for thread in threads:
        thread.join()
    for name in standing:
        wire.remove(name)
    return [
        f"schedule {number}: sent {len(way.sent)} bytes, got {len(way.got)}"
        for way in ways
        if digest(way.sent) != digest(bytes(way.got))
    ]


@pytest.mark.parametrize("number", range(SOME))
def test_every_byte_once_and_in_order(wire: Proxied, number: int) -> None:
    """A schedule of its own for each number."""
    assert schedule(wire, number) == []


@contextmanager
def _wire() -> Iterator[Proxied]:
    with (
        ours("--seed", "7") as server,
        closing(Control(server.port, server.pid)) as control,
        proxied(control) as wire,
    ):
        yield wire


def main(count: int) -> bool:
    """``count`` schedules; whether all bytes arrived as they were sent."""
    wrong = []
    with _wire() as wire:
        for number in range(count):
            wrong += schedule(wire, number)
    print(f"{count} schedules of toxics under traffic: {len(wrong)} streams arrived changed")
    for one in wrong:
        print(one)
    return not wrong
