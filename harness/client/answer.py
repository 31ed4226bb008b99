"""Reads an answer out of the bytes that came: no sockets, no time."""

from __future__ import annotations

import re
from typing import Final

import h11

from harness.history import Headers

KEPT_BYTES: Final = 65_536
LONGEST_BYTES: Final = 10 << 20
_HEAD_BYTES: Final = 65_536
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r?\n")
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")


def new_parser() -> h11.Connection:
    """A parser for the client's side of one connection; heads over 64 KiB are refused."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)


class Answer:
    """One answer as far as it came.

    Attributes:
        status: of a complete status line that is not 1xx, else None.
        headers: names in lower case.
        body: the first 64 KiB.
        complete: it was read to its end.
        error: why it will not be, as in :class:`harness.history.Call`.
        received_bytes: all that came, also what was thrown away.
    """

    __slots__ = (
        "_body",
        "_parser",
        "_raw",
        "complete",
        "error",
        "headers",
        "received_bytes",
        "status",
    )

    def __init__(self, parser: h11.Connection) -> None:
        self._parser = parser
        self._raw = bytearray()  # the head, until it is parsed
        self._body = bytearray()
        self.status: int | None = None
        self.headers: Headers = ()
        self.complete = False
        self.error: str | None = None
        self.received_bytes = 0

    @property
    def body(self) -> bytes:
        """The first 64 KiB of the body."""
        return bytes(self._body)

    @property
    def done(self) -> bool:
        """Nothing more is wanted."""
        return self.complete or self.error is not None

    def feed(self, data: bytes) -> None:
        """Take what came; no bytes mean that the peer closed its side."""
        self.received_bytes += len(data)
        if self.status is None:
            self._raw += data
        try:
            self._parser.receive_data(data)
            while not self.done and self._take(self._parser.next_event()):
                pass
        except h11.RemoteProtocolError:
            self.fail("garbage" if data or not self._like_http() else "closed")
        if self.received_bytes > LONGEST_BYTES and not self.done:
            self.fail("garbage")

    def fail(self, error: str) -> None:
        """Give up; a status line that came whole is still a fact."""
        self.error = error
        if self.status is None:
            self.status = _status_in(bytes(self._raw))

    def reusable(self) -> bool:
        """Whether another request can follow on this connection; the parser is made ready for it."""
        parser = self._parser
        if not self.complete or parser.trailing_data[0]:
            return False
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
            return False
        parser.start_next_cycle()
        return True

    def _take(self, event: object) -> bool:
        """Note one event of the parser; False if it waits for more bytes."""
        if isinstance(event, h11.Data):
            self._body += event.data[: KEPT_BYTES - len(self._body)]
        elif isinstance(event, h11.Response):
            self._raw.clear()
            self.status = event.status_code
            self.headers = tuple(
                (k.decode("latin-1"), v.decode("latin-1")) for k, v in event.headers
            )
        elif isinstance(event, h11.EndOfMessage):
            self.complete = True
        elif event is h11.PAUSED:  # another protocol begins, which nobody here speaks
            self.fail("garbage")
        elif isinstance(event, h11.ConnectionClosed):
            self.fail("closed")
        return event is not h11.NEED_DATA

    def _like_http(self) -> bool:
        return self.status is not None or b"HTTP/1."[: len(self._raw)] == self._raw[:7]


def _status_in(head: bytes) -> int | None:
    """Status of the first whole status line that is not informational."""
    start = 0
    while (line := _STATUS_LINE.match(head, start)) is not None:
        if not line[1].startswith(b"1"):
            return int(line[1])
        blank = _BLANK_LINE.search(head, line.end() - 2)
        if blank is None:
            return None
        start = blank.end()
    return None
