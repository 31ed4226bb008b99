"""Runs that died, together with their reapers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import reaper
from harness.sweep import Run, gather
from tests.supervisor.conftest import PYTHON, WAIT, carriers, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWNER = """
import json, os, signal, sys
from pathlib import Path
from tests.supervisor.conftest import start_all
from harness.supervisor import Supervisor
programs, entries, controller = json.loads(sys.argv[1])
supervisor = Supervisor(controller)
processes = start_all(supervisor, programs)
for entry in entries:
    supervisor.ledger.enter(entry)
print(json.dumps({
    "run_id": supervisor.run_id, "folder": str(supervisor.directory),
    "ledger": supervisor.ledger.path, "reaper": supervisor._helper.pid,
}), flush=True)
sys.stdin.read()
supervisor.close()
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """A run in a process of its own."""

    process: subprocess.Popen[bytes]
    run_id: str
    folder: Path
    ledger: Path
    reaper: int

    def kill(self, *, with_reaper: bool = True) -> None:
        """SIGKILL for the reaper first, then for the owner."""
        if with_reaper:
            os.kill(self.reaper, signal.SIGKILL)
            assert until(lambda: (seen := reaper.look(self.reaper)) is None or not seen.lives)
        self.process.kill()
        self.process.wait(10)

    def stop_reaper(self) -> None:
        """SIGSTOP for it."""
        os.kill(self.reaper, signal.SIGSTOP)
        assert until(lambda: state(self.reaper) == "T")

    def found(self) -> Run:
        """What a sweep finds of it."""
        return next(run for run in gather() if run.name == self.run_id)

    def is_found(self) -> bool:
        """Whether there is anything of it."""
        return any(run.name == self.run_id for run in gather())

    def gone(self) -> bool:
        """Whether nothing of it is left: no process, no folder, no ledger."""
        files = self.folder.exists() or self.ledger.exists()
        return not files and not carriers(self.run_id)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Ledgers and private folders of runs in this test are in folders of its own, empty in the end."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("STORMPROOF_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    yield tmp_path
    assert not (tmp_path / "state").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def begin(repository: Path) -> Iterator[Callable[..., Owned]]:
    """Begin a run that owns some programs and has these entries on its ledger."""
    with ExitStack() as stack:

        def begun(
            *programs: str,
            entries: tuple[str, ...] = (),
            controller: str = "-",
            before: tuple[str, ...] = (),
        ) -> Owned:
            words = json.dumps([programs, entries, controller])
            process = stack.enter_context(
                subprocess.Popen(
                    [*before, sys.executable, "-c", OWNER, words],
                    cwd=repository,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            said: dict[str, Any] = json.loads(process.stdout.readline())
            folder, ledger = Path(said["folder"]), Path(said["ledger"])
            return Owned(process, said["run_id"], folder, ledger, said["reaper"])

        yield begun


@contextmanager
def stranger() -> Iterator[tuple[int, int]]:
    """Pid and start of a process that belongs to nobody here; killed at the end."""
    code = "print(flush=True)\n" + WAIT
    with subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = reaper.look(process.pid)
        assert seen is not None
        try:
            yield seen.pid, seen.start
        finally:
            process.kill()


def state(pid: int) -> str:
    """How a process is: R, S, T, or empty if it is gone."""
    seen = reaper.look(pid)
    return "" if seen is None or not seen.lives else seen.state
