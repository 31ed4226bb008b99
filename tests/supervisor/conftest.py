"""Programs that do not want to end, and somebody who owns them."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from harness import reaper
from harness.supervisor import Process, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PYTHON = [sys.executable, "-S", "-E", "-I", "-c"]
READY = "import os; open(os.environ['TMPDIR'] + '/' + os.environ['NAME'], 'w').close()\n"
WAIT = "import signal\nwhile True: signal.pause()\n"
IGNORE = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"
PROGRAMS = {
    "plain": READY + WAIT,
    "deaf": IGNORE + READY + WAIT,
    "stopped": READY + "os.kill(os.getpid(), 19)\n" + WAIT,
    "daemon": "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    "os.closerange(0, 99)\n" + IGNORE + READY + WAIT,
    "parent": IGNORE
    + "import os\nfor n in range(3):\n  if not os.fork():\n    if n: os.setpgid(0, 0)\n"
    "    if n > 1: os.setsid() if os.getpgid(0) != os.getpid() else None\n    break\n"
    + READY
    + WAIT,
}
EVERYBODY = len(PROGRAMS) + 3  # processes that are there when all programs are up
OWNER = """
import sys, signal
from tests.supervisor.conftest import PROGRAMS, start_all
from harness.supervisor import Supervisor
with Supervisor() as supervisor:
    start_all(supervisor, PROGRAMS)
    print(supervisor.run_id, supervisor.directory, flush=True)
    signal.pause()
"""


def until(reached: Callable[[], bool], patience_s: float = 10) -> bool:
    """Look again and again, for so long at most."""
    end = time.monotonic() + patience_s
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def program(code: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process in a folder; killed at the end if it still lives."""
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, **quiet) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def start_all(supervisor: Supervisor, names: Any) -> list[Process]:
    """Start some of the programs, and wait until each is what it wants to be."""
    env = supervisor.environment()
    started = [
        supervisor.start([*PYTHON, PROGRAMS[name]], name=name, env=env | {"NAME": name})
        for name in names
    ]
    ready = [supervisor.directory / "tmp" / name for name in names]
    assert until(lambda: all(path.exists() for path in ready))
    return started


def carriers(run_id: str) -> list[int]:
    """Living processes with the run's marker."""
    return [one.pid for one in reaper.family({}, [f"{reaper.RUN_MARKER}={run_id}"], before=0)]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, closed afterwards."""
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to nobody here."""
    with subprocess.Popen(
        [*PYTHON, "print(flush=True)\n" + WAIT], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
