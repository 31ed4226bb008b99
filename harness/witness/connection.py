"""One connection of a witness: requests in, answers out, in order, each as its reply says."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from harness.script import Answer, Usual
from harness.witness.reader import Reader, Request
from harness.witness.reply import Reply, Wire

if TYPE_CHECKING:
    from harness.witness.book import Book, Record
    from harness.witness.moments import Clock, Moment

__all__ = ["Connection", "Exchange", "House"]

READS: Final = select.EPOLLIN | select.EPOLLRDHUP
_READ_BYTES: Final = 65_536
_DRAIN_READS: Final = 64
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)
_NOT_SENT: Final = 0x894B
"""SIOCOUTQNSD: bytes that the kernel has not sent yet (those that are not acknowledged it has)."""
_NOT_SENT_LOW: Final = 25
"""TCP_NOTSENT_LOWAT: from how few bytes not sent on the socket can be written to."""


class House(Protocol):
    """What a connection needs of the server that it belongs to."""

    book: Book
    clock: Clock
    held: dict[int, tuple[Connection, Exchange]]

    def wants(self, connection: Connection, events: int) -> None:
        """Which events it waits for from now on."""

    def wake(self, connection: Connection, exchange: Exchange, at_ns: int) -> None:
        """Pump it at that instant of the target's clock, unless the exchange has ended."""

    def left(self, connection: Connection) -> None:
        """Its socket is about to be closed."""

    def reads_on(self, sock: socket.socket) -> bool:
        """Whether the other end, which sends no more, can still read."""


class Exchange:
    """A request and its answer.

    Attributes:
        record: None where the request was none: it only gets its refusal.
        reply: None while it is held.
        due_ns: when its answer begins, on the target's clock.
        wire: its answer, once it has begun.
        wakes_ns: the latest instant for which a timer was set.
        over: nothing more will be written.
    """

    __slots__ = ("due_ns", "over", "record", "reply", "request", "wakes_ns", "wire")

    def __init__(
        self, request: Request, record: Record | None, reply: Reply | None, due_ns: int
    ) -> None:
        self.request = request
        self.record = record
        self.reply = reply
        self.due_ns = due_ns
        self.wire: Wire | None = None
        self.wakes_ns = -1
        self.over = False


