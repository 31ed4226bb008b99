"""One process of ours with everything that came from it: its output, its signals, its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness import reaper
from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE_S: Final = 2.0
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

    Attributes:
        pid: its number.
        name: what people call it.
        strays: how many that came from it had moved to sessions of their own and outlived SIGTERM.

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
        self.strays = 0
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
        deaf = [one for one in self._family() if one.session != self.pid]
        self.strays += len(deaf) if grace_s > 0 else 0
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


def _poll(reached: Callable[[], bool], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while not reached():
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True
