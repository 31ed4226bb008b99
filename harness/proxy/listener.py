"""A port of ours, and what happens to who connects to it: let in, refused, or left in a full queue."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness.proxy.dial import tune

if TYPE_CHECKING:
    from harness.proxy.wires import Mode

__all__ = ["Listener"]

_BACKLOG: Final = 4096
_FILLERS: Final = 2


class Listener:
    """Bound, whatever its mode is.

    Attributes:
        sock: the bound socket.
        address: host and port; the host of a wildcard is ``::``, even where there is no IPv6.
        mode: what happens to who connects.
    """

    def __init__(self, host: str, port: int, mode: Mode) -> None:
        self._is_wildcard = host in {"", "0.0.0.0", "::"}  # noqa: S104
        self._host = host
        self._fillers: list[socket.socket] = []
        self.sock = self._bind(port)
        self.mode: Mode = "refuse"
        bound = self.sock.getsockname()
        self.address: tuple[str, int] = ("::" if self._is_wildcard else bound[0], bound[1])
        try:
            self.set_mode(mode)
        except OSError:
            self.close()
            raise

    def set_mode(self, mode: Mode) -> None:
        """Who waits in the queue when it is refused is reset; raises ``OSError`` if the port is lost."""
        if mode == self.mode:
            return
        self._leave_queue()
        if mode == "refuse":
            self.sock.close()
            self.sock = self._bind(self.address[1])
        elif mode == "accept":
            self.sock.listen(_BACKLOG)
        else:
            self.sock.listen(0)
            self._fill_queue()
        self.mode = mode

    def close(self) -> None:
        """The port is free."""
        self._leave_queue()
        self.sock.close()

    def _bind(self, port: int) -> socket.socket:
        if self._is_wildcard:
            with suppress(OSError):
                return self._bound(socket.AF_INET6, ("::", port))
            return self._bound(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        return self._bound(family, (self._host, port))

    def _bound(self, family: int, address: tuple[str, int]) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not self._is_wildcard))
            tune(sock)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        return sock

    def _fill_queue(self) -> None:
        """Connections of our own, until the next handshake would go unanswered."""
        host, port = self.sock.getsockname()[:2]
        near = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104
        for _ in range(_FILLERS):
            filler = socket.socket(self.sock.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            self._fillers.append(filler)
            filler.connect_ex((near, port))

    def _leave_queue(self) -> None:
        ours = {filler.getsockname()[1] for filler in self._fillers}
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        for _ in ours:
            with suppress(OSError):
                self.sock.accept()[0].close()
