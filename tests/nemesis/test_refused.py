"""What a system or a subject refuses is told with what would settle it, before anything is done."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.faults.process import (
    DescriptorsExhausted,
    DiskFull,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.nemesis import Refused, small_disk, support
from harness.runner.hurts import Hurts
from harness.runner.journal import Journal
from harness.runner.times import PlanEnded, RealTime
from harness.runner.topology import Topology
from harness.supervisor import Supervisor
from tests.first_hour.test_processes import loaded, processes
from tests.nemesis.conftest import started

LOOK = "import os, sys; print(sorted(os.listdir()), os.getuid(), os.statvfs('.').f_blocks * 4096)"


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """What the system allows is asked again, before and after."""
    asked = (support.processes, support.limits, support.small_disks)
    for one in asked:
        one.cache_clear()
    yield
    for one in asked:
        one.cache_clear()


def test_a_system_without_user_namespaces(
    asked_anew: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk cannot be filled there, and the text says which settings decide that."""
    helper = tmp_path / "small_disk.py"
    helper.write_text(
        "import sys\nsys.exit('a user namespace is refused: Operation not permitted')\n"
    )
    monkeypatch.setattr(
        support, "prefix", lambda folder, size: (sys.executable, str(helper), folder, str(size))
    )
    said = support.refusal(DiskFull("target"))
    assert said is not None
    assert "a user namespace is refused" in said
    assert "kernel.unprivileged_userns_clone" in said
    assert support.refusal(ProcessPaused("target")) is None


def test_a_system_without_prlimit(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS is; killing works there all the same."""
    monkeypatch.delattr(resource, "prlimit")
    for fault in (DescriptorsExhausted("target"), MemoryLimited("target")):
        assert "a Linux machine would settle it" in (support.refusal(fault) or "")
    monkeypatch.setattr(support, "look", lambda pid: None)
    support.processes.cache_clear()
    assert "this system has no /proc" in (support.refusal(ProcessPaused("target")) or "")
    assert support.refusal(ProcessKilled("target")) is None


def test_a_sandbox_that_refuses_limits(asked_anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the reason is the kernel's own."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "prlimit", refuse)
    assert "Operation not permitted" in (support.refusal(MemoryLimited("target")) or "")


def test_a_service_of_several_processes_has_no_one_disk(tmp_path: Path) -> None:
    """Each of them would see another; every other fault befalls all of them."""
    with Supervisor() as supervisor:
        topology = Topology(loaded(tmp_path, processes()), supervisor, ())
        journal = Journal(lambda: 0)
        hurts = Hurts(topology, supervisor, journal, RealTime, lambda: None)
        topology.start()
        try:
            with pytest.raises(Refused, match="several processes"):
                hurts.nemesis.begin(DiskFull("target"))
            with hurts.nemesis.paused("target") as injected:
                assert injected.effect.count == 3
        finally:
            topology.end()


def test_a_service_that_runs_already_is_not_ours(tmp_path: Path) -> None:
    """Nobody hurts what he did not start."""
    with started(tmp_path, clock="real") as world:
        port = world.target.port
        text = (
            f"contract: 1\nservice: small\ntarget: {{url: 'http://127.0.0.1:{port}'}}\n"
            "dependencies: {redis: {kind: valkey}}\noperations: {get: {call: GET /}}\n"
            "promises: [{id: p, kind: rate_limit, operation: get, key: ip, limit: 3/2s}]\n"
        )
        (tmp_path / "attached").mkdir()
        with Supervisor() as supervisor:
            topology = Topology(loaded(tmp_path / "attached", text), supervisor, ())
            hurts = Hurts(topology, supervisor, Journal(lambda: 0), RealTime, lambda: None)
            topology.start()
            for subject, said in (("target", "not ours to hurt"), ("redis", "there are target")):
                with pytest.raises(Refused, match=said):
                    hurts.nemesis.begin(ProcessPaused(subject))
            with pytest.raises(PlanEnded):
                hurts.cut("redis")


def test_a_small_disk(tmp_path: Path) -> None:
    """What the folder held is on it, also for who stands in it; nobody else sees it or becomes another."""
    folder = tmp_path / "with blanks"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "file").write_text("x")
    (folder / "link").symlink_to("in/file")
    command = [
        *small_disk.prefix(str(folder), 1 << 20),
        sys.executable,
        "-c",
        f"{LOOK}; open('new', 'w').close(); print(open('link').read())",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    names, user, size = done.stdout.splitlines()[0].rsplit(" ", 2)
    assert names == "['in', 'link']"
    assert int(user) == os.getuid()
    assert int(size) == 1 << 20
    assert done.stdout.splitlines()[1] == "x"
    assert sorted(each.name for each in folder.iterdir()) == ["in", "link"]


@pytest.mark.parametrize(
    ("folder", "size", "said"), [("/nowhere", 1 << 20, "No such file"), (None, 4096, "No space")]
)
def test_a_small_disk_that_cannot_be(
    tmp_path: Path, folder: str | None, size: int, said: str
) -> None:
    """The folder is missing, or holds more than the disk: told, and the program is not started."""
    (tmp_path / "large").write_bytes(bytes(100_000))
    command = [*small_disk.prefix(folder or str(tmp_path), size), "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert said in done.stderr
