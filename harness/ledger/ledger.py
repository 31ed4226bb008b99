"""The ledger of this process: whoever begins something enters it first."""

from __future__ import annotations

import errno
import os

from harness.ledger.book import FORMAT, VERSION, strike
from harness.ledger.owner import NOBODY, Owner, word
from harness.ledger.page import SUFFIX, Page, is_private, state_folders

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Ledger:
    """What this run has begun and not ended: told to the reaper and written down before it acts.

    Attributes:
        entries: what is begun, the oldest first.
        path: the file; None if none can be written.
        trouble: why the file cannot be trusted; empty if it can.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._page: Page | None = None
        self._pid = os.getpid()
        self.entries: list[str] = []
        self.trouble = ""

    @property
    def path(self) -> str | None:
        return None if self._page is None else self._page.path

    def open(self, run_id: str, owner: Owner, controller: str = NOBODY) -> None:
        """Begin the file, in the first folder that takes it; without one the reaper alone knows."""
        reasons = []
        for folder in state_folders():
            path = f"{folder}/{run_id}{SUFFIX}"
            self._tell(f"ledger {word(path)}")
            try:
                self._page = _begun(path, f"{FORMAT} {VERSION} {run_id} {owner} {controller}")
            except OSError as error:
                reasons.append(f"{folder}: {error.strerror or error}")
            else:
                return
        self.trouble = "; ".join(reasons) or "no folder for it is known"

    def enter(self, entry: str) -> None:
        """Write down what is about to be begun."""
        self.entries.append(entry)
        self._write(entry)
        self._tell(entry)

    def strike(self, entry: str) -> None:
        """Strike off what was undone; the youngest, if it was entered more than once."""
        if strike(self.entries, entry):
            self.note(f"forget {entry}")

    def holding(self, entry: str) -> Holding:
        """Keep an entry as long as the block runs; struck off if the block ends without an error."""
        return Holding(self, entry)

    def note(self, line: str) -> None:
        """Write and tell any other line."""
        self._write(line)
        self._tell(line)

    def _write(self, line: str) -> None:
        """To the file; a full disk must not keep the reaper from knowing."""
        if self._page is None or os.getpid() != self._pid:
            return
        try:
            self._page.write(line)
        except OSError as error:
            self.trouble = self.trouble or f"{self._page.path}: {error.strerror or error}"

    def close(self, *, keep: bool = False) -> None:
        """End the file; it is removed unless it shall be kept for what could not be undone."""
        if self._page is None:
            return
        if not keep:
            self._page.remove()
        self._page.close()
        self._page = None


class Holding:
    """An entry that stands on the ledger as long as a block runs."""

    __slots__ = ("_entry", "_ledger")

    def __init__(self, ledger: Ledger, entry: str) -> None:
        self._ledger = ledger
        self._entry = entry

    def __enter__(self) -> None:
        self._ledger.enter(self._entry)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._ledger.strike(self._entry)


def _begun(path: str, first: str) -> Page:
    folder = os.path.dirname(path)  # noqa: PTH120
    for _ in range(3):  # another run may just be removing the empty folder
        os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103
        if not is_private(folder):
            raise OSError(errno.EPERM, "it belongs to somebody else, or others may write there")
        try:
            page = Page(path, os.O_CREAT | os.O_EXCL)
        except FileNotFoundError:
            continue
        try:
            page.write(first)
        except OSError:
            page.close()
            page.remove()
            raise
        return page
    raise OSError(errno.ENOENT, "it was removed again and again")
