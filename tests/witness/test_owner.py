"""A witness ends with whoever started it, also when that one is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness import reaper
from harness.sweep import gather, sweep
from harness.targets.ports import connect_error
from tests.supervisor.conftest import carriers, program
from tests.witness.conftest import until

OWNER = """
import signal
from harness.script import HOLD, always
from harness.supervisor import Supervisor
from harness.witness.handle import Witness
with Supervisor() as supervisor:
    witness = Witness(supervisor, "search", {})
    witness.start()
    witness.script(always(HOLD))
    print(supervisor.run_id, supervisor.directory, witness.pid, witness.port, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("reaper_lives", [True, False])
def test_after_kill_9_of_its_owner_nothing_is_left(repository: Path, reaper_lives: bool) -> None:
    """No process, no port; no folder either, where the reaper lives. Without it the witness ends too."""
    with program(OWNER, repository) as owner:
        assert owner.stdout is not None
        run_id, folder, pid, port = owner.stdout.readline().decode().split()
        assert connect_error("127.0.0.1", int(port)) is None
        if not reaper_lives:
            (reapers,) = [one.pid for one in reaper.everyone() if is_reaper(one.pid, run_id)]
            os.kill(reapers, signal.SIGKILL)
        owner.kill()
        owner.wait(10)
        assert until(lambda: reaper.look(int(pid)) is None)
        assert until(lambda: not carriers(run_id))
        assert until(lambda: connect_error("127.0.0.1", int(port)) is not None)
        assert not reaper_lives or until(lambda: not Path(folder).exists())
        assert not reaper_lives or until(lambda: run_id not in {run.name for run in gather()})
    if not reaper_lives:
        sweep(next(run for run in gather() if run.name == run_id))
        assert not Path(folder).exists()


def is_reaper(pid: int, run_id: str) -> bool:
    """Whether a process is the reaper of that run."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return run_id.encode() in words and reaper.__file__.encode() in words
