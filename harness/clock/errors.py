"""What can go wrong with the held clock. The texts are shown to users."""

from __future__ import annotations

from harness.errors import HarnessError

__all__ = ["ClockEnded", "ClockError", "ClockIgnored", "ClockUnavailable", "NothingToWaitFor"]


class ClockError(HarnessError):
    """The held clock cannot do what was asked."""


class ClockUnavailable(ClockError):
    """This machine cannot hold a clock; promises are then judged in real time.

    Attributes:
        reason: what is missing.
        remedy: what to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"no held clock here: {reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


class ClockEnded(ClockError, ValueError):
    """Time was to be moved past the last moment that the page can hold."""


class ClockIgnored(ClockError):
    """A process takes its time from somewhere else, so nothing can be said of it on a held clock.

    Attributes:
        pid: the process.
        command: its name.
        reason: how it is known.
    """

    def __init__(self, pid: int, command: str, reason: str) -> None:
        super().__init__(f"process {pid} ({command}) does not follow the held clock: {reason}")
        self.pid = pid
        self.command = command
        self.reason = reason


class NothingToWaitFor(ClockError):
    """Everything sleeps and nobody waits for a time, so no jump can bring an answer.

    What is left are waits of the kernel's own (``SO_RCVTIMEO``, TCP keep-alive, io_uring): they
    need the real clock.
    """
