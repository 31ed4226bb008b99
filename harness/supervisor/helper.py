"""The reaper, seen from the run: started first, told everything, replaced when somebody ends it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness import reaper
from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.ledger import Owner

_TRIES: Final = 3
_STALL_MS: Final = 2_000
"""A reaper that does not read for so long, with its pipe full, is no help."""


class Helper:
    """Our end of the pipe to the reaper.

    Args:
        run_id: the run.
        owner: this process.
        everything: what a new reaper must be told, line by line.
    Attributes:
        pid: of the reaper.
        replaced: how many were ended by somebody and replaced.
    Raises:
        CouldNotRun: no reaper can be started.
    """

    def __init__(self, run_id: str, owner: Owner, everything: Callable[[], Sequence[str]]) -> None:
        self._run_id = run_id
        self._owner = owner
        self._everything = everything
        self.replaced = 0
        self._process = self._started()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to the reaper; one that somebody ended is replaced, and told everything.

        Raises:
            CouldNotRun: no reaper can be started, or each is ended at once.
        """
        try:
            self._write(line)
        except BrokenPipeError:
            self._replace(line)

    def check(self) -> None:
        """Replace the reaper if it is dead, wake it if it stands still.

        Raises:
            CouldNotRun: no reaper can be started, or each is ended at once.
        """
        if self._process.poll() is None:
            self._wake()
        else:
            self._replace()

    def leave(self) -> None:
        """Let the reaper end, and wait for it; unless it was told ``done`` it undoes everything first."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        self._process.wait()

    def _replace(self, *lines: str) -> None:
        """Start another and tell it everything, and these lines if they are not part of that."""
        for _ in range(_TRIES):
            self._process.kill()  # it must not act on half of what we say
            self.leave()
            self._process = self._started()
            self.replaced += 1
            everything = self._everything()
            with suppress(BrokenPipeError):
                self._write("\n".join([*everything, *(n for n in lines if n not in everything)]))
                return
        raise CouldNotRun("the helper that cleans up after a crash is ended again and again")

    def _write(self, text: str) -> None:
        """All of the text and a line end, or BrokenPipeError."""
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        left = memoryview(f"{text}\n".encode("ascii", "replace"))
        while left:
            try:
                left = left[os.write(pipe, left) :]
            except BlockingIOError:
                self._wait_until_read(pipe)

    def _wait_until_read(self, pipe: int) -> None:
        self._wake()
        poller = select.poll()
        poller.register(pipe, select.POLLOUT)
        if not poller.poll(_STALL_MS):
            raise BrokenPipeError

    def _wake(self) -> None:
        seen = reaper.look(self.pid)
        if seen is not None and seen.state == "T":
            reaper.send(seen.pid, seen.start, signal.SIGCONT)

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                reaper.command(self._run_id, self._owner.pid, self._owner.start),
                env={reaper.REAPER_MARKER: self._run_id},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise CouldNotRun(
                f"the helper that cleans up after a crash cannot be started: {error}"
            ) from error
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        return process
