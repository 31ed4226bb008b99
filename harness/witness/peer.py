"""Whether the other end of a connection that has ended is still there to read."""

from __future__ import annotations

import socket
import struct
from typing import Final

from harness.clock.unsent import (
    CONNECTION,
    NETLINK_SOCK_DIAG,
    NLMSG_ERROR,
    REPLY_BYTES,
    Connection,
    attribute,
    messages,
    question,
)

__all__ = ["Peers"]

_SHUTDOWN: Final = 8
"""The attribute that says which directions a socket has shut: 1 reading, 2 writing."""
_READING: Final = 1
_ID_BYTES: Final = 36
_ENDS: Final = struct.Struct("=2s2s4s12x4s12x4x")


class Peers:
    """Tells a client that has closed its connection from one that only will not send any more.

    Both send the same, a FIN. But the kernel knows what the process on the other end has done, where
    that is on this machine; elsewhere it counts as closed, which it most often is.
    """

    def __init__(self) -> None:
        try:
            self._socket: socket.socket | None = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG
            )
        except OSError:  # a sandbox
            self._socket = None

    def reads_on(self, ours: socket.socket) -> bool:
        """Whether the other end can still read an answer."""
        if self._socket is None:
            return False
        try:
            (host, port), (our_host, our_port) = ours.getpeername(), ours.getsockname()
            ends = _ENDS.pack(
                port.to_bytes(2),
                our_port.to_bytes(2),
                socket.inet_aton(host),
                socket.inet_aton(our_host),
            )
            wanted = Connection(socket.AF_INET, ends, 0, is_held=False, sent=0, received=0)
            self._socket.sendto(question(wanted), (0, 0))
            kind, body = next(messages(self._socket.recv(REPLY_BYTES)))
        except OSError:
            return False
        if kind == NLMSG_ERROR or not CONNECTION.unpack_from(body)[4].startswith(ends[:_ID_BYTES]):
            return False  # there is none, or this is who listens there
        shut = attribute(body[CONNECTION.size :], _SHUTDOWN)
        return shut is not None and not shut[0] & _READING
