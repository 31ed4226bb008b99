"""The lines of one fault on the ledger: written before it acts, undone in reverse, struck off after."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Final

from harness.errors import HarnessError
from harness.ledger import unword
from harness.nemesis.effect import UndoFailed
from harness.undo import undo

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ledger import Ledger

_TRIES: Final = 3
_PAUSE_S: Final = 0.02


class Written:
    """What one fault has done that must be undone.

    Args:
        ledger: where it is written down.
        run_id: the run's name.
    """

    def __init__(self, ledger: Ledger, run_id: str) -> None:
        self._ledger = ledger
        self._entries: list[str] = []
        self.run_id: Final = run_id

    def enter(self, entry: str) -> None:
        """Write down what is about to be done; once for each entry."""
        if entry not in self._entries:
            self._ledger.enter(entry)
            self._entries.append(entry)

    def undo(self) -> None:
        """Undo all of it, the youngest first, as the reaper would; what fails is tried again.

        Raises:
            UndoFailed: something stays; its entry stays on the ledger too.
        """
        failed = {entry: why for entry in reversed(self._entries) if (why := self._undo(entry))}
        if failed:
            raise UndoFailed(
                "; ".join(f"{why}. By hand: {by_hand(one)}" for one, why in failed.items())
            )

    def strike(self) -> None:
        """Its subject is gone, and with it whatever there was to undo."""
        for entry in reversed(self._entries):
            self._ledger.strike(entry)
        self._entries.clear()

    def _undo(self, entry: str) -> str:
        reason = undo(self.run_id, entry)
        if not reason:
            self._ledger.strike(entry)
            self._entries.remove(entry)
        return reason


def again(act: Callable[[], None], said: str, hand: str) -> None:
    """Do something that undoes a fault; try it again, twice, where it fails.

    Args:
        act: may be repeated.
        said: what stays as it is if it fails.
        hand: what a person would do then.
    Raises:
        UndoFailed: it failed each time.
    """
    for left in reversed(range(_TRIES)):
        try:
            act()
        except (HarnessError, OSError) as error:
            if not left:
                output = getattr(error, "output", "")
                reason = getattr(error, "reason", str(error))
                raise UndoFailed(f"{said}: {reason}. By hand: {hand}", output) from error
            time.sleep(_PAUSE_S)
        else:
            return


def by_hand(entry: str) -> str:
    """What a person types to undo an entry of the ledger.

    >>> by_hand("stopped 71 902"), by_hand("limit 71 902 7 64 128")
    ('kill -CONT 71', 'prlimit --pid 71 --nofile=64:128')
    >>> by_hand("file 0 /a\\\\x20b")
    "rm '/a b'"
    """
    kind, *words = entry.split(" ")
    match kind:
        case "stopped":
            return f"kill -CONT {words[0]}"
        case "limit":
            pid, _, which, soft, hard = words
            name = _OPTIONS.get(int(which), which)
            return f"prlimit --pid {pid} --{name}={_limit(soft)}:{_limit(hard)}"
        case "file":
            return f"rm {shlex.quote(unword(words[1]))}"
        case _:
            return f"see to `{entry}`"


_OPTIONS: Final = {7: "nofile", 9: "as"}
"""What ``prlimit`` calls the limits that we set, by their number on Linux."""


def _limit(said: str) -> str:
    return "unlimited" if said == "-1" else said