class Connection:
    """Reads requests, has each noted and decided, and writes the answers.

    Attributes:
        sock: non-blocking.
        number: from 1, in the order of first bytes; 0 before its first byte.
        peer_port: where it comes from.
        half_closed: its client sends no more, and still reads.
        reader: of its requests.
    """

    def __init__(self, sock: socket.socket, house: House, peer_port: int) -> None:
        self.sock = sock
        self.number = 0
        self.peer_port = peer_port
        self.half_closed = False
        self.reader = Reader()
        self._house = house
        self._uses = 0
        self._queue: deque[Exchange] = deque()
        self._out = b""
        self._drip = b""
        self._drop_ns = 0
        self._ended: Moment | None = None  # before its last bytes were handed over
        self._events = READS
        self._is_refused = False

    # in

    def on_event(self, events: int) -> None:
        """Something happened on the socket: room to write, bytes, or its end."""
        if events & select.EPOLLOUT:
            self.pump()
        if events & ~select.EPOLLOUT and self.sock.fileno() >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._gone(reset=True)
            return
        if not data:
            self._on_end()
            return
        if not self.number:
            self._house.book.connections += 1
            self.number = self._house.book.connections
        moment = self._house.clock.now()
        for request in self.reader.feed(data):
            self._arrive(request, moment)
        if self.reader.refused is not None and not self._is_refused:
            self._refuse(self.reader.refused)
        if self.reader.takes_continue() and not self._queue:
            with suppress(OSError):
                self.sock.send(_CONTINUE)
        self.pump()

    def _arrive(self, request: Request, moment: Moment) -> None:
        self._uses += 1
        record, reply = self._house.book.arrive(self.number, self._uses, request, moment)
        record.peer_port = self.peer_port
        due_ns = record.target_ns + reply.answer.delay_ns
        exchange = Exchange(request, record, None if reply.answer.hold else reply, due_ns)
        self._queue.append(exchange)
        if exchange.reply is None:
            self._house.held[record.number] = self, exchange
        elif reply.answer.delay_ns:
            self._house.wake(self, exchange, due_ns)

    def _refuse(self, status: int) -> None:
        """Say so after what is still to be answered, and close."""
        self._is_refused = True
        self._house.book.broken += 1
        reply = Reply(Answer(status=status, body="", close=True), Usual())
        self._queue.append(Exchange(Request(), None, reply, 0))

    def _on_end(self) -> None:
        """Nothing more will come."""
        if not self._queue:
            self._close()
        elif self._house.reads_on(self.sock):
            self.half_closed = True
            self._want(self._events & ~READS)
        else:
            self._gone(reset=False)

    def look(self) -> None:
        """See what became of a client that has half-closed: nobody tells when it closes then."""
        if self.half_closed and not self._house.reads_on(self.sock):
            self._gone(reset=False)

    # out

    def release(self, exchange: Exchange, reply: Reply) -> None:
        """Answer a request that was held, from now on."""
        now_ns = self._house.clock.now()[1]
        exchange.reply = reply
        exchange.due_ns = now_ns + reply.answer.delay_ns
        if reply.answer.delay_ns:
            self._house.wake(self, exchange, exchange.due_ns)
        self.pump()

    def pump(self) -> None:
        """Write what can be written now."""
        while self._queue:
            exchange = self._queue[0]
            if exchange.wire is None and not self._begins(exchange):
                return
            if not self._writes(exchange):
                return
            self._finish(exchange)
        if self.half_closed and self.sock.fileno() >= 0:
            self._close()

    def _begins(self, exchange: Exchange) -> bool:
        reply, request = exchange.reply, exchange.request
        if reply is None:
            return False
        _, now_ns, wall_ns = self._house.clock.now()
        if now_ns < exchange.due_ns:
            return False
        exchange.wire = reply.wire(
            request.method, keeps=request.keeps, old=request.old, wall_ns=wall_ns
        )
        self._out, self._drip = exchange.wire.at_once, exchange.wire.drip
        self._drop_ns = now_ns + reply.answer.trickle_ns
        self._ended = None
        return True

    def _writes(self, exchange: Exchange) -> bool:
        """Whether all is written; else it goes on with room, or with time."""
        assert exchange.reply is not None
        while True:
            moment = self._house.clock.now()
            if self._drip and moment[1] >= self._drop_ns:
                self._let_drip(exchange.reply.answer.trickle_ns, moment[1])
            if self._out and not self._send(exchange, moment):
                return False
            if not self._drip:
                break
            if moment[1] < self._drop_ns:
                self._house.wake(self, exchange, self._drop_ns)
                return False
        waits = exchange.reply.answer.cut is not None and self._has_unsent()
        self._want(self._events | select.EPOLLOUT if waits else self._events & ~select.EPOLLOUT)
        return not waits

    def _let_drip(self, trickle_ns: int, now_ns: int) -> None:
        """The bytes that are due: more than one where time was moved past several."""
        count = 1 + (now_ns - self._drop_ns) // trickle_ns
        self._out += self._drip[:count]
        self._drip = self._drip[count:]
        self._drop_ns += count * trickle_ns

    def _send(self, exchange: Exchange, moment: Moment) -> bool:
        """Whether the kernel has taken all that is to be written at once."""
        try:
            sent = self.sock.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._gone(reset=True)
            return False
        self._ended = moment
        record, wire = exchange.record, exchange.wire
        if sent and record is not None and record.head_target_ns is None:
            assert exchange.reply is not None
            assert wire is not None
            self._house.book.begin(record, exchange.reply, wire.headers, moment)
        self._out = self._out[sent:]
        if self._out:
            self._want(self._events | select.EPOLLOUT)
        return not self._out

    def _has_unsent(self) -> bool:
        """Whether a reset would throw away bytes; if so, room to write comes when they are sent."""
        not_sent = struct.unpack("i", fcntl.ioctl(self.sock, _NOT_SENT, bytes(4)))[0]
        if not_sent:
            self.sock.setsockopt(socket.IPPROTO_TCP, _NOT_SENT_LOW, 1)
        return bool(not_sent)

    def _want(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._house.wants(self, events)

    # the end

    def _finish(self, exchange: Exchange) -> None:
        """All of an answer is written."""
        assert exchange.reply is not None
        assert exchange.wire is not None
        answer = exchange.reply.answer
        by_reset = answer.cut is not None and answer.cut_by == "reset"
        self._queue.popleft()
        self._end(exchange, "cut" if answer.cut else "answered", self._ended, reset=by_reset)
        if answer.cut or exchange.wire.closes:
            self._close(by_reset=by_reset)

    def _end(self, exchange: Exchange, state: str, moment: Moment | None, *, reset: bool) -> None:
        exchange.over = True
        if exchange.record is not None:
            self._house.held.pop(exchange.record.number, None)
            moment = moment or self._house.clock.now()
            self._house.book.end(exchange.record, state, moment, reset=reset)

    def _close(self, *, by_reset: bool = False) -> None:
        """We end it; requests that still wait behind are cut."""
        self._end_all("cut", reset=by_reset)
        if by_reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        else:  # bytes that nobody has read would make a reset of it
            with suppress(OSError):
                for _ in range(_DRAIN_READS):
                    if not self.sock.recv(_READ_BYTES):
                        break
        self._shut()

    def _gone(self, *, reset: bool) -> None:
        """The other end went away."""
        self._end_all("gone", reset=reset)
        self._shut()

    def _end_all(self, state: str, *, reset: bool) -> None:
        queue, self._queue = self._queue, deque()
        for exchange in queue:
            self._end(exchange, state, None, reset=reset)

    def _shut(self) -> None:
        if self.reader.partial and not self._is_refused:
            self._house.book.broken += 1
        self._out = self._drip = b""
        self._house.left(self)
        self.sock.close()
        self.reader.close()
