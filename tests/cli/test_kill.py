"""Whatever ends a run, nothing of it is left: processes, folders, listening ports."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PATIENCE_S = 20.0


def marked(folder: Path) -> Iterator[psutil.Process]:
    """Living processes that a run with this TMPDIR has started, itself included."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder) and (
                process.status() != psutil.STATUS_ZOMBIE
            ):
                yield process
        except (psutil.Error, OSError):
            continue


def gone(folder: Path) -> bool:
    """Whether the run has left neither a process nor a file in its TMPDIR."""
    return not list(marked(folder)) and not list(folder.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", range(2))
def test_sigkill_leaves_nothing(
    contracts: dict[str, Path], tmp_path: Path, workers: int, number: int
) -> None:
    """The controller is killed at a drawn moment; all that it started ends by itself."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    delay_s = random.Random(10 * workers + number).uniform(0.3, 3.0)
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness",
            "verify",
            *map(str, contracts.values()),
            "-n",
            str(workers),
            "--report",
            str(tmp_path / "report"),
        ],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(delay_s)
    run.send_signal(signal.SIGKILL)
    run.wait()
    until = time.monotonic() + PATIENCE_S
    while not gone(folder) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [process.cmdline() for process in marked(folder)]
    assert not list(folder.iterdir())
