"""What the lines of a ledger say, whether read from its file or told to a reaper."""

from __future__ import annotations

import os
import stat

from harness.ledger.owner import NOBODY, Owner, unword

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = "stormproof-ledger"
VERSION = "1"
CUT = "~"
_READ_BYTES = 16 << 20


class Book:
    """What lines say: read from a ledger's file, or told to a reaper.

    Attributes:
        run_id: the run's name; empty if the first line is missing or cut.
        owner: who it belongs to; None likewise.
        controller: the run that this one is a worker of, ``-`` if none.
        entries: what is begun and not undone, the oldest first.
        undone: what others than the run undid.
        failed: what they could not undo, with the reason.
        reapers: pid and start of each reaper that it had.
        path: where the file is, as a reaper is told (``ledger PATH``).
        ended: how many processes were killed by others than the run.
        done: all is undone.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.run_id = ""
        self.owner: Owner | None = None
        self.controller = NOBODY
        self.entries: list[str] = []
        self.undone: list[str] = []
        self.failed: dict[str, str] = {}
        self.reapers: list[tuple[int, int]] = []
        self.ended = 0
        self.path: str | None = None
        self.done = False
        for line in lines:
            if not line.endswith(CUT):
                self._take(line)

    def _take(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        reader = _READERS.get(verb)
        if reader is not None:
            reader(self, rest)
        elif line:
            self.entries.append(line)

    def _header(self, rest: str) -> None:
        words = rest.split(" ")
        if len(words) == 4 and words[0] == VERSION:
            self.run_id, self.owner, self.controller = words[1], Owner.parse(words[2]), words[3]

    def _forget(self, rest: str) -> None:
        strike(self.entries, rest)

    def _undone(self, rest: str) -> None:
        strike(self.entries, rest)
        self.undone.append(rest)
        self.failed.pop(rest, None)

    def _failed(self, rest: str) -> None:
        reason, _, entry = rest.partition(" ")
        self.failed[entry] = unword(reason)

    def _reaper(self, rest: str) -> None:
        words = rest.split(" ")
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            self.reapers.append((int(words[0]), int(words[1])))

    def _ledger(self, rest: str) -> None:
        self.path = unword(rest)

    def _ended(self, rest: str) -> None:
        self.ended += int(rest) if rest.isdigit() else 0

    def _done(self, rest: str) -> None:
        self.done = self.done or not rest


_READERS = {
    FORMAT: Book._header,  # noqa: SLF001
    "forget": Book._forget,  # noqa: SLF001
    "undone": Book._undone,  # noqa: SLF001
    "failed": Book._failed,  # noqa: SLF001
    "reaper": Book._reaper,  # noqa: SLF001
    "ledger": Book._ledger,  # noqa: SLF001
    "ended": Book._ended,  # noqa: SLF001
    "done": Book._done,  # noqa: SLF001
}
"""Every line that is not an entry, by its first word."""


def strike(entries: list[str], entry: str) -> bool:
    """Take out the youngest of these; False if there is none."""
    for index in range(len(entries) - 1, -1, -1):
        if entries[index] == entry:
            del entries[index]
            return True
    return False


def lines_of(text: bytes) -> list[str]:
    """The whole lines of a text; the last one, if it was cut, is left out."""
    return text.decode("ascii", "replace").split("\n")[:-1]


def read(path: str) -> Book | None:
    """What a ledger's file says; None if there is none, or it is not this user's own."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        text = b""
        while len(text) < _READ_BYTES and (chunk := os.read(handle, _READ_BYTES)):
            text += chunk
        return Book(lines_of(text))
    except OSError:
        return None
    finally:
        os.close(handle)
