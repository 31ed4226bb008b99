"""The end of a run that can do it no more."""

from __future__ import annotations

import time

from harness.ledger import word
from harness.living import RUN_MARKER, end_all, family, find
from harness.undo.entry import known, undo

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.living import Seen

END_S = 10.0
_POLL_S = 0.01
_STARTING_S = 1.0


class Undoing:
    """The end of a run that can do it no more: everybody is killed, then the rest undone in reverse.

    Whoever is killed first can begin nothing anew; what follows goes from the youngest to the oldest.

    Args:
        run_id: the run; its marker finds processes that stand nowhere.
        entries: what is begun, the oldest first.
        before: see :func:`harness.living.family`; 0 where nobody watched the leaders.
        note: takes a line for the ledger after each thing that was done.
    Attributes:
        ended: pid and start of each process that was killed.
        undone: how many entries.
        failed: what could not be undone, with the reason.
    """

    def __init__(
        self, run_id: str, entries: Iterable[str], before: int, note: Callable[[str], None]
    ) -> None:
        self._run_id = run_id
        self._entries = [entry for entry in dict.fromkeys(entries) if known(entry)]
        self._before = before
        self._note = note
        self.ended: dict[int, int] = {}
        self.undone: list[str] = []
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        """Do it."""
        self._wait_for_starting()
        gone = end_all(self._everybody, END_S, self.ended)
        if self.ended:
            self._note(f"ended {len(self.ended)}")
        stuck = [] if gone else [f"process {one.pid} {one.start}" for one in self._everybody()]
        for entry in dict.fromkeys([*stuck, *reversed(self._entries)]):
            self._undo(entry)

    def _undo(self, entry: str) -> None:
        reason = undo(self._run_id, entry)
        if reason:
            self.failed[entry] = reason
            self._note(f"failed {word(reason)} {entry}")
        else:
            self.undone.append(entry)
            self._note(f"undone {entry}")

    def _everybody(self) -> list[Seen]:
        """Who is on the list or carries the marker, dead ones left out."""
        rows = [entry.split(" ") for entry in self._entries]
        leaders = {int(row[1]): int(row[2]) for row in rows if row[0] == "group"}
        single = [find(int(row[1]), int(row[2])) for row in rows if row[0] == "process"]
        found = family(leaders, [f"{RUN_MARKER}={self._run_id}"], self._before)
        return found + [one for one in single if one is not None]

    def _wait_for_starting(self) -> None:
        """Who was forked when the run died gets its marker only with its program: wait for that."""
        numbers = [e.split(" ")[1] for e in self._entries if e.startswith("starting ")]
        until = time.monotonic() + _STARTING_S
        while numbers and time.monotonic() < until:
            markers = [f"{RUN_MARKER}={self._run_id}", f"STORMPROOF_PROCESS={numbers[-1]}"]
            if family({}, markers, before=0):
                return
            time.sleep(_POLL_S)
