"""Real servers under the held clock: event loops, threads, several processes, Node."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from harness.clock.held import HeldClock
from harness.clock.threads import descendants
from tests.clock.conftest import (
    PATIENCE_S,
    PROGRAMS,
    SECOND_NS,
    Http,
    Program,
    Start,
    free_port,
    jump_until,
    readable,
)

NEVER_S = "1000000000"
UVICORN = ["-m", "uvicorn", "web:app", "--log-level", "warning", "--timeout-keep-alive", NEVER_S]
GUNICORN = ["-m", "gunicorn", "plain:app", "--log-level", "warning", "--timeout", "0", "-w", "2"]

SERVERS = {
    "asyncio": [sys.executable, *UVICORN, "--loop", "asyncio", "--port", "{port}"],
    "uvloop": [sys.executable, *UVICORN, "--loop", "uvloop", "--port", "{port}"],
    "workers": [sys.executable, *UVICORN, "--workers", "2", "--port", "{port}"],
    "gunicorn": [sys.executable, *GUNICORN, "-b", "127.0.0.1:{port}"],
    "gthread": [
        sys.executable,
        *GUNICORN,
        "--threads",
        "4",
        "--keep-alive",
        NEVER_S,
        "-b",
        "127.0.0.1:{port}",
    ],
    "node": ["node", str(PROGRAMS / "web.js"), "{port}"],
}
LATE_NS = {
    "asyncio": (0, 2_000_000),
    "workers": (-501_000, 2_000_000),
    "uvloop": (-501_000, 501_000),
}
"""How the event loops round; the others are exact. With workers the loop may be either."""


class Server:
    """A running server and how to ask it."""

    def __init__(self, kind: str, start: Start, clock: HeldClock) -> None:
        if kind == "node" and not shutil.which("node"):
            pytest.skip("there is no Node here")
        if kind == "uvloop":
            pytest.importorskip("uvloop")
        self.kind = kind
        self.clock = clock
        self.port = free_port()
        command = [word.format(port=self.port) for word in SERVERS[kind]]
        self.program: Program = start(*command)
        self.keeps_alive = kind != "gunicorn"
        self.open: Http | None = None
        self.get("/now")
        if kind in {"workers", "gunicorn", "gthread"}:
            self.wait_for_workers()

    def wait_for_workers(self) -> None:
        end_s = time.monotonic() + PATIENCE_S
        pids: set[str] = set()
        while len(pids) < 2:
            assert time.monotonic() < end_s
            with contextlib.closing(Http(self.port)) as http:
                pids.add(http.get("/pid"))

    def connection(self) -> Http:
        if not self.keeps_alive and self.open:
            self.close()
        self.open = self.open or Http(self.port)
        return self.open

    def close(self) -> None:
        if self.open:
            self.open.close()
        self.open = None

    def get(self, path: str) -> int:
        return int(self.connection().get(path))

    def jump_through(self, path: str) -> tuple[int, int]:
        """The answer, and how many jumps it needed."""
        http = self.connection()
        http.send(path)
        jumps = jump_until(self.clock, readable(http.socket))
        return int(http.receive()), jumps


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, start: Start, clock: HeldClock) -> Iterator[Server]:
    """One of the servers, serving."""
    server = Server(request.param, start, clock)
    with contextlib.closing(server):
        yield server


def test_a_server_lives_on_the_held_clock(server: Server, clock: HeldClock) -> None:
    """It is supported; its time stands still, moves exactly, and jumps to its own timers."""
    clock.supports(server.program.pid, lambda: check(server.get("/now")))
    assert not clock.frozen
    clock.freeze()
    assert [server.get("/now") for _ in range(5)] == [clock.now_ns()] * 5
    for by_ns in (1, 61 * SECOND_NS, 86_400 * SECOND_NS):
        assert clock.settle(20.0)  # a supervisor's ping that is under way would be taken for lost
        clock.advance(by_ns)
        assert server.get("/now") == clock.now_ns()
    earliest_ns, latest_ns = LATE_NS.get(server.kind, (0, 0))
    for length_s in (30, 0.25, 2):
        before_ns = clock.now_ns()
        after_ns, jumps = server.jump_through(f"/nap?s={length_s}")
        late_ns = after_ns - before_ns - round(length_s * SECOND_NS)
        assert earliest_ns <= late_ns <= latest_ns
        assert 1 <= jumps <= 1000


def check(now_ns: int) -> None:
    assert now_ns > 0


def test_twenty_naps_at_once_end_together(start: Start, clock: HeldClock) -> None:
    """Many connections, one jump to the common deadline (or two, by the loop's rounding)."""
    server = Server("asyncio", start, clock)
    server.close()
    clients = [Http(server.port) for _ in range(20)]
    clock.freeze()
    before_ns = clock.now_ns()
    for client in clients:
        client.send("/nap?s=0.05")
    jump_until(clock, lambda: all(readable(client.socket)() for client in clients))
    for client in clients:
        assert 0 <= int(client.receive()) - before_ns - 50_000_000 <= 2_000_000
        client.close()


def test_a_killed_worker_leaves_no_deadline_behind(start: Start, clock: HeldClock) -> None:
    """Its slots stay on the page, but nobody waits for the dead; its successor is exact."""
    server = Server("gthread", start, clock)
    server.close()
    clock.freeze()
    worker = max(descendants({server.program.pid}))
    os.kill(worker, signal.SIGKILL)
    jump_until(clock, lambda: worker not in descendants({server.program.pid}))
    before_ns = clock.now_ns()
    after_ns, _ = server.jump_through("/nap?s=7")
    assert after_ns - before_ns == 7 * SECOND_NS
    server.close()


def test_a_released_server_stops_at_once(start: Start, clock: HeldClock) -> None:
    """SIGTERM on frozen time would wait in the server's own shutdown; released, it ends."""
    server = Server("asyncio", start, clock)
    server.close()
    clock.freeze()
    clock.release()
    server.program.process.terminate()
    assert server.program.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}
