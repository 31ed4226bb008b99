"""A held clock for each test, and programs that run under it and talk in lines."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.clock.errors import ClockUnavailable
from harness.clock.held import HeldClock

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_S = 20.0
"""Real time until a test gives up; nothing is measured by it."""
SECOND_NS = 1_000_000_000


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[HeldClock]:
    """A held clock of the test's own."""
    try:
        held = HeldClock(tmp_path)
    except ClockUnavailable as error:
        pytest.skip(str(error))
    with held:
        yield held


@dataclass
class Program:
    """A program under the clock; it answers each line with a line."""

    process: subprocess.Popen[bytes]
    clock: HeldClock

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def has_answered(self) -> bool:
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def answer(self) -> str:
        """The next line, without moving the clock."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], self.clock.state()
        line = self.process.stdout.readline()
        assert line, f"the program ended with {self.process.wait(PATIENCE_S)}"
        return line.decode().rstrip("\n")

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.answer()

    def jump_to_answer(self) -> tuple[str, int]:
        """Jump from deadline to deadline until it answers; the answer and the number of jumps."""
        jumps = jump_until(self.clock, self.has_answered)
        return self.answer(), jumps

    def stop(self) -> None:
        """End it with all that came from it: a server that is killed leaves its workers behind."""
        self.clock.release()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def jump_until(clock: HeldClock, done: Callable[[], bool]) -> int:
    """Jump until ``done``; how often."""
    jumps = 0
    end_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end_s, clock.state()
        if clock.jump() is not None:
            jumps += 1
    return jumps


Start = Callable[..., Program]


@pytest.fixture
def start(clock: HeldClock) -> Iterator[Start]:
    """Starts ``programs/NAME ARGUMENTS…`` (or any command) under the clock and watches it."""
    running: list[Program] = []

    def start_one(
        *command: str | Path, held: bool = True, watch: bool = True, **environment: str
    ) -> Program:
        words = [str(word) for word in command]
        if words[0].endswith(".py"):
            words = [sys.executable, str(PROGRAMS / words[0]), *words[1:]]
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(clock.environment() if held else {}), **environment},
            cwd=PROGRAMS,
            process_group=0,
        )
        program = Program(process, clock)
        running.append(program)
        if watch:
            clock.watch(process.pid)
        return program

    yield start_one
    for program in reversed(running):
        program.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def connect(port: int) -> socket.socket:
    """As soon as somebody listens."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except ConnectionRefusedError:
            assert time.monotonic() < end_s, f"nobody listens at {port}"
            time.sleep(0.01)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


def readable(connection: socket.socket) -> Callable[[], bool]:
    return lambda: bool(select.select([connection], [], [], 0)[0])


@dataclass
class Http:
    """A keep-alive connection, by hand: one request at a time."""

    port: int

    def __post_init__(self) -> None:
        self.socket = connect(self.port)

    def send(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())

    def receive(self) -> str:
        data = b""
        while True:
            part = self.socket.recv(65536)
            assert part, data
            data += part
            head, end, body = data.partition(b"\r\n\r\n")
            if end:
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    return body.decode()

    def get(self, path: str) -> str:
        self.send(path)
        return self.receive()

    def close(self) -> None:
        self.socket.close()
