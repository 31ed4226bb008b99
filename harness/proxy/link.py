"""One direction of a connection: spliced in the kernel, or read, sent through toxics, and written.

It is read only while what was read can go on, so a stopped reader stops the sender: at most one pipe
(512 KiB) where it is spliced, else two chunks of 32 KiB in each toxic and one before the writer; ``latency``
may hold 1,024 chunks, as long as all links together hold less than the engine's budget.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from harness.faults.wire.base import NEVER, Chunk, Ending
from harness.proxy.chain import Chain
from harness.proxy.outbox import Outbox
from harness.proxy.splice import Siphon
from harness.proxy.wires import LinkView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.loop import Timer
    from harness.proxy.connection import Connection
    from harness.proxy.stage import Stage
    from harness.proxy.wires import Toxic

__all__ = ["Link"]

_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT
_ERR: Final = select.EPOLLERR
_UNWATCHED: Final = -1
_SMALL_BYTES: Final = 1 << 14
"""Reads below that are copied; where there is more, it is spliced."""
_CHUNK_BYTES: Final = 1 << 15
_READS: Final = 8
"""Chunks read before others get their turn."""


class Link:
    """From ``sock`` to the socket of ``other``, which is the other direction's source."""

    __slots__ = (
        "_counters",
        "_ending",
        "_is_bulk",
        "_is_up",
        "_outbox",
        "_pumping",
        "_recv",
        "_siphon",
        "_timer",
        "chain",
        "connection",
        "eof",
        "events",
        "fd",
        "has_ended",
        "other",
        "received",
        "sent",
        "sock",
        "stream",
    )

    other: Link

    def __init__(
        self,
        connection: Connection,
        stream: Literal["upstream", "downstream"],
        sock: socket.socket,
        destination: socket.socket,
    ) -> None:
        self.connection = connection
        self.stream: Literal["upstream", "downstream"] = stream
        self.sock = sock
        self.fd = sock.fileno()
        self._is_up = stream == "upstream"
        self._counters = connection.wire.counters
        self._recv = sock.recv
        self._outbox = Outbox(destination.send)
        self._siphon = Siphon(connection.pipes)
        self.chain: Chain | None = None
        self.received = 0
        self.sent = 0
        self.eof = False
        self.has_ended = False
        self.events = _UNWATCHED
        self._is_bulk = False
        self._ending: Ending | None = None
        self._timer: Timer | None = None
        self._pumping = False

    # what the loop tells

    def on_event(self, what: int) -> None:
        """Its source can be read, or written, or has died."""
        if what == _IN and self.chain is None and not self._is_bulk and not self._outbox:
            self._pass_on()
            return
        if what & _OUT:
            self.other.flush()
        if what & ~_OUT and not self.connection.is_closed:
            if not self._is_read():
                self._hung_up(what)
            elif self.chain is None:
                self._relay()
            else:
                self._read_chunks()

    def _hung_up(self, what: int) -> None:
        """Nobody wants to read it now, so it must not be told again and again."""
        if what & _ERR and not self.other.has_ended:
            self.other.abandon()
        if not self.connection.is_closed and self._wanted() == 0 and self.events != _UNWATCHED:
            self.connection.loop.forget(self.fd)
            self.events = _UNWATCHED

    def _is_read(self) -> bool:
        if self.eof or self._outbox:
            return False
        return self.chain.accepts() if self.chain is not None else self._siphon.has_room()

    def _wanted(self) -> int:
        other = self.other
        wanted = _IN if self._is_read() else 0
        return wanted | _OUT if other.is_blocked() else wanted

    def is_blocked(self) -> bool:
        """Whether it waits for its destination."""
        return bool(self._outbox) or len(self._siphon) > 0

    def watch(self) -> None:
        """Be told of what there is to do, and of nothing else."""
        wanted = self._wanted()
        if wanted == self.events or self.connection.is_closed:
            return
        if self.events == _UNWATCHED:
            if wanted == 0:
                return
            self.connection.loop.watch(self.fd, wanted, self.on_event)
        else:
            self.connection.loop.change(self.fd, wanted)
        self.events = wanted

    def _changed(self) -> None:
        if not self.connection.is_closed:
            self.watch()
            self.other.watch()

    # without toxics

    def _relay(self) -> None:
        if self._is_bulk or len(self._siphon):
            self._splice()
        else:
            self._pass_on()

    def _pass_on(self) -> None:
        """A small read and a write; where there is more, it is spliced from now on."""
        data = self._read(_SMALL_BYTES)
        if data is None:
            return
        self.write(data)
        if self._outbox:
            self._changed()
        elif len(data) == _SMALL_BYTES:
            self._is_bulk = True
            self._splice()

    def _splice(self) -> None:
        try:
            count = self._siphon.draw(self.fd)
        except OSError:
            self._lost()
            return
        if count == 0:
            self._source_ended(Ending.END)
            return
        self._is_bulk = count is not None and count >= _SMALL_BYTES
        if count is not None:
            self._count_received(count)
            self._pour()
        if len(self._siphon) or self.events != _IN or self.other.events != _IN:
            self._changed()

    def _pour(self) -> None:
        try:
            self._count_sent(self._siphon.pour(self.other.fd))
        except OSError:
            self.abandon()

    # with toxics

    def _read_chunks(self) -> None:
        chain = self.chain
        assert chain is not None
        for _ in range(_READS):
            data = self._read(_CHUNK_BYTES)
            if data is None:
                break
            now_ns = self.connection.loop.now_ns()
            chain.push(Chunk(self.received - len(data), data, now_ns), now_ns)
            if self.chain is not chain or len(data) < _CHUNK_BYTES or not self._is_read():
                break
        self._settle()

    def pump(self) -> None:
        """A moment has come, or the writer can be written to."""
        self._pumping = False
        if self.chain is not None and not self.has_ended and not self.connection.is_closed:
            now_ns = self.connection.loop.now_ns()
            self.chain.pump(now_ns)
            self._settle()

    def _settle(self) -> None:
        """Be woken when the chain has something to do, and watch for what it waits for."""
        if self.connection.is_closed:
            return
        wakes_ns = NEVER
        if self.chain is not None and not self.has_ended:
            wakes_ns = self.chain.wakes_ns()
        timer = self._timer
        if timer is None or timer.told is None or timer.at_ns != wakes_ns:
            if timer is not None:
                timer.cancel()
            self._timer = (
                None if wakes_ns == NEVER else self.connection.loop.at(wakes_ns, self.pump)
            )
        self.watch()
        self.other.watch()

    def is_ready(self) -> bool:
        """See :class:`harness.proxy.stage.Sink`."""
        return not self._outbox

    def hit(self, stage: Stage, offset: int) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        toxic = stage.toxic
        self.connection.note("hit", self.stream, toxic.name, offset, toxic.fault.type)

    def cut(self, stage: Stage, how: Ending) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.connection.note("cut", self.stream, stage.toxic.name, self.received, how.value)

    def again(self) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        if not self._pumping:
            self._pumping = True
            self.connection.loop.soon(self.pump)

    def restage(self, stages: tuple[Stage, ...], now_ns: int) -> None:
        """Toxics from now on; what has passed stays passed."""
        if self.has_ended or self.connection.is_closed:
            return
        is_quiet = self.events == _IN == self.other.events and self._timer is None
        chain = self.chain
        if chain is None:
            if not stages:
                return
            chain = self.chain = Chain(self)
            self._outbox.keep(self._siphon.drain())
        is_quiet = is_quiet and chain.is_idle()
        chain.restage(stages, now_ns)
        if not stages:
            self.chain = None
            self._is_bulk = False
        elif self.eof and self._ending is not None:
            chain.clear()  # its end has passed already, and waits for the writer
            self.chain = None
        elif not is_quiet or not chain.is_idle():
            is_quiet = False
            chain.pump(now_ns)
        if not is_quiet:
            self._settle()

    # reading and writing

    def _read(self, most_bytes: int) -> bytes | None:
        """Some bytes, or None: there are none now, or no more."""
        try:
            data = self._recv(most_bytes)
        except BlockingIOError:
            return None
        except OSError:
            self._lost()
            return None
        if not data:
            self._source_ended(Ending.END)
            return None
        self._count_received(len(data))
        return data

    def write(self, data: bytes) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        if self.has_ended:
            return
        try:
            self._count_sent(self._outbox.put(data))
        except OSError:
            self.abandon()

    def flush(self) -> None:
        """The destination can be written to."""
        try:
            self._count_sent(self._outbox.flush())
        except OSError:
            self.abandon()
            return
        if not self._outbox:
            self._pour()
        if not self.is_blocked() and not self.has_ended:
            if self._ending is not None:
                self._complete(self._ending)
            elif self.chain is not None:
                self.pump()
        self._changed()

    def _count_received(self, count: int) -> None:
        self.received += count
        counters = self._counters
        if self._is_up:
            counters.upstream_received_bytes += count
        else:
            counters.downstream_received_bytes += count

    def _count_sent(self, count: int) -> None:
        self.sent += count
        counters = self._counters
        if self._is_up:
            counters.upstream_sent_bytes += count
        else:
            counters.downstream_sent_bytes += count

    # ends

    def _source_ended(self, how: Ending) -> None:
        if self.connection.is_closed or self.has_ended or self.eof:
            return
        self.eof = True
        if self.chain is None:
            self.finish(how)
            return
        now_ns = self.connection.loop.now_ns()
        self.chain.push(Chunk(self.received, b"", now_ns, how), now_ns)
        self._settle()

    def finish(self, how: Ending) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        if self.connection.is_closed or self.has_ended:
            return
        self.eof = True
        self._ending = how
        if how is Ending.RESET or not self.is_blocked():
            self._complete(how)
        self._changed()

    def _complete(self, how: Ending) -> None:
        self.has_ended = True
        self.connection.note("end", self.stream, "", self.received, how.value)
        if how is not Ending.END:
            self.connection.close(how)
        elif self.other.has_ended:
            self.connection.close(Ending.END)
        else:
            with suppress(OSError):  # it has gone already
                self.other.sock.shutdown(socket.SHUT_WR)

    def _lost(self) -> None:
        """The source is gone, both ways."""
        if not self.other.has_ended:
            self.other.abandon()
        self._source_ended(Ending.CLOSE)

    def abandon(self) -> None:
        """The destination is gone: nothing more can be written, so nothing more is read."""
        if self.has_ended or self.connection.is_closed:
            return
        self.connection.note("end", self.stream, "", self.received, "abandoned")
        self.eof = self.has_ended = True
        self.release()
        if self.other.has_ended:
            self.connection.close(Ending.CLOSE)
        self._changed()

    def release(self) -> None:
        """Throw away what it holds."""
        self._outbox.clear()
        self._siphon.drop()
        if self.chain is not None:
            self.chain.clear()
            self.chain = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # views

    def held_bytes(self) -> int:
        """Read and neither written nor dropped."""
        held = len(self._outbox) + len(self._siphon)
        return held + (self.chain.held_bytes() if self.chain is not None else 0)

    def toxics(self) -> Sequence[Toxic]:
        """Those that hit it, in order."""
        return [stage.toxic for stage in self.chain.stages] if self.chain is not None else ()

    def view(self) -> LinkView:
        """As it is now."""
        how: Literal["spliced", "chain", "ended"] = "chain" if self.chain is not None else "spliced"
        return LinkView(
            self.connection.number,
            self.stream,
            self.received,
            self.sent,
            self.held_bytes(),
            "ended" if self.has_ended else how,
            tuple(toxic.name for toxic in self.toxics()),
        )
