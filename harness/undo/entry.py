"""One entry of a ledger: what it means, and undoing it."""

from __future__ import annotations

import os
import time

from harness.ledger import word
from harness.living import look
from harness.undo.kinds import KINDS, Kind

_TRIES = 3
_PAUSE_S = 0.01


def known(entry: str) -> Kind | None:
    """The kind of an entry; None if it makes no sense."""
    name, *words = entry.split(" ")
    kind = KINDS.get(name)
    return kind if kind is not None and kind.fits(words) else None


def told(entry: str) -> str:
    """An entry for people: what it is, and how it is undone."""
    kind = known(entry)
    return entry if kind is None else f"{kind.told(entry.split(' ')[1:])}: {kind.undone}"


def is_there(run_id: str, entry: str) -> bool:
    """Whether there is anything to undo."""
    kind = known(entry)
    return kind is not None and kind.there(run_id, entry.split(" ")[1:])


def directory_entry(path: str) -> str:
    """The entry of an existing folder."""
    return f"directory {os.lstat(path).st_ino} {word(path)}"


def process_entry(kind: str, pid: int) -> str | None:
    """The entry of a living process; None if it is gone, or the system has no ``/proc``."""
    seen = look(pid)
    return None if seen is None else f"{kind} {pid} {seen.start}"


def undo(run_id: str, entry: str) -> str:
    """Undo one entry, trying again if it fails: why it could not be undone, empty if it is."""
    kind = known(entry)
    reason = ""
    for attempt in range(_TRIES if kind is not None else 0):
        if attempt:
            time.sleep(_PAUSE_S)
        reason = kind.undo(run_id, entry.split(" ")[1:]) if kind is not None else ""
        if not reason:
            break
    return reason


def remove(path: str, inode: int | str, run_id: str = "") -> str:
    """Remove a folder of ours with all it holds: why it is still there, empty if it is not.

    One that was replaced meanwhile is left alone.
    """
    return undo(run_id, f"directory {inode} {word(path)}")
