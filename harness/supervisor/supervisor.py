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
from harness.supervisor.process import GRACE_S, Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

CLOSE_GRACE_S: Final = 1.5  # 2 s after Ctrl-C nothing shall be left
PROCESS_MARKER: Final = "STORMPROOF_PROCESS"


class Supervisor:
    """Owns a private directory and the processes that it started; ends and removes all of them.

    A context manager, one for each process of ours that owns a topology.

    Attributes:
        run_id: names this owner; every process of it carries ``STORMPROOF_RUN=<run_id>``.
        directory: private (0700), in the system's temporary folder, removed at the end.
    Raises:
        CouldNotRun: no private directory or no reaper can be had.
    """

    def __init__(self) -> None:
        self.run_id: Final = secrets.token_hex(8)
        self._owner = os.getpid()
        self._entries: dict[str, None] = {}
        self._processes: list[Process] = []
        self._count = 0
        self._closed = False
        self._reaper = self._start_reaper()
        try:
            self.directory: Final = Path(tempfile.mkdtemp(prefix=f"stormproof-{self.run_id}-"))
        except OSError as error:
            self._leave_reaper()
            raise CouldNotRun(
                f"no private directory can be made ({error}): set TMPDIR to one"
            ) from error
        self._inode = self.directory.lstat().st_ino
        self._register(reaper.directory_entry(str(self.directory)))
        (self.directory / "tmp").mkdir()

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
        markers = [f"{reaper.RUN_MARKER}={self.run_id}", f"{PROCESS_MARKER}={self._count}"]
        log = self.directory / f"{self._count}.out"
        handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            popen = subprocess.Popen(
                command,
                env={**env, **dict(marker.split("=", 1) for marker in markers)},
                cwd=self.directory if cwd is None else cwd,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            os.close(handle)
            raise CouldNotRun(_why_not(name, command, cwd, env, error)) from error
        entry = reaper.process_entry("group", popen.pid)
        if entry is not None:
            self._register(entry)
        process = Process(popen, name, handle, markers)
        process.on_end = lambda: self._ended(process, log, entry)
        self._processes.append(process)
        return process

    def watch_pid(self, pid: int) -> None:
        """Let the reaper kill this process (a worker of ours) when we die; one that is gone is ignored."""
        entry = reaper.process_entry("process", pid)
        if entry is not None:
            self._register(entry)

    def close(self, grace_s: float = CLOSE_GRACE_S) -> None:
        """End every process, the youngest first, and remove the directory; idempotent.

        All together have ``grace_s`` to obey SIGTERM.
        In a forked copy of the owner it does nothing: the processes are not the copy's.
        """
        if self._closed or os.getpid() != self._owner:
            return
        until = time.monotonic() + grace_s
        stuck = [error for process in self._processes[::-1] if (error := _stopped(process, until))]
        markers = [f"{reaper.RUN_MARKER}={self.run_id}"]
        reaper.end_all(lambda: reaper.family({}, markers, before=0), patience_s=GRACE_S)
        reaper.remove(str(self.directory), self._inode)
        self._closed = True
        self._tell("done")
        self._leave_reaper()
        if stuck:
            raise stuck[0]

    def _ended(self, process: Process, log: Path, entry: str | None) -> None:
        log.unlink(missing_ok=True)
        self._processes.remove(process)
        if entry is not None:
            self._entries.pop(entry)
            self._tell(f"forget {entry}")

    def _register(self, entry: str) -> None:
        self._entries[entry] = None
        self._tell(entry)

    def _tell(self, line: str) -> None:
        """Write a line to the reaper; one that somebody killed is replaced, and told everything."""
        try:
            self._write(line)
        except BrokenPipeError:
            self._leave_reaper()
            self._reaper = self._start_reaper()
            self._write("\n".join([*self._entries, line]))

    def _write(self, text: str) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(text.encode("ascii") + b"\n")

    def _start_reaper(self) -> subprocess.Popen[bytes]:
        seen = reaper.look(self._owner)
        start = "0" if seen is None else str(seen.start)
        try:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-E",
                    "-I",
                    reaper.__file__,
                    self.run_id,
                    str(self._owner),
                    start,
                ],
                env={},
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

    def _leave_reaper(self) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()


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
