"""Starts processes of ours so that each of them ends, on every way out.

Each process leads a session of its own, carries the run's marker in its environment, and stands in
the entries of a reaper (:mod:`harness.reaper`), which acts when this process dies.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness import reaper
from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

GRACE_S: Final = 2.0
CLOSE_GRACE_S: Final = 1.5  # 2 s after Ctrl-C nothing shall be left
PROCESS_MARKER: Final = "STORMPROOF_PROCESS"
_KEPT_BYTES: Final = 65_536
_TRIM_BYTES: Final = 8 << 20
_LINE_LENGTH: Final = 500
_POLL_S: Final = 0.005
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""Text of a stranger, fit for a terminal: colours are dropped, other control characters named.

    >>> harmless("a\x1b[31mred\x1b[0m\r\nb\x07")
    'ared\nb\\x07'
    """
    plain = _COLOUR.sub("", text).replace("\r\n", "\n")
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], plain)


class Process:
    """A process that a :class:`Supervisor` started, with everything that came from it.

    It stays a zombie until it is stopped, so that its number, which is also that of its group and
    session, cannot be given to somebody else while we still send signals to it.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], name: str, log: int, markers: list[str]
    ) -> None:
        self._popen = popen
        self._log = log
        self._before_trim = b""
        self._markers = markers
        self._last_output = b""
        seen = reaper.look(popen.pid)
        self._start = -1 if seen is None else seen.start
        self.pid: Final = popen.pid
        self.name: Final = name
        self.on_end: Callable[[], None] = lambda: None

    def alive(self) -> bool:
        """Whether the process that was started has not ended."""
        return self.returncode() is None

    def returncode(self) -> int | None:
        """Its exit status, minus the signal's number if one ended it, None while it lives."""
        if self._popen.returncode is not None:
            return self._popen.returncode
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def output(self, lines: int = 50) -> str:
        """The last lines of its standard output and error, made harmless; at most 64 KiB are kept."""
        text = harmless(self._kept().decode("utf-8", "replace"))
        return "\n".join(line[:_LINE_LENGTH] for line in text.splitlines()[-lines:])

    def descendants(self) -> list[int]:
        """Living processes that came from it, wherever they moved, without itself; costs some ms."""
        return [one.pid for one in self._family() if one.pid != self.pid]

    def pause(self) -> None:
        """SIGSTOP for it and all that came from it; returns when each of them is stopped."""
        self._until(signal.SIGSTOP, lambda one: one.state in "Tt")

    def resume(self) -> None:
        """SIGCONT for it and all that came from it; returns when none of them is stopped."""
        self._until(signal.SIGCONT, lambda one: one.state not in "Tt")

    def kill(self) -> None:
        """SIGKILL for it and all that came from it; returns when they are gone."""
        self.stop(grace_s=0.0)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """SIGTERM, ``grace_s`` to obey, SIGKILL, for it and all that came from it; idempotent.

        Raises:
            CouldNotRun: somebody outlived SIGKILL (the kernel holds it).
        """
        if self._popen.returncode is not None:
            return
        if grace_s > 0:
            for one in self._family():
                reaper.send(one.pid, one.start, signal.SIGTERM)
                reaper.send(one.pid, one.start, signal.SIGCONT)
            _poll(lambda: not self._family(), grace_s)
        gone = reaper.end_all(self._family, patience_s=10.0)
        if not reaper.look(self.pid):  # a system without /proc
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        if not gone:
            raise CouldNotRun(
                f"{self.name} (pid {self.pid}) does not end, not even on SIGKILL", self.output()
            )
        self._last_output = self._kept()
        self.on_end()
        self._popen.wait()
        os.close(self._log)

    def _family(self) -> list[reaper.Seen]:
        return reaper.family({self.pid: self._start}, self._markers, before=sys.maxsize)

    def _until(self, number: signal.Signals, reached: Callable[[reaper.Seen], bool]) -> None:
        def all_reached() -> bool:
            others = [one for one in self._family() if not reached(one)]
            for one in others:
                reaper.send(one.pid, one.start, number)
            return not others

        if not _poll(all_reached, GRACE_S):
            raise CouldNotRun(
                f"{self.name} (pid {self.pid}) did not obey {number.name} within {GRACE_S:g} s"
            )

    def _kept(self) -> bytes:
        """The last 64 KiB; gives the disk back what is older, now and then."""
        if self._popen.returncode is not None:
            return self._last_output
        size = os.fstat(self._log).st_size
        recent = os.pread(self._log, _KEPT_BYTES, max(0, size - _KEPT_BYTES))
        kept = (self._before_trim + recent)[-_KEPT_BYTES:]
        if size > _TRIM_BYTES:
            os.ftruncate(self._log, 0)
            self._before_trim = kept
        return kept


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


def _poll(reached: Callable[[], bool], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while not reached():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def _why_not(
    name: str, command: Sequence[str], cwd: Path | None, env: Mapping[str, str], error: Exception
) -> str:
    program = command[0] if command else ""
    if cwd is not None and not cwd.is_dir():
        return f"{name} cannot be started: its directory {cwd} does not exist"
    if isinstance(error, FileNotFoundError):
        return f"{name} cannot be started: no program {program!r} was found (PATH={env.get('PATH', '')})"
    return f"{name} cannot be started: {program!r}: {error}"
