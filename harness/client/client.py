"""Plays requests over non-blocking sockets, in the caller's own thread."""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from harness.client.exchange import Exchange, Instant
from harness.client.wire import Address, Connection, SecuredConnection, begin_connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.client.request import Request
    from harness.client.tls import Secured
    from harness.history import Call

    Step = Callable[[Exchange, int], bool]

_QUIET_S: Final = 0.002
_LOOK_S: Final = 0.1
_CONNECT_S: Final = 3.5
"""A full listen queue drops a connect; the kernel repeats it after 1 s and 3 s, by its own clock."""
WAVE: Final = 100
_WHY_NOT: Final = {errno.ETIMEDOUT: "timeout", errno.ECONNRESET: "reset"}
READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE


class Client:
    """Sends requests to one target and records what happened to each; it never sends one twice.

    Args:
        host: IP address or name (looked up once).
        port: TCP port.
        instant: target time and target wall clock in ns; read right before the first byte of a
            request is written, and right after the head of its answer was parsed.
        next_seq: the next order number of the history.
        quiet: called in this thread when nothing was readable for 2 ms of real time (3.5 s while a
            connection is still being made); True says that
            it made something move (the clock), and it is asked again at once if still nothing
            comes; False: again after 2 ms. It may ask :meth:`readable`. What it raises passes
            through, and the connections in use are closed.
        timeout_s: real time without any progress (a byte, or ``quiet`` said True) after which an
            answer is given up; one that still trickles is given up after six times as long.
        secured: how to speak TLS; all handshakes are done before anything is written. None: plain.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        instant: Callable[[], Instant],
        next_seq: Callable[[], int],
        quiet: Callable[[], bool] | None = None,
        timeout_s: float = 10.0,
        secured: Secured | None = None,
    ) -> None:
        self._secured = secured
        self._address = Address(host, port)
        self._instant = instant
        self._next_seq = next_seq
        self._quiet = quiet
        self._timeout_s = timeout_s
        self._selector = selectors.DefaultSelector()
        self._kept: defaultdict[tuple[str | None, str], list[Connection]] = defaultdict(list)
        self._held: list[tuple[str | None, Connection]] = []
        self._connections = 0
        self._moved_s = 0.0

    def exchange(
        self, requests: Sequence[Request], *, together: bool, timeout_s: float | None = None
    ) -> list[Call]:
        """Play the requests; the calls stand in the same order.

        Args:
            requests: what to send. Requests that name one kept connection, together, get one each.
            together: connect all, write all, and only then read any answer; else one after another.
            timeout_s: in place of the client's own.
        Raises:
            CouldNotRun: this machine cannot send it (source address, open files, a bad header).
        """
        usual_s, self._timeout_s = self._timeout_s, timeout_s or self._timeout_s
        try:
            if together:
                return self._play(requests)
            return [call for request in requests for call in self._play([request])]
        finally:
            self._timeout_s = usual_s

    def readable(self) -> bool:
        """Whether an answer, or the end of one, is waiting to be read: for ``quiet`` to ask."""
        return bool(self._selector.select(0))

    def forget(self, source: str | None = None) -> None:
        """Close all connections that are kept or held, or those from one source address."""
        for key in [key for key in self._kept if source in (None, key[0])]:
            for connection in self._kept.pop(key):
                connection.sock.close()
        for owner, connection in self._held:
            if source in (None, owner):
                connection.sock.close()
        self._held = [pair for pair in self._held if source not in (None, pair[0])]

    def close(self) -> None:
        """Close everything."""
        self.forget()
        self._selector.close()

    def _play(self, requests: Sequence[Request]) -> list[Call]:
        exchanges = [Exchange(request) for request in requests]
        try:
            for start in range(0, len(exchanges), WAVE):
                self._connect(exchanges[start : start + WAVE])
            self._write([one for one in exchanges if not one.ended])
            self._read([one for one in exchanges if not one.ended])
        finally:
            for one in exchanges:
                if one.connected and not one.ended:
                    one.connection.sock.close()
        return [one.call() for one in exchanges]

    def _connect(self, exchanges: Sequence[Exchange], *, fresh: bool = False) -> None:
        """Give each exchange a connection, kept or new; those that cannot have one are ended."""
        pending, opened = [], []
        for one in exchanges:
            kept = None if fresh else self._take_kept(one.request)
            if kept is not None:
                one.use(kept, self._address.header)
                continue
            opened.append(one)
            if not self._open(one):
                pending.append(one)
        self._drive(pending, WRITE, self._connected, calm_s=_CONNECT_S)
        if self._secured is not None:
            self._secure([one for one in opened if not one.ended])

    def _secure(self, exchanges: Sequence[Exchange]) -> None:
        """Shake hands on all of them at once; whoever waits lets the others go on."""
        self._drive(
            [one for one in exchanges if not self._shook_hands(one, 0)], READ, self._shook_hands
        )

    def _shook_hands(self, one: Exchange, _events: int) -> bool:
        try:
            return one.connection.shake_hands()
        except ssl.SSLError as error:
            self._end(one, "closed" if isinstance(error, ssl.SSLEOFError) else "garbage")
        except OSError:
            self._end(one, "reset")
        return True

    def _take_kept(self, request: Request) -> Connection | None:
        if request.connection is None:
            return None
        kept = self._kept.get((request.source, request.connection), [])
        while kept:
            connection = kept.pop()
            if connection.idle():
                connection.reused = True
                return connection
            connection.sock.close()
        return None

    def _open(self, one: Exchange) -> bool:
        """Begin a new connection; True if it is there, or refused, already."""
        sock, code = begin_connect(self._address, one.request.source, narrow=one.request.slow)
        self._connections += 1
        peer_sees = one.request.source or self._address.loopback
        connection = (
            Connection(sock, self._connections, peer_sees)
            if self._secured is None
            else SecuredConnection(sock, self._connections, peer_sees, self._secured)
        )
        one.use(connection, self._address.header)
        if (
            code == errno.EINPROGRESS
        ):  # on loopback it is there by now: ask again, in place of waiting
            code = sock.connect_ex(self._address.sockaddr)
        if code == errno.EALREADY:
            return False
        self._connected_with(one, code)
        return True

    def _connected(self, one: Exchange, _events: int) -> bool:
        self._connected_with(
            one, one.connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        )
        return True

    def _connected_with(self, one: Exchange, code: int) -> None:
        if code not in (0, errno.EISCONN):
            self._end(one, _WHY_NOT.get(code, "refused"))
        elif one.request.source is None:
            one.connection.peer_sees = one.connection.sock.getsockname()[0]

    def _write(self, exchanges: Sequence[Exchange]) -> None:
        """Write all; what does not fit into the kernel's buffers waits until it does."""
        slow = [one for one in exchanges if not self._begin_writing(one)]
        self._drive(slow, WRITE | READ, self._write_step)
        for one in exchanges:
            if not one.ended:
                self._leave_or_hold(one)

    def _begin_writing(self, one: Exchange) -> bool:
        """Write what the kernel takes; True when that is all, or nothing can be written any more."""
        try:
            return self._write_some(one)
        except OSError:
            if not one.connection.reused:
                self._end(one, "reset")
                return True
        one.connection.sock.close()  # it was closed since we looked; no byte went out
        self._connect([one], fresh=True)
        return one.ended or self._write_step(one, WRITE)

    def _write_some(self, one: Exchange) -> bool:
        return one.write(self._instant, self._next_seq)

    def _write_step(self, one: Exchange, events: int) -> bool:
        if events & READ and one.connection.speaks():  # an answer before its request was whole
            one.wrote(self._next_seq)
            return True
        try:
            return self._write_some(one)
        except OSError:
            self._end(one, "reset")
            return True

    def _leave_or_hold(self, one: Exchange) -> None:
        if one.request.leave == "written":
            self._end(one, "left")
        elif one.request.leave is None and one.request.part != "whole":
            one.held = True
            self._held.append((one.request.source, one.connection))
            self._end(one, None)

    def _read(self, exchanges: Sequence[Exchange]) -> None:
        early = [one for one in exchanges if one.connection.has_more()]
        done = [one for one in early if self._read_step(one, READ)]
        self._drive([one for one in exchanges if one not in done], READ, self._read_step)

    def _read_step(self, one: Exchange, _events: int) -> bool:
        done = one.read(self._instant)
        if done:
            self._end(one, None)
        return done

    def _end(self, one: Exchange, error: str | None) -> None:
        one.end(error, self._instant, self._next_seq)
        if one.held:
            return
        if one.request.connection is not None and one.reusable():
            self._kept[one.request.source, one.request.connection].append(one.connection)
        else:
            one.connection.sock.close()

    def _drive(
        self, exchanges: Sequence[Exchange], events: int, step: Step, *, calm_s: float = 0.0
    ) -> None:
        """Call ``step`` for each exchange whose socket is ready, until it says True for each.

        ``quiet`` is not asked before nothing was ready for ``calm_s``.
        """
        if not exchanges:
            return
        waiting = {one.connection.sock.fileno(): one for one in exchanges}
        for number, one in waiting.items():
            self._selector.register(number, events, one)
            one.touched_s = time.monotonic()
        try:
            self._serve(waiting, step, calm_s)
        finally:
            for number in waiting:
                self._selector.unregister(number)

    def _serve(self, waiting: dict[int, Exchange], step: Step, calm_s: float) -> None:
        quiet_s = _LOOK_S if self._quiet is None else _QUIET_S
        pause_s = quiet_s
        moved_s = time.monotonic()
        look_s = moved_s + _LOOK_S
        while waiting:
            ready = self._selector.select(pause_s)
            now = time.monotonic()
            for key, mask in ready:
                one: Exchange = key.data
                one.touched_s = now
                if step(one, mask):
                    self._selector.unregister(key.fd)
                    del waiting[key.fd]
            pause_s = quiet_s
            if ready:
                moved_s = now
            elif now - moved_s >= calm_s and self._quiet is not None and self._quiet():
                self._moved_s = time.monotonic()
                pause_s = 0.0
            if now >= look_s:
                look_s = now + _LOOK_S
                self._give_up(waiting, now)

    def _give_up(self, waiting: dict[int, Exchange], now: float) -> None:
        for number, one in list(waiting.items()):
            silent_s = now - max(one.touched_s, self._moved_s)
            if silent_s > self._timeout_s or now - one.began_s > 6 * self._timeout_s:
                self._selector.unregister(number)
                del waiting[number]
                self._end(one, "timeout")
