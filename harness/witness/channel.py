"""The runner's end of the line to a witness: a Unix socket in a private folder."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from harness.witness.protocol import line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["CONTROL", "Channel", "Refused", "accepted", "listening"]

CONTROL: Final = "control"
"""Name of the socket in its folder, where the witness's process starts."""
_START_S: Final = 10.0
_ANSWER_S: Final = 10.0
_LOOK_S: Final = 0.05
_READ_BYTES: Final = 1 << 18


class Refused(Exception):
    """Why a witness could not do what it was asked."""


class Channel:
    """Asks, and waits for the answer."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._wire.settimeout(_ANSWER_S)

    def close(self) -> None:
        """The witness ends when it sees that."""
        self._wire.close()

    def ask(self, do: str, **words: Any) -> Any:
        """What the witness answers.

        Raises:
            Refused: it could not do that.
            OSError: it does not answer; what it says later would answer another question.
        """
        self._wire.sendall(line({"do": do, **words}))
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._wire.recv(_READ_BYTES)
            if not part:
                raise ConnectionResetError("it closed its end")
            answer += part
        message = json.loads(answer)
        if "error" in message:
            raise Refused(message["error"])
        return message["done"]


def listening(directory: Path) -> socket.socket:
    """Waits in a folder for the witness, however long the folder's path is."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{CONTROL}")
    finally:
        os.close(folder)
    listener.listen(1)
    return listener


def accepted(listener: socket.socket, is_alive: Callable[[], bool]) -> Channel | None:
    """The line to a witness that has just been started; None if it ends, or is not up within 10 s."""
    until = time.monotonic() + _START_S
    while is_alive() and time.monotonic() < until:
        if select.select([listener], [], [], _LOOK_S)[0]:
            return Channel(listener.accept()[0])
    return None
