"""Sockets of the client: opened without waiting, from a chosen address."""

from __future__ import annotations

import errno
import resource
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Final

from harness.client.answer import new_parser
from harness.errors import CouldNotRun

if TYPE_CHECKING:
    import h11

    from harness.client.tls import Secured

_IP_BIND_ADDRESS_NO_PORT: Final = 24  # of Linux: choose the port when the peer is known


class Address:
    """Where the target is: a name is looked up once."""

    def __init__(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise CouldNotRun(f"the host {host!r} cannot be resolved: {error}") from error
        self.family: Final = found[0][0]
        self.sockaddr: Final = found[0][4]
        self.header: Final = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.loopback: Final = "::1" if self.family == socket.AF_INET6 else "127.0.0.1"


class Connection:
    """A TCP connection and the parser of what comes over it."""

    __slots__ = ("number", "parser", "peer_sees", "reused", "sock")

    def __init__(self, sock: socket.socket, number: int, peer_sees: str) -> None:
        self.sock = sock
        self.number = number
        self.peer_sees = peer_sees
        self.parser: h11.Connection = new_parser()
        self.reused = False

    def send(self, data: memoryview) -> int:
        """Hand bytes to the kernel; how many it took.

        Raises:
            BlockingIOError: none for now.
            OSError: the connection broke.
        """
        return self.sock.send(data)

    def receive(self, most: int) -> bytes:
        """What has come, at most so many bytes; none: the peer closed its side.

        Raises:
            BlockingIOError: nothing for now.
            OSError: the connection broke.
        """
        return self.sock.recv(most)

    def speaks(self) -> bool:
        """Whether, the socket being readable, the peer has said something (or left)."""
        return True

    def idle(self) -> bool:
        """Whether it is still open and silent, as a kept connection has to be."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # closed by the peer, or it spoke without being asked

    def has_more(self) -> bool:
        """Whether `receive` has something although the socket may not be readable any more."""
        return False

    def shake_hands(self) -> bool:
        """Whether it can be used; if not, ask again when its socket is readable."""
        return True


class SecuredConnection(Connection):
    """The same over TLS, where bytes may come that say nothing to us (tickets, key updates)."""

    __slots__ = ("_ahead", "_is_ended", "_secured")

    def __init__(self, sock: socket.socket, number: int, peer_sees: str, secured: Secured) -> None:
        super().__init__(sock, number, peer_sees)
        self._secured = secured
        self._ahead = bytearray()
        self._is_ended = False

    def shake_hands(self) -> bool:
        """Go on with the handshake; its few bytes always fit into a new socket's buffer.

        Raises:
            CouldNotRun: the certificate is not the right one.
            OSError: the connection broke, or the peer speaks no TLS.
        """
        if not isinstance(self.sock, ssl.SSLSocket):
            self.sock.getpeername()  # of a connection that broke already, Python's wrap leaks a socket
            self.sock = self._secured.wrap(self.sock)
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except ssl.SSLCertVerificationError as error:
            raise CouldNotRun(self._secured.distrust(error)) from None
        return True

    def send(self, data: memoryview) -> int:
        """Hand bytes to the kernel, as one record or several."""
        try:
            return self.sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def receive(self, most: int) -> bytes:
        """What has come; a whole record at least, as the selector sees none of its rest."""
        if not self._ahead and not self._is_ended:
            self._read(most)
        data = bytes(self._ahead)
        self._ahead.clear()
        return data

    def speaks(self) -> bool:
        """Whether the peer has said something (or left); it is kept for `receive`."""
        try:
            if not self._ahead and not self._is_ended:
                self._read(1)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def has_more(self) -> bool:
        """Whether `receive` has something although the socket may not be readable any more."""
        return bool(self._ahead) or self._is_ended

    def idle(self) -> bool:
        """Whether it is still open and silent, as a kept connection has to be."""
        return not self.speaks()

    def _read(self, most: int) -> None:
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            data = self.sock.recv(most)
            self._is_ended = not data
            self._ahead += data
            while data and self.sock.pending():
                data = self.sock.recv(self.sock.pending())
                self._ahead += data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            if not self._ahead:
                raise BlockingIOError from error
        except ssl.SSLZeroReturnError:
            self._is_ended = True


def begin_connect(
    address: Address, source: str | None, *, narrow: bool = False
) -> tuple[socket.socket, int]:
    """A non-blocking socket on its way to the target, and the error number of ``connect``.

    Args:
        address: where to.
        source: local address to come from.
        narrow: the kernel takes as little of an answer as it can before somebody reads it.
    Raises:
        CouldNotRun: this machine cannot: no such source address, no free port, no free descriptor.
    """
    sock = _new_socket(address.family)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        if source is not None:
            _bind(sock, source)
        code = sock.connect_ex(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    if code == errno.EADDRNOTAVAIL:
        sock.close()
        raise CouldNotRun(f"no local port is left for another connection to {address.header}")
    return sock, code


def _new_socket(family: int) -> socket.socket:
    """A socket; this process's own limit of open files is raised as far as it may when that is short."""
    while True:
        try:
            return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            if error.errno != errno.EMFILE or soft == hard:
                raise CouldNotRun(f"no socket can be had: {error} (ulimit -n is {soft})") from error
            limit = 2 * soft if hard == resource.RLIM_INFINITY else min(2 * soft, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _bind(sock: socket.socket, source: str) -> None:
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((source, 0))
    except OSError as error:
        raise CouldNotRun(
            f"calls cannot come from {source}: {error.strerror or error}; this system does not have "
            "that address (Linux has all of 127.0.0.0/8, macOS only 127.0.0.1)"
        ) from error
