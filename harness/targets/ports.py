"""Free ports of this machine, and bare connections to see whether somebody listens."""

from __future__ import annotations

import errno
import socket
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import Collection

_PORTS: Final = range(20_000, 32_768)
_TRIES: Final = 200


def free_port(avoid: Collection[int] = ()) -> int:
    """A port on which nobody listens, on any address, below those that systems give to clients.

    A port from the range for clients (32768 and up on Linux) could be taken by one of our own
    connections while its server restarts. Nothing is reserved: whoever binds it first has it.

    Raises:
        CouldNotRun: none was found in 200 tries.
    """
    chance = SystemRandom()  # several workers of one run must not draw alike
    for _ in range(_TRIES):
        port = chance.choice(_PORTS)
        if port not in avoid and _is_free(port):
            return port
    raise CouldNotRun(
        f"no free port between {_PORTS.start} and {_PORTS.stop - 1} in {_TRIES} tries"
    )


def connect_error(host: str, port: int, timeout_s: float = 1.0) -> OSError | None:
    """Connect once, send nothing, close; None if that worked, else why not."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError as error:
        return error
    return None


def _is_free(port: int) -> bool:
    for family, anything in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 (never listened on)
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((anything, port))
        except OSError as error:
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                return False
    return True
