"""A run that had to clean up says so in its report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.ledger import Book, listed, read
from tests.supervisor.conftest import until

if TYPE_CHECKING:
    from pathlib import Path


def books(state: Path) -> list[Book]:
    """All ledgers, of controllers and workers."""
    return [book for path in listed(str(state)) if (book := read(path)) is not None]


def test_a_worker_and_a_reaper_were_killed(
    contracts: dict[str, Path], places: Path, repository: Path
) -> None:
    """The worker's reaper undid what it had; the controller's was replaced; the record tells both."""
    report = places / "report"
    words = ["verify", str(contracts["sum"]), "-n", "2", "--report", str(report)]
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=repository, stdout=subprocess.PIPE
    ) as run:
        busy: list[Book] = []

        def working() -> bool:
            found = [book for book in books(places / "state") if book.controller != "-"]
            busy[:] = [book for book in found if any(e.startswith("group ") for e in book.entries)]
            return bool(busy) or run.poll() is not None

        assert until(working, 60)
        worker = busy[0].owner
        (controller,) = [book for book in books(places / "state") if book.controller == "-"]
        os.kill(controller.reapers[-1][0], signal.SIGKILL)
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        said, _ = run.communicate()
    notes = json.loads((report / "run.json").read_text())["notes"]
    assert len(notes) == 2
    assert notes[0].startswith("a worker died; its reaper ended ")
    assert notes[0].endswith("removed 1 folder")
    assert notes[1] == "the reaper was ended once by somebody else, and another was started"
    for note in notes:
        assert note in said.decode()
        assert note in (report / "report.html").read_text()
