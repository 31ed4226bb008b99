"""Ctrl-C: the first time a run closes in order, the second time it ends at once; its reaper does the rest."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

CODE: Final = 130
_AGAIN_S: Final = 0.01
_CURSOR: Final = b"\x1b[?25h"


class _Interrupts:
    """Counts them; called where the main thread happens to be."""

    def __init__(self, said: str) -> None:
        self._said = said
        self._is_second = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _in_finalizer(frame):
            again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        if not self._is_second:
            self._is_second = True
            signal.default_int_handler(number, frame)
        if os.isatty(1):
            os.write(1, _CURSOR)  # a progress line hides it
        if self._said:
            os.write(2, f"{self._said}\n".encode())
        os._exit(CODE)


def _in_finalizer(frame: FrameType | None) -> bool:
    """Whether Python would print what is raised here, and go on as if nothing had been."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def end_at_once_the_second_time(said: str = "") -> None:
    """From now on; ``said`` is printed before the end. Only the main thread can ask for it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _Interrupts(said))


@contextmanager
def ending_at_once_the_second_time(said: str) -> Iterator[None]:
    """As long as the block runs."""
    before = signal.getsignal(signal.SIGINT)
    end_at_once_the_second_time(said)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
