"""How each kind of entry on a ledger is undone: what a dead run left is put back as it was.

To add a kind: two functions and a line in ``KINDS`` (:mod:`harness.undo.kinds`). An undo is told what
it needs by the entry alone, may be repeated, and leaves alone whatever is not what was written down
(another process of that number, another folder of that name). Lean, as the reaper imports it.
"""

from harness.undo.entry import (
    directory_entry,
    is_there,
    known,
    process_entry,
    remove,
    told,
    undo,
)
from harness.undo.kinds import KINDS, OF_THE_BOOT
from harness.undo.undoing import Undoing

__all__ = [
    "KINDS",
    "OF_THE_BOOT",
    "Undoing",
    "directory_entry",
    "is_there",
    "known",
    "process_entry",
    "remove",
    "told",
    "undo",
]
