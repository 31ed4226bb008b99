"""What time it is, three times over, and waits that end at their nanosecond."""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "Moment"]

Moment = tuple[int, int, int]
"""The machine's monotonic clock, the target's monotonic clock and the target's wall clock, in ns."""
_POLLIN: Final = 1


class _PollFd(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class Clock:
    """The target's clock, which is ours too where the clock's library is preloaded; else the machine's."""

    def __init__(self) -> None:
        here = ctypes.CDLL(None)
        self._ppoll = here.ppoll
        self._ppoll.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p]
        self._real: Callable[[], int] = time.monotonic_ns
        with suppress(AttributeError):
            here.stormproof_clock_real.restype = ctypes.c_int64
            self._real = here.stormproof_clock_real

    def now(self) -> Moment:
        """This moment."""
        return self._real(), time.monotonic_ns(), time.time_ns()

    def wait(self, fd: int, until_ns: int) -> None:
        """Until ``fd`` can be read, or the target's clock says ``until_ns``; may end early."""
        span_ns = until_ns - time.monotonic_ns()
        if span_ns > 0:
            wanted = _PollFd(fd, _POLLIN, 0)
            span = _TimeSpec(*divmod(span_ns, NS_PER_S))
            self._ppoll(ctypes.byref(wanted), 1, ctypes.byref(span), None)
