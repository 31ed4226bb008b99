"""One request on its way, and the facts about it, until they are a call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.client.answer import Answer
from harness.client.request import encode
from harness.history import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.client.request import Request
    from harness.client.wire import Connection

Instant = tuple[int, int]
"""Target time and the target's wall clock, both in ns."""
_CHUNK_BYTES = 65_536


class Exchange:
    """A request, the connection it goes over, and what was seen so far.

    Attributes:
        connected: it has a connection, or one on its way.
        offset: bytes handed to the kernel.
        ended: nothing more is done for it; :meth:`call` may be asked.
        held: a part was sent, and the connection stays open.
        touched_s, began_s: monotonic moment of its last progress, and of its beginning.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.began_s = self.touched_s = time.monotonic()
        self.offset = 0
        self.connected = False
        self.ended = False
        self.held = False
        self._sent: Instant | None = None
        self._answered: Instant | None = None
        self._written_seq: int | None = None
        self._answered_seq: int | None = None
        self._written_ns = 0
        self._first_byte_ns: int | None = None
        self._last_byte_ns: int | None = None
        self._ended: tuple[int, int] | None = None

    def use(self, connection: Connection, host: str) -> None:
        """Go over this connection, from the first byte on."""
        self.connection = connection
        self.connected = True
        self.answer = Answer(connection.parser)
        self.data = encode(self.request, host, connection.parser)
        self.offset = 0

    def write(self, instant: Callable[[], Instant], next_seq: Callable[[], int]) -> bool:
        """Hand bytes to the kernel; True when it took the last one, or will take no more.

        Raises:
            OSError: it took none, since the connection broke before.
        """
        if self.offset == 0:
            self._sent = instant()
        at_ns = time.monotonic_ns()  # before: what the last byte causes comes later
        try:
            self.offset += self.connection.send(memoryview(self.data)[self.offset :])
        except BlockingIOError:
            return False
        except OSError:
            if self.offset == 0:
                raise
        else:
            if self.offset < len(self.data):
                return False
        self.wrote(next_seq, at_ns)
        return True

    def wrote(self, next_seq: Callable[[], int], at_ns: int | None = None) -> None:
        """No more will be written, or nothing for now; ``at_ns`` is when, on the machine's clock."""
        self._written_ns = time.monotonic_ns() if at_ns is None else at_ns
        self._written_seq = next_seq()

    def read(self, instant: Callable[[], Instant], most: int = _CHUNK_BYTES) -> bool:
        """Take what came, at most so many bytes; True when nothing more is wanted."""
        try:
            data = self.connection.receive(most)
        except BlockingIOError:
            return False
        except OSError:
            self.answer.fail("reset")
        else:
            if data:
                self._last_byte_ns = time.monotonic_ns()
                self._first_byte_ns = self._first_byte_ns or self._last_byte_ns
            self.answer.feed(data)
            if data and self.request.leave == "first_byte":
                self.answer.fail("left")
        if self._answered is None and self.answer.status is not None:
            self._answered = instant()
        return self.answer.done

    def end(
        self, error: str | None, instant: Callable[[], Instant], next_seq: Callable[[], int]
    ) -> None:
        """Nothing more is done for it; ``error`` says why, unless its answer says it already."""
        if error is not None and not self.answer.done:
            self.answer.fail(error)
        if self._sent is None:
            self._sent = instant()
        if self._written_seq is None:
            self.wrote(next_seq)
        if self._answered is None and self.answer.status is not None:
            self._answered = instant()
        if not self.held:
            self._answered_seq = next_seq()
            self._ended = time.monotonic_ns(), instant()[0]
        self.ended = True

    def reusable(self) -> bool:
        """Whether its connection can carry another request."""
        whole = self.request.part == "whole" and self.offset == len(self.data)
        return whole and self.answer.error is None and self.answer.reusable()

    def call(self) -> Call:
        """The facts, as far as they are known."""
        assert self._sent is not None
        assert self._written_seq is not None
        request, answer = self.request, self.answer
        return Call(
            operation=request.operation,
            caller=request.caller,
            identity=request.identity,
            source=self.connection.peer_sees,
            forwarded=request.forwarded,
            connection=self.connection.number,
            written_seq=self._written_seq,
            answered_seq=self._answered_seq,
            written_ns=self._written_ns,
            first_byte_ns=self._first_byte_ns,
            last_byte_ns=self._last_byte_ns,
            sent_target_ns=self._sent[0],
            answered_target_ns=None if self._answered is None else self._answered[0],
            sent_wall_ns=self._sent[1],
            answered_wall_ns=None if self._answered is None else self._answered[1],
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            complete=answer.complete,
            error=answer.error,
            written=self.offset > 0,
            token=request.token,
            ended_ns=None if self._ended is None else self._ended[0],
            ended_target_ns=None if self._ended is None else self._ended[1],
        )
