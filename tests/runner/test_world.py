"""A world around real processes: which clock it gets, how calls meet it, and that it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.contract.load import load
from harness.errors import CouldNotRun
from harness.history import ClockMoved, FaultBegan, FaultEnded, TargetStarted
from harness.promises import words
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.units import NS_PER_S

SLEEPER = """
import sys, time, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/sleep":
            time.sleep(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
if "spin" in sys.argv:
    def spin():
        while True:
            pass
    threading.Thread(target=spin, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

CONTRACT = """
contract: 1
service: small
target: {{command: {command}, ready: {{tcp: yes, within: 20s}}}}
{more}
operations: {{get: {{call: GET /}}, sleep: {{call: GET /sleep}}}}
promises: [{{id: p, kind: rate_limit, operation: get, key: ip, limit: 3/2s}}]
"""

Worlds = Callable[..., AbstractContextManager[World]]


@pytest.fixture
def worlds(tmp_path: Path) -> Worlds:
    """Start a world around a command; its supervisor ends with it."""

    @contextmanager
    def start(command: list[str], more: str = "", **settings: Any) -> Iterator[World]:
        path = tmp_path / "contract.yaml"
        path.write_text(CONTRACT.format(command=command, more=more))
        (tmp_path / "sleeper.py").write_text(SLEEPER)
        loaded = load(path, words())
        with Supervisor() as supervisor, World(loaded, supervisor, Seed(1), **settings) as world:
            yield world

    return start


PYTHON = ["{python}", "{contract.dir}/sleeper.py", "{port}"]


def call(world: World, operation: str) -> Any:
    """One call from a fresh address."""
    caller = world.fresh_caller()
    request = world.composer.compose(
        operation, caller, key="ip", source=caller.address, forwarded=None, connection=None
    )
    (index,) = world.exchange([request], together=False)
    return world.call(index)


def test_calls_on_a_held_clock_take_no_time(worlds: Worlds) -> None:
    """The interval of a call is a point, and the clock moves exactly where it is told to."""
    with worlds(PYTHON) as world:
        assert world.time.mode == "frozen"
        assert world.notes == []
        first = call(world, "get")
        assert first.status == 200
        assert first.sent_target_ns == first.answered_target_ns
        world.move_to(world.now_ns + 61 * NS_PER_S + 1)
        assert call(world, "get").sent_target_ns == first.sent_target_ns + 61 * NS_PER_S + 1
        started, _, moved, _ = world.history().events
        assert isinstance(started, TargetStarted)
        assert isinstance(moved, ClockMoved)
        assert moved.why == "plan"


def test_a_target_that_waits_is_jumped_to_its_own_deadline(worlds: Worlds) -> None:
    """A handler that sleeps 30 s answers at once, 30 s later on its own clock."""
    with worlds(PYTHON) as world:
        slow = call(world, "sleep")
        assert slow.status == 200
        assert slow.answered_target_ns - slow.sent_target_ns == 30 * NS_PER_S
        assert slow.last_byte_ns - slow.written_ns < 20 * NS_PER_S
        assert {e.why for e in world.history().events if isinstance(e, ClockMoved)} == {"deadline"}


def test_a_target_that_never_rests_gets_the_real_clock(worlds: Worlds) -> None:
    """By itself, with a note; with --clock frozen it could not run."""
    with worlds([*PYTHON, "spin"]) as world:
        assert world.time.mode == "real"
        assert "never comes to rest" in world.notes[0]
        assert call(world, "get").status == 200
    with (
        pytest.raises(CouldNotRun, match="cannot be held"),
        worlds([*PYTHON, "spin"], clock="frozen"),
    ):
        pass


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go compiler here")
def test_a_static_go_program_gets_the_real_clock(worlds: Worlds, tmp_path: Path) -> None:
    """It reads no clock of ours; that is seen at its start, not guessed."""
    (tmp_path / "main.go").write_text(
        'package main\nimport ("net/http"; "os")\n'
        'func main() { http.ListenAndServe("127.0.0.1:"+os.Args[1], '
        "http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})) }\n"
    )
    subprocess.run(
        ["go", "build", "-o", "server", "main.go"],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "CGO_ENABLED": "0"},
    )
    with worlds(["{contract.dir}/server", "{port}"]) as world:
        assert world.time.mode == "real"
        assert "does not follow the held clock" in world.notes[0]
        assert call(world, "get").status == 200


def test_a_store_is_cut_counted_and_healed(worlds: Worlds) -> None:
    """On the same port, empty; the clock runs only while it starts."""
    with worlds(PYTHON, "dependencies: {redis: {kind: valkey}}") as world:
        store = world.services["redis"]
        port = store.port
        world.cut("redis")
        assert not store.probe()
        world.heal_all()
        assert store.probe()
        assert store.port == port
        kinds = [type(event) for event in world.history().events]
        assert kinds == [TargetStarted, FaultBegan, ClockMoved, FaultEnded]
        began = next(e for e in world.history().events if isinstance(e, FaultBegan))
        assert began.effect >= 1
        world.move_to(world.now_ns + 61 * NS_PER_S)
        assert call(world, "get").status == 200


def test_a_restart_is_a_fresh_world_in_the_same_history(worlds: Worlds) -> None:
    """Connections and callers keep numbers of their own; both starts are facts."""
    with worlds(PYTHON, clock="real") as world:
        before = call(world, "get")
        pid = world.target.pid
        assert world.restart()
        after = call(world, "get")
        assert world.target.pid != pid
        assert after.connection > before.connection
        assert after.source != before.source
        starts = [e for e in world.history().events if isinstance(e, TargetStarted)]
        assert len(starts) == 2


def test_a_target_that_dies_is_told_with_its_output(worlds: Worlds) -> None:
    """While it is being tried, too."""
    with worlds(PYTHON) as world:
        assert world.target.pid is not None
        subprocess.run(["kill", "-9", str(world.target.pid)], check=True)
        while world.target.alive():
            pass
        with pytest.raises(CouldNotRun, match="ended while it was being tried"):
            world.check_alive()
        assert not world.usable


def test_a_long_way_is_gone_in_strides(worlds: Worlds, tmp_path: Path) -> None:
    """A gunicorn master that ends workers silent for 30 s sees them alive through an hour."""
    (tmp_path / "app.py").write_text(
        "def app(environ, start):\n"
        "    start('200 OK', [('Content-Length', '0')])\n"
        "    return [b'']\n"
    )
    command = [
        "{python}",
        "-m",
        "gunicorn",
        "--workers",
        "2",
        "--bind",
        "127.0.0.1:{port}",
        "app:app",
    ]
    with worlds(command) as world:
        assert world.time.mode == "frozen", world.notes
        for _ in range(3):
            world.move_to(world.now_ns + 1_200 * NS_PER_S)
            assert call(world, "get").status == 200
        output = world.target.output()
    assert "Booting worker" in output
    assert "WORKER TIMEOUT" not in output
