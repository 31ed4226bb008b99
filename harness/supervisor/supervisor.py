"""Starts processes of ours so that each of them ends, on every way out."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import reaper
from harness.errors import CouldNotRun
from harness.ledger import (
    NOBODY,
    OWNER_MARKER,
    PREFIX,
    Ledger,
    Owner,
    mark,
    temporary_folders,
    word,
)
from harness.supervisor.helper import Helper
from harness.supervisor.process import Process
from harness.undo import Undoing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

CLOSE_GRACE_S: Final = 1.5  # 2 s after Ctrl-C nothing shall be left
PROCESS_MARKER: Final = "STORMPROOF_PROCESS"
_ENDS_ITSELF: Final = ("process ", "starting ")
"""Entries that mean nothing when the owner itself cleans up: workers end alone, no start is under way."""


class Supervisor:
    """Owns a private directory and the processes that it started; ends and removes all of them.

    A context manager, one for each process of ours that owns a topology.

    Args:
        controller: the run that this one is a worker of.
    Attributes:
        run_id: names this owner; every process of it carries ``STORMPROOF_RUN=<run_id>``.
        directory: private (0700), in the system's temporary folder, removed at the end.
        ledger: what is begun and not undone; whoever changes anything enters it there first.
        notes: what had to be cleaned up, or could not be, in words for people.
    Raises:
        CouldNotRun: no private directory or no reaper can be had.
    """

    def __init__(self, controller: str = NOBODY) -> None:
        self.run_id: Final = secrets.token_hex(8)
        self.notes: Final[list[str]] = []
        self._owner = Owner.me()
        self._processes: list[Process] = []
        self._count = 0
        self._closed = False
        self.ledger: Final = Ledger(self._tell)
        self._helper = Helper(self.run_id, self._owner, self._everything)
        try:
            self.ledger.open(self.run_id, self._owner, controller)
            self.ledger.note(self._reaper_line())
            self.directory: Final = Path(self._private_directory())
        except BaseException:
            self._tell("done")
            self._helper.leave()
            self.ledger.close()
            raise
        (self.directory / "tmp").mkdir()

    def _private_directory(self) -> str:
        """Make it, in the first place that takes it; it stands on the ledger before it is made."""
        reasons = []
        for place in temporary_folders():
            path = f"{place}/{PREFIX}{self.run_id}"
            with self.ledger.holding(f"directory 0 {word(path)}"):
                try:
                    Path(path).mkdir(0o700)
                except OSError as error:
                    reasons.append(f"{place}: {error.strerror or error}")
                    continue
                self.ledger.enter(reaper.directory_entry(path))
            mark(path, self._owner)
            return path
        raise CouldNotRun(
            f"no private directory can be made ({'; '.join(reasons)}): set TMPDIR to a folder "
            "that can be written"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def environment(self) -> dict[str, str]:
        """All that a process of ours is given of our environment, for others to add to.

        PATH and HOME as they are, a UTF-8 locale, and a private TMPDIR that is removed at the end.
        """
        locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(Path("~").expanduser()),
            "LANG": locale,
            "LC_ALL": locale,
            "TMPDIR": str(self.directory / "tmp"),
        }

    def fresh_directory(self, name: str) -> Path:
        """A new, empty, private directory whose name begins with ``name``."""
        return Path(
            tempfile.mkdtemp(prefix=f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)}-", dir=self.directory)
        )

    def start(
        self, command: Sequence[str], *, name: str, env: Mapping[str, str], cwd: Path | None = None
    ) -> Process:
        """Start a program in a session of its own.

        Its standard input is empty; output and errors go to a private file, of which the last
        64 KiB are kept. A file, since it can never make the program wait for us, as a pipe would.

        Args:
            command: program and arguments; looked up in ``env``'s PATH.
            name: what people call it, in messages.
            env: its whole environment, to which only our two markers are added.
            cwd: where it starts, the private directory if None.
        Raises:
            CouldNotRun: it cannot be started, with the reason.
        """
        self._count += 1
        marks = self._marks()
        log = self.directory / f"{self._count}.out"
        handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with self.ledger.holding(f"starting {self._count}"):
            try:
                popen = subprocess.Popen(
                    command,
                    env={**env, **marks, OWNER_MARKER: str(self._owner)},
                    cwd=self.directory if cwd is None else cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=handle,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except (OSError, ValueError, IndexError) as error:
                os.close(handle)
                log.unlink()
                failed: Exception | None = error
            else:
                failed = None
                entry = reaper.process_entry("group", popen.pid)
                if entry is not None:
                    self.ledger.enter(entry)
        if failed is not None:
            raise CouldNotRun(_why_not(name, command, cwd, env, failed)) from failed
        process = Process(popen, name, handle, [f"{key}={value}" for key, value in marks.items()])
        process.on_end = lambda: self._ended(process, log, entry)
        self._processes.append(process)
        return process

    def _marks(self) -> dict[str, str]:
        return {reaper.RUN_MARKER: self.run_id, PROCESS_MARKER: str(self._count)}

    def watch_pid(self, pid: int) -> None:
        """Let the reaper kill this process (a worker of ours) when we die; one that is gone is ignored."""
        entry = reaper.process_entry("process", pid)
        if entry is not None:
            self.ledger.enter(entry)

    def check(self) -> None:
        """See that the reaper is there: wake it, or replace it if somebody ended it; costs no time.

        Raises:
            CouldNotRun: no reaper can be started.
        """
        if not self._closed and os.getpid() == self._owner.pid:
            self._helper.check()

    def close(self, grace_s: float = CLOSE_GRACE_S) -> None:
        """End every process, the youngest first, undo what else is on the ledger; idempotent.

        All together have ``grace_s`` to obey SIGTERM.
        In a forked copy of the owner it does nothing: the processes are not the copy's.

        Raises:
            CouldNotRun: something cannot be undone; it stays on the ledger.
        """
        if self._closed or os.getpid() != self._owner.pid:
            return
        until = time.monotonic() + grace_s
        stuck = [error for process in self._processes[::-1] if (error := _stopped(process, until))]
        for entry in self.ledger.entries[:]:
            if entry.startswith(_ENDS_ITSELF):
                self.ledger.strike(entry)
        undoing = Undoing(self.run_id, self.ledger.entries, reaper.ticks_now(), self.ledger.note)
        undoing.run()
        self._closed = True
        self.notes.extend(_told(self._helper.replaced, undoing, self.ledger.trouble))
        self._tell("done")
        self._helper.leave()
        path = self.ledger.path
        self.ledger.close(keep=bool(undoing.failed))
        if path is not None:
            reaper.discard_workers(path, self.run_id)
        if stuck:
            raise stuck[0]
        if undoing.failed:
            raise CouldNotRun("; ".join(undoing.failed.values()))

    def _ended(self, process: Process, log: Path, entry: str | None) -> None:
        log.unlink(missing_ok=True)
        self._processes.remove(process)
        if process.strays:
            self.notes.append(
                f"{process.name} had moved {_processes(process.strays)} to sessions of their own, "
                "deaf to SIGTERM; they were killed"
            )
        if entry is not None:
            self.ledger.strike(entry)

    def _everything(self) -> list[str]:
        """What a new reaper must know."""
        path = self.ledger.path
        where = [] if path is None else [f"ledger {word(path)}"]
        return [*where, *self.ledger.entries]

    def _tell(self, line: str) -> None:
        if os.getpid() == self._owner.pid:
            before = self._helper.replaced
            self._helper.tell(line)
            if self._helper.replaced > before:
                self.ledger.note(self._reaper_line())

    def _reaper_line(self) -> str:
        seen = reaper.look(self._helper.pid)
        return f"reaper {self._helper.pid} {0 if seen is None else seen.start}"


def _told(replaced: int, undoing: Undoing, trouble: str) -> Iterator[str]:
    """What people should know of a clean-up."""
    if replaced:
        yield f"the reaper was ended {_times(replaced)} by somebody else, and another was started"
    if undoing.ended:
        yield f"{_processes(len(undoing.ended))} that nobody knew of carried our mark; they were killed"
    if trouble:
        yield f"the ledger could not be written ({trouble}): only the reaper would have cleaned up"
    for reason in undoing.failed.values():
        yield f"not undone: {reason}; stormproof sweep tries again"


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _stopped(process: Process, until: float) -> CouldNotRun | None:
    try:
        process.stop(max(0.0, until - time.monotonic()))
    except CouldNotRun as error:
        return error
    return None


def _why_not(
    name: str, command: Sequence[str], cwd: Path | None, env: Mapping[str, str], error: Exception
) -> str:
    program = command[0] if command else ""
    if cwd is not None and not cwd.is_dir():
        return f"{name} cannot be started: its directory {cwd} does not exist"
    if isinstance(error, FileNotFoundError):
        return f"{name} cannot be started: no program {program!r} was found (PATH={env.get('PATH', '')})"
    return f"{name} cannot be started: {program!r}: {error}"
