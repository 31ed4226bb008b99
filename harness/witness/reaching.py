"""Connects of ours to a port, to see how connects fare there."""

from __future__ import annotations

import select
import socket
from typing import TYPE_CHECKING, Final

from harness.targets.ports import connect_error

if TYPE_CHECKING:
    from harness.script import Reach

__all__ = ["count"]

_HOST: Final = "127.0.0.1"
_PROBES: Final = 3
_PROBE_S: Final = 0.05
"""Real: a connect on loopback completes in some microseconds, or not until its kernel tries again."""
_FILLINGS: Final = 64


def count(how: Reach, port: int) -> int:
    """How many connects of ours fared so; 0: it is not so.

    For a black hole they fill the listen queue first.
    """
    match how:
        case "open":
            return int(connect_error(_HOST, port) is None)
        case "refuse":
            errors = [connect_error(_HOST, port) for _ in range(_PROBES)]
            return sum(isinstance(error, ConnectionRefusedError) for error in errors)
        case "black_hole":
            return next((lost for _ in range(_FILLINGS) if (lost := _lost(port))), 0)


def _lost(port: int) -> int:
    """The connects that did not complete, where none did; 0 where one did or failed."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(_PROBES)]
    try:
        for probe in probes:
            probe.setblocking(False)
            probe.connect_ex((_HOST, port))
        return 0 if select.select([], probes, [], _PROBE_S)[1] else len(probes)
    finally:
        for probe in probes:
            probe.close()
