"""A connection: a client, its upstream, and a link each way; from the handshake to the last close."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from harness.faults.wire.base import NEVER, Ending
from harness.proxy.dial import Dial
from harness.proxy.link import Link

if TYPE_CHECKING:
    from harness.faults.wire.base import Opening
    from harness.loop import Loop, Timer
    from harness.proxy.dial import Address
    from harness.proxy.livewire import LiveWire
    from harness.proxy.splice import Pipes

__all__ = ["Connection"]

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_DRAIN_BYTES: Final = 1 << 16
_DRAINS: Final = 64


class Connection:
    """Number ``number`` of its wire."""

    __slots__ = (
        "_client",
        "_dial",
        "_timer",
        "down",
        "is_closed",
        "loop",
        "number",
        "pipes",
        "up",
        "wire",
    )

    def __init__(self, wire: LiveWire, client: socket.socket, number: int) -> None:
        self.wire = wire
        self.number = number
        self.loop: Loop = wire.engine.loop
        self.pipes: Pipes = wire.engine.pipes
        self.is_closed = False
        self.up: Link | None = None
        self.down: Link | None = None
        self._client = client
        self._dial: Dial | None = None
        self._timer: Timer | None = None

    def note(
        self, kind: str, stream: str = "", toxic: str = "", offset: int = 0, what: str = ""
    ) -> None:
        """It has happened to this connection."""
        self.wire.engine.events.note(kind, self.wire.name, self.number, stream, toxic, offset, what)

    # its beginning

    def hang(self, opening: Opening) -> None:
        """In place of dialling: nothing, and then a reset."""
        self.loop.watch(self._client.fileno(), 0, self._client_gone)
        if opening.reset_after_ns < NEVER:
            at_ns = self.loop.now_ns() + opening.reset_after_ns
            self._timer = self.loop.at(at_ns, lambda: self.close(Ending.RESET))

    def dial(self) -> None:
        """The upstream, as its wire knows it now."""
        host, port = self.wire.target
        addresses = self.wire.addresses
        if self.wire.wrong is not None:
            self._dialled(self.wire.wrong)
        elif addresses is not None:
            self._connect(addresses)
        else:
            self.loop.watch(self._client.fileno(), 0, self._client_gone)
            self.wire.engine.resolver.ask(host, port, self._found)

    def _found(self, found: list[Address] | OSError) -> None:
        if self.is_closed:
            return
        self.loop.forget(self._client.fileno())
        if isinstance(found, OSError):
            self._dialled(found)
        else:
            self._connect(found)

    def _connect(self, addresses: list[Address]) -> None:
        dial = Dial(self.loop, addresses, self._dialled)
        if self.up is None and not self.is_closed:
            self._dial = dial
            self.loop.watch(self._client.fileno(), 0, self._client_gone)

    def _client_gone(self, _what: int) -> None:
        """Reset by the client while nothing was read from it."""
        self.close(Ending.CLOSE)

    def _dialled(self, made: socket.socket | OSError) -> None:
        if self._dial is not None:
            self._dial = None
            self.loop.forget(self._client.fileno())
        if isinstance(made, OSError):
            self.wire.counters.refused_dials += 1
            self.note("dial_failed", what=str(made))
            self.close(Ending.CLOSE, drain=False)
            return
        self.note("dial")
        up = self.up = Link(self, "upstream", self._client, made)
        down = self.down = Link(self, "downstream", made, self._client)
        up.other, down.other = down, up
        self.wire.begin(up, down)
        up.watch()
        down.watch()

    # its end

    def close(self, how: Ending, *, drain: bool = True) -> None:
        """Both sides, now. What is unread on a side would make the kernel reset it, so it is read before."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._dial is not None:
            self._dial.cancel()
        socks = [self._client]
        for link in (self.up, self.down):
            if link is not None:
                link.release()
        if self.down is not None:
            socks.append(self.down.sock)
        for sock in socks:
            if how is Ending.RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            elif how is Ending.CLOSE and drain:
                _drain(sock)
            self.loop.leave(sock)
        self.note("close", what=how.value)
        self.wire.left(self)


def _drain(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        for _ in range(_DRAINS):
            if not sock.recv(_DRAIN_BYTES):
                return


def lacks_descriptors(error: OSError) -> bool:
    """Whether it would go if somebody left."""
    return error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
