"""Attempts of a real service as its dependency sees them: each gap as its clock, loop or thread makes it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from harness.clock.held import HeldClock
from harness.history import Arrival
from harness.script import HOLD, Answer, Script, always
from harness.witness.handle import Witness
from tests.clock.conftest import Http, Start, connect, free_port, jump_until, readable, start
from tests.clock.test_valkey import Valkey, binary
from tests.quality.examine import busy_cores
from tests.witness.conftest import MS_NS, SECOND_NS, rest

__all__ = ["start"]  # a fixture of the clock's tests: programs under this test's clock

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = sys.executable
NEVER_S = "1000000000"
LOOP = [PYTHON, "-m", "uvicorn", "attempts:app", "--app-dir", str(PROGRAMS), "--port", "{port}",
        "--log-level", "warning", "--timeout-keep-alive", NEVER_S, "--loop"]  # fmt: skip
GUNICORN = [PYTHON, "-m", "gunicorn", "attempts:plain", "--chdir", str(PROGRAMS), "-w", "2",
            "-b", "127.0.0.1:{port}", "--log-level", "warning", "--timeout", "0"]  # fmt: skip
THREADS = [PYTHON, str(PROGRAMS / "attempts.py"), "{port}"]

SERVICES = {
    "threads": (THREADS, "/again"),
    "pool": (THREADS, "/pool"),
    "asyncio": ([*LOOP, "asyncio"], "/again"),
    "executor": ([*LOOP, "asyncio"], "/executor"),
    "uvloop": ([*LOOP, "uvloop"], "/again"),
    "gunicorn": (GUNICORN, "/again"),
    "node": (["node", str(PROGRAMS / "attempts.js"), "{port}"], "/again"),
}
"""How each is started, and asked for attempts."""
LATE_NS = {"asyncio": (0, 2 * MS_NS), "uvloop": (-501_000, 501_000)}
"""How these round; in all others each wait is exact."""
FAILING = always(Answer(status=503))
SHORT_MS = (100, 200, 400)
LONG_MS = (60_000,)


@dataclass(frozen=True, slots=True)
class Called:
    """One call: what it was answered in the end, and its attempts at the witness."""

    said: str
    attempts: tuple[Arrival, ...]

    def lateness_ns(self, waits_ms: tuple[int, ...]) -> list[int]:
        """Of each attempt: so much later than the wait after the end of the one before."""
        gaps_ns = [b.target_ns - (a.ended_target_ns or 0) for a, b in pairwise(self.attempts)]
        return [gap - ms * MS_NS for gap, ms in zip(gaps_ns, waits_ms, strict=True)]


class Service:
    """One of them, whose dependency is a witness, in a time that stands still."""

    def __init__(self, kind: str, start: Start, witness: Witness, clock: HeldClock) -> None:
        if kind == "node" and not shutil.which("node"):
            pytest.skip("there is no Node here")
        if kind == "uvloop":
            pytest.importorskip("uvloop")
        command, self.path = SERVICES[kind]
        self.witness, self.clock = witness, clock
        self.earliest_ns, self.latest_ns = LATE_NS.get(kind, (0, 0))
        self.port = free_port()
        clock.run(1.0)
        start(*(word.format(port=self.port) for word in command), WITNESS=str(witness.port))
        with closing(Http(self.port)) as first:
            first.get(f"{self.path}?timeout=5&token=first")
        clock.freeze()

    def call(self, script: Script, *waits_ms: int, times: int = 1) -> list[Called]:
        """So many calls at once, whose attempts are answered by the script, each given up after 30 s."""
        rest(self.clock)
        self.witness.forget()
        self.witness.script(script)
        waits_s = ",".join(f"{ms / 1000:g}" for ms in waits_ms)
        tokens = [f"sp-00c0ffee-{number}" for number in range(times)]
        with ExitStack() as stack:
            clients = [stack.enter_context(closing(Http(self.port))) for _ in tokens]
            for client, token in zip(clients, tokens, strict=True):
                client.send(f"{self.path}?waits={waits_s}&timeout=30&token={token}")
            jump_until(self.clock, lambda: all(readable(client.socket)() for client in clients))
            said = [client.receive() for client in clients]
        rest(self.clock)
        arrivals = self.witness.arrivals()
        return [
            Called(each, tuple(one for one in arrivals if one.token == token))
            for each, token in zip(said, tokens, strict=True)
        ]

    def rounds(self, lateness_ns: Iterable[int]) -> bool:
        """Whether that is how it rounds."""
        return all(self.earliest_ns <= late <= self.latest_ns for late in lateness_ns)


Serve = Callable[[str], Service]


@pytest.fixture
def serve(frozen: Witness, clock: HeldClock, start: Start) -> Serve:
    """Starts a service."""
    return lambda kind: Service(kind, start, frozen, clock)


@pytest.mark.parametrize("kind", SERVICES)
def test_gaps_of_attempts_are_the_services_own(serve: Serve, kind: str) -> None:
    """After 100, 200 and 400 ms, or a whole minute, and of twenty calls at once."""
    service = serve(kind)
    for waits_ms, times in ((SHORT_MS, 1), (LONG_MS, 1), (SHORT_MS, 20)):
        for called in service.call(FAILING, *waits_ms, times=times):
            late_ns = called.lateness_ns(waits_ms)
            assert called.said == "503"
            assert service.rounds(late_ns), late_ns


@pytest.mark.parametrize("kind", SERVICES)
def test_who_gives_up_is_gone_after_its_own_30_s(serve: Serve, kind: str) -> None:
    """The dependency holds the call, and sees it go at that instant."""
    service = serve(kind)
    (called,) = service.call(always(HOLD))
    (gone,) = called.attempts
    assert (called.said, gone.state) == ("504", "gone")
    waited_ns = (gone.ended_target_ns or 0) - gone.target_ns
    assert service.rounds([waited_ns - 30 * SECOND_NS]), waited_ns


@pytest.mark.parametrize("kind", ["threads", "asyncio", "node"])
def test_gaps_are_the_same_on_a_busy_machine(serve: Serve, kind: str) -> None:
    """Twenty calls at once while others take the processors."""
    service = serve(kind)
    with busy_cores():
        for called in service.call(FAILING, *SHORT_MS, times=20):
            late_ns = called.lateness_ns(SHORT_MS)
            assert called.said == "503"
            assert service.rounds(late_ns), late_ns


def test_a_store_shares_the_clock(
    serve: Serve, clock: HeldClock, start: Start, tmp_path: Path
) -> None:
    """A key of 700 ms outlives three waits of 700 ms in all, and not a millisecond more."""
    service = serve("threads")
    clock.run(1.0)
    options = ["--port", str(port := free_port()), "--save", "", "--dir", tmp_path]
    program = start(binary(), *options, "--loglevel", "warning", "--bind", "127.0.0.1")
    with closing(connect(port)) as connection:
        clock.freeze()
        valkey = Valkey(program, connection)
        clock.advance(MS_NS - clock.wall_ns() % MS_NS)
        assert valkey.ask("SET", "k", "v", "PX", "700") == "+OK\r\n"
        (called,) = service.call(FAILING, *SHORT_MS)
        assert called.lateness_ns(SHORT_MS) == [0, 0, 0]
        assert valkey.ask("GET", "k") == "$1\r\nv\r\n"
        clock.advance(MS_NS)
        assert valkey.ask("GET", "k") == "$-1\r\n"
