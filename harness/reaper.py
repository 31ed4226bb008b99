"""Ends what a run started when the run itself can do it no more, however it died.

Started first, as a process of its own that imports the standard library and a few lean modules of
ours, so that it is up in a few milliseconds. It reads the lines of a ledger (:mod:`harness.ledger`)
from its standard input. When the input ends, or the owner dies while somebody else still holds the
other end, everything that stands there, or in the ledger's file, is undone (:mod:`harness.undo`).
Two more lines it is told:

    ledger PATH             where the file is or is about to be
    done                    the owner cleaned up by itself: end, and touch nothing

A process is killed if it is registered, belongs to the group, session or descendants of a registered
group, or carries the run's marker in its environment, wherever it moved.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from harness import ledger
from harness.living import (
    RUN_MARKER,
    Seen,
    carries,
    end_all,
    everyone,
    family,
    look,
    send,
    ticks_now,
)
from harness.undo import Undoing, directory_entry, process_entry, remove

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "REAPER_MARKER",
    "RUN_MARKER",
    "Seen",
    "carries",
    "command",
    "directory_entry",
    "discard_workers",
    "end_all",
    "everyone",
    "family",
    "look",
    "main",
    "process_entry",
    "remove",
    "send",
    "ticks_now",
]

REAPER_MARKER = "STORMPROOF_REAPER"
_READ_BYTES = 65_536
_START = "import sys; sys.path.append(sys.argv[2]); from harness.reaper import main; main(sys.argv)"


def command(run_id: str, pid: int, start: int) -> list[str]:
    """How a reaper is started: without site packages and the user's environment, in milliseconds."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return [
        *(sys.executable, "-S", "-E", "-I", "-c", _START),
        *(__file__, ours, run_id, str(pid), str(start)),
    ]


def _listen(owner: int, owner_start: int) -> bytes:
    """Everything that the owner wrote until it closed its end or died."""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    try:
        handle = os.pidfd_open(owner)
    except (AttributeError, OSError):
        pass  # no such call here, or dead already: its end of the pipe says so as well
    else:
        seen = look(owner)
        if seen is not None and seen.start == owner_start:
            poller.register(handle, select.POLLIN)
    told = bytearray()
    while True:
        ready = [number for number, _ in poller.poll()]
        if 0 not in ready:
            break
        chunk = os.read(0, _READ_BYTES)
        if not chunk:
            break
        told += chunk
    return bytes(told)


def _clean_up(run_id: str, told: ledger.Book, before: int) -> None:
    """Undo what was told or stands in the file, and remove the file unless somebody must read it."""
    written = None if told.path is None else ledger.read(told.path)
    only_written = [] if written is None else [e for e in written.entries if e not in told.entries]
    entries = [*told.entries, *only_written]
    if written is not None and written.owner is not None:
        entries = [*_marked(entries, str(written.owner)), *entries]
    note = _noting(told.path)
    undoing = Undoing(run_id, entries, before, note)
    undoing.run()
    if told.path is None:
        return
    if not undoing.failed:
        note("done")
        if written is None or not _controller_lives(told.path, written.controller):
            ledger.discard(told.path)
    discard_workers(told.path, run_id)


def _noting(path: str | None) -> Callable[[str], None]:
    """What takes a line for the ledger; nowhere, if there is none or the disk is full."""
    try:
        return ledger.Page(path or "").try_write
    except OSError:
        return lambda _: None


def _marked(entries: list[str], owner: str) -> list[str]:
    """Entries of the owner's folders that stand beside those on the ledger, and not on it."""
    rows = [entry.split(" ") for entry in entries]
    paths = {ledger.unword(row[2]) for row in rows if row[0] == "directory" and len(row) == 3}
    beside = ledger.folders({os.path.dirname(path) for path in paths})  # noqa: PTH120
    ours = [one for one in beside if str(one.owner) == owner and one.path not in paths]
    return [f"directory {one.inode} {ledger.word(one.path)}" for one in ours]


def _controller_lives(path: str, controller: str) -> bool:
    """Whether somebody is still there who will tell of this worker's end, and remove its ledger."""
    if controller == ledger.NOBODY:
        return False
    found = ledger.read(f"{os.path.dirname(path)}/{controller}{ledger.SUFFIX}")  # noqa: PTH120
    return found is not None and found.owner is not None and found.owner.lives()


def discard_workers(path: str, run_id: str) -> None:
    """Ledgers that workers' reapers left for this run: nobody will read them any more.

    To be done once the run's own is gone, which is the sign by which later ones remove theirs.
    """
    for other in ledger.listed(os.path.dirname(path)):  # noqa: PTH120
        found = ledger.read(other)
        if found is not None and found.controller == run_id and found.done:
            ledger.discard(other)


def main(arguments: list[str]) -> None:
    """Wait for the owner's end; then clean up unless it said that it is done.

    Args:
        arguments: of the process: ``-c``, this file, the folder of the package, the run, its owner's
            pid and start.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    run_id, owner, start = arguments[3], int(arguments[4]), int(arguments[5])
    told = ledger.Book(ledger.lines_of(_listen(owner, start)))
    if not told.done:
        _clean_up(run_id, told, ticks_now())
