"""Undoes what is left of dead runs."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.ledger import Page, discard
from harness.living import send
from harness.sweep.gather import Run, ledgers
from harness.sweep.judge import Standing
from harness.undo import Undoing, told

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME_LENGTH: Final = 60
_PATIENCE_S: Final = 12.0
"""Longer than a reaper tries to end processes."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of one dead run.

    Attributes:
        ended: how many processes were killed.
        undone: what was undone, in words for people.
        failed: why something could not be undone, and what to do.
    """

    ended: int
    undone: tuple[str, ...]
    failed: tuple[str, ...]


def preview(run: Run) -> tuple[str, ...]:
    """What :func:`sweep` would undo, in words for people."""
    ledger = [] if run.ledger is None else [f"file {run.ledger}: removed"]
    return (*[_words(entry) for entry in reversed(run.entries())], *ledger)


def _words(entry: str) -> str:
    """An entry for people; a process with its name."""
    said = told(entry)
    if said.startswith("process "):
        pid = said.split()[1].rstrip(",:")
        return said.replace(pid, f"{pid} ({_name(pid)})", 1)
    return said


def _name(pid: str) -> str:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return "?"
    name = " ".join(text.split("\0")).strip()
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "\u2026"


def sweep(run: Run) -> Swept:
    """Undo everything of a dead run; its ledger goes last, and stays if something fails.

    Raises:
        ValueError: the run is not known to be dead.
    """
    if run.standing is not Standing.DEAD:
        raise ValueError(f"run {run.name} is not dead: {run.reason}")
    entries = run.entries()
    words = {entry: _words(entry) for entry in entries}
    undoing = Undoing(run.name, entries, before=0, note=_noting(run.ledger))
    undoing.run()
    done = [words[entry] for entry in undoing.undone if entry in words]
    if run.ledger is not None and not undoing.failed:
        discard(run.ledger)
        done.append(f"file {run.ledger}: removed")
    return Swept(len(undoing.ended), tuple(done), tuple(undoing.failed.values()))


def _noting(path: str | None) -> Callable[[str], None]:
    try:
        return Page(path or "").try_write
    except OSError:
        return lambda _: None


def wait_for_reaper(run: Run, patience_s: float = _PATIENCE_S) -> bool:
    """Wake the reapers of a run if they stand still, and wait for their end; False if one stays."""
    for reaper in run.reapers:
        send(reaper.pid, reaper.start, signal.SIGCONT)
        try:
            handle = os.pidfd_open(reaper.pid)
        except OSError:
            continue
        try:
            poller = select.poll()
            poller.register(handle, select.POLLIN)
            if not poller.poll(patience_s * 1_000):
                return False
        finally:
            os.close(handle)
    return True


def overdue() -> list[Run]:
    """Dead runs that left a ledger behind: nobody will clean up after them but a sweep."""
    return [run for run in ledgers() if run.standing is Standing.DEAD]
