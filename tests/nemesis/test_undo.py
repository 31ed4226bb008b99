"""What is undone when things go wrong: undone again, told loudly, and left to the reaper."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import CouldNotRun
from harness.faults.process import DescriptorsExhausted, DiskFull, ProcessKilled, ProcessPaused
from harness.living import environment, everyone, look
from harness.nemesis import Nemesis, UndoFailed
from harness.nemesis.looks import stands
from harness.runner.world import World
from harness.undo import undo
from tests.nemesis.conftest import Worlds, entries

OWNER = """
import os, signal, sys
from pathlib import Path
from harness.faults.process import DiskFull, MemoryLimited, ProcessPaused
from tests.nemesis.conftest import started
with started(Path(sys.argv[1]), "child", "daemon", clock="real") as world:
    nemesis = world.hurts.nemesis
    nemesis.begin(DiskFull("redis"))
    nemesis.begin(MemoryLimited("target"))
    nemesis.begin(ProcessPaused("target"))
    scene = nemesis._scene
    print(scene.run_id, scene._supervisor.directory, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def until(reached: Callable[[], bool]) -> bool:
    """Look again and again, for 10 s at most."""
    end_s = time.monotonic() + 10
    while not reached():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def test_what_cannot_be_brought_back_is_told(world: World, nemesis: Nemesis) -> None:
    """Its port is taken: tried again, then told with what to do by hand; others are undone all the same."""
    nemesis.begin(ProcessPaused("target"))
    nemesis.begin(ProcessKilled("redis"))
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", world.services["redis"].port))
        with pytest.raises(UndoFailed) as raised:
            nemesis.end_all()
    assert "redis was killed, and cannot be started again: redis (Valkey" in raised.value.reason
    assert "By hand: " in raised.value.reason
    assert "in use" in raised.value.output
    assert nemesis.in_force == ()
    assert not stands(world.target.pid or 0)
    world._topology.heal(world.services["redis"])


def test_an_undo_that_fails_is_tried_again(
    world: World, nemesis: Nemesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice it fails, the third time it works, and nobody hears of it."""
    heal, tries = world._topology.heal, []

    def fails_twice(store: object) -> None:
        tries.append(store)
        if len(tries) < 3:
            raise CouldNotRun("not now")
        heal(world.services["redis"])

    monkeypatch.setattr(world._topology, "heal", fails_twice)
    with nemesis.killed("redis"):
        pass
    assert len(tries) == 3


def test_an_entry_that_cannot_be_undone_stays(
    world: World, nemesis: Nemesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the ledger, where reaper and sweep find it; the text says what a person would type."""
    number = world.services["redis"].pid
    with monkeypatch.context() as patch:
        patch.setattr("harness.nemesis.written.undo", lambda run_id, entry: "it does not wake")
        said = rf"it does not wake\. By hand: kill -CONT {number}"
        with pytest.raises(UndoFailed, match=said), nemesis.paused("redis"):
            pass
    (entry,) = entries(world, "stopped")
    ledger = nemesis._scene.ledger
    assert undo(nemesis._scene.run_id, entry) == ""
    ledger.strike(entry)
    assert world.services["redis"].probe()


def test_a_world_that_ends_while_it_is_hurt(worlds: Worlds) -> None:
    """All end in good order and nothing is left on the ledger (the fixture looks)."""
    with worlds("child", "daemon", clock="real") as world:
        nemesis = world.hurts.nemesis
        nemesis.begin(DiskFull("target"))
        nemesis.begin(ProcessPaused("target"))
        nemesis.begin(DescriptorsExhausted("redis"))
        pids = [pid for part in world.target.parts() for pid in part.pids()]
    assert not any(seen.lives for pid in pids if (seen := look(pid)) is not None)
    assert nemesis.in_force == ()


def test_a_run_that_is_killed_while_somebody_is_hurt(tmp_path: Path) -> None:
    """The reaper ends who stands still, is limited or sits on a full disk; nobody and nothing is left."""
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "STORMPROOF_STATE": str(state)},
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run_id, folder = done.stdout.split()
    mark = f"STORMPROOF_RUN={run_id}".encode()
    assert until(lambda: not any(mark in environment(one.pid) for one in everyone()))
    assert until(lambda: not Path(folder).exists())
    assert until(lambda: not state.exists())
