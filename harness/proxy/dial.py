"""Ways to an upstream: names are looked up at each dial, in threads that may wait; each address is tried."""

from __future__ import annotations

import errno
import os
import select
import socket
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.loop import Loop

__all__ = ["Address", "Dial", "Resolver", "numeric", "split", "tune"]

Address: TypeAlias = "tuple[int, tuple[str, int]]"
"""Family, and numeric host with port."""
_THREADS: Final = 4
_LOCALHOST: Final = "localhost"
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 9),
)


def tune(sock: socket.socket) -> None:
    """What Go's sockets have by default; those accepted inherit it from their listener."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for level, name, value in _KEEPALIVE:
        sock.setsockopt(level, name, value)


def split(address: str) -> tuple[str, str]:
    """Host and port of ``host:port`` or ``[host]:port``; an empty host is this machine.

    Raises:
        OSError: there is no port in it.

    >>> split("[::1]:80"), split("redis.local:6379")
    (('::1', '80'), ('redis.local', '6379'))
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif not colon or ":" in host:
        raise OSError(
            f"address {address}: {'too many colons' if colon else 'missing port'} in address"
        )
    return host or _LOCALHOST, port


def numeric(host: str, port: str) -> list[Address] | None:
    """The addresses where nothing has to be looked up, else None.

    >>> numeric("127.0.0.1", "80") == [(socket.AF_INET, ("127.0.0.1", 80))], numeric("redis", "80")
    (True, None)
    """
    if not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        return None
    if host == _LOCALHOST:
        return [(socket.AF_INET, ("127.0.0.1", int(port))), (socket.AF_INET6, ("::1", int(port)))]
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, (host, int(port)))]
    return None


class Resolver:
    """Looks names up in a few threads, so that the loop never does."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._asked: SimpleQueue[tuple[str, str, Callable[[list[Address] | OSError], None]] | None]
        self._asked = SimpleQueue()
        self._threads = 0
        self._is_closed = False

    def ask(self, host: str, port: str, then: Callable[[list[Address] | OSError], None]) -> None:
        """``then`` is called in the loop, with the addresses or with what is wrong."""
        if self._threads < _THREADS:
            self._threads += 1
            Thread(target=self._look_up, name="resolver", daemon=True).start()
        self._asked.put((host, port, then))

    def close(self) -> None:
        """Nobody is called any more."""
        self._is_closed = True
        for _ in range(self._threads):
            self._asked.put(None)

    def _look_up(self) -> None:
        while (asked := self._asked.get()) is not None:
            host, port, then = asked
            found: list[Address] | OSError
            try:
                infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = [(info[0], (str(info[4][0]), int(info[4][1]))) for info in infos]
            except (OSError, UnicodeError) as error:
                found = error if isinstance(error, OSError) else OSError(f"lookup {host}: {error}")
            if not self._is_closed:
                self._loop.hand_in(lambda then=then, found=found: then(found))  # type: ignore[misc]


class Dial:
    """Tries one address after the other; calls ``then`` with the socket, or with the last error."""

    __slots__ = ("_addresses", "_is_over", "_loop", "_sock", "_target", "_then")

    def __init__(
        self, loop: Loop, addresses: list[Address], then: Callable[[socket.socket | OSError], None]
    ) -> None:
        self._loop = loop
        self._addresses = iter(addresses)
        self._then = then
        self._sock: socket.socket | None = None
        self._target: tuple[str, int] = ("", 0)
        self._is_over = False
        self._next(OSError(errno.EADDRNOTAVAIL, "no address"))

    def cancel(self) -> None:
        """Nobody is called."""
        self._is_over = True
        if self._sock is not None:
            self._loop.leave(self._sock)
            self._sock = None

    def _next(self, error: OSError) -> None:
        for family, target in self._addresses:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as other:
                error = other
                continue
            code = sock.connect_ex(target)
            if code == errno.EINPROGRESS:  # on this machine it is made by now
                code = sock.connect_ex(target)
            if code in {0, errno.EISCONN}:
                self._made(sock)
                return
            if code in {errno.EALREADY, errno.EINPROGRESS}:
                self._sock, self._target = sock, target
                self._loop.watch(sock.fileno(), select.EPOLLOUT, self._ready)
                return
            sock.close()
            error = OSError(code, os.strerror(code))
        self._is_over = True
        self._then(error)

    def _ready(self, _what: int) -> None:
        sock = self._sock
        assert sock is not None
        code = sock.connect_ex(self._target)
        if code in {errno.EALREADY, errno.EINPROGRESS}:
            return
        self._sock = None
        if code in {0, errno.EISCONN}:
            self._loop.forget(sock.fileno())
            self._made(sock)
        else:
            self._loop.leave(sock)
            self._next(OSError(code, os.strerror(code)))

    def _made(self, sock: socket.socket) -> None:
        self._is_over = True
        tune(sock)
        self._then(sock)
