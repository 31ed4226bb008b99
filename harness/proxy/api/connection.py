"""One connection to the control plane: requests in, answers out, in order. Never waits."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import h11

from harness.proxy.api.messages import Follow, Request, Response, text_response
from harness.proxy.api.tail import lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.proxy.wires import Events

__all__ = ["BODY_MOST_BYTES", "Connection", "House"]

BODY_MOST_BYTES: Final = 8 << 20
_HEAD_MOST_BYTES: Final = 65_536
_READ_BYTES: Final = 65_536
_IDLE_S: Final = 60
_REQUEST_S: Final = 15
_ANSWER_S: Final = 30
_LINGER_S: Final = 1
_SERVER: Final = "stormproof"
_TURN_EVENTS: Final = 24
_BODYLESS: Final = {204, 304}
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"),)


class House(Protocol):
    """What a connection needs of its server."""

    @property
    def events(self) -> Events:
        """What happened on the wires."""

    def answer(self, connection: Connection, request: Request) -> Response | None:
        """None: not yet; :meth:`Connection.late_answer` will be called."""

    def wants(self, connection: Connection, events: int) -> None:
        """Which events of its socket it waits for from now on."""

    def expects(self, connection: Connection, within_s: float | None) -> None:
        """Call :meth:`Connection.on_late` unless something else is said until then; None never does."""

    def soon(self, told: Callable[[], None]) -> None:
        """Call it in the next turn."""

    def left(self, connection: Connection) -> None:
        """It is over: close its socket."""


class Connection:
    """Reads requests, has them answered, writes the answers.

    Attributes:
        sock: non-blocking.
        is_open: the server still looks after it.
    """

    def __init__(self, sock: socket.socket, house: House) -> None:
        self.sock = sock
        self.is_open = True
        self._house = house
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_MOST_BYTES)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._out = b""
        self._following: Follow | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self._events = select.EPOLLIN
        self._is_asking = self._is_begun = self._is_behind = self._is_leaving = self._is_head = (
            False
        )
        house.expects(self, _IDLE_S)

    def on_event(self, events: int) -> None:
        """Something happened on the socket: room to write, bytes, or its end."""
        if events & select.EPOLLOUT:
            self._write()
            self._serve()
        if self.is_open and events & ~select.EPOLLOUT:
            self._read()

    def on_late(self) -> None:
        """It took too long. A body that does not become whole is answered as Toxiproxy does."""
        if self._request is not None and not self._out and not self._is_leaving:
            self.respond(Response(503, closes=True))
        else:
            self.close()

    def close(self) -> None:
        """Whatever is under way. May be called again."""
        if self.is_open:
            self.is_open = False
            self._unwatch()
            self._house.left(self)

    # in

    def _read(self) -> None:
        if self._is_behind:
            return  # first what has come already
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self._is_leaving or self._following is not None:
            if not data:
                self.close()
            return
        if not data and (self._is_asking or self._out):
            self.close()  # nobody reads the answer
            return
        with suppress(h11.RemoteProtocolError):  # after its end: next_event says so too
            self._http.receive_data(data)
        if data and not self._is_begun:
            self._is_begun = True
            self._house.expects(self, _REQUEST_S)
        self._serve()

    def _serve(self) -> None:
        """Requests that are whole, one after another; after some of them it is others' turn."""
        self._is_behind = False
        for _ in range(_TURN_EVENTS):
            if not self.is_open or self._is_asking or self._is_leaving or self._out:
                return
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            if event is h11.NEED_DATA:
                self._encourage()
                return
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                self.close()
                return
            self._take(event)
        self._is_behind = True
        self._house.soon(self._serve)

    def _take(self, event: h11.Event | type[h11.NEED_DATA | h11.PAUSED]) -> None:
        if isinstance(event, h11.Request):
            self._request, self._body = event, bytearray()
            self._is_head = event.method == b"HEAD"
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > BODY_MOST_BYTES:
                self.respond(text_response(413, "413 Request Entity Too Large", closes=True))
        elif isinstance(event, h11.EndOfMessage) and self._request is not None:
            asked, self._request = self._request, None
            headers = {name.decode(): value.decode("latin-1") for name, value in asked.headers}
            target = asked.target.decode("latin-1")
            self._is_asking = True
            self._house.expects(self, None)
            answer = self._house.answer(
                self, Request(asked.method.decode(), target, headers, bytes(self._body))
            )
            if answer is not None:
                self.respond(answer)
            else:
                self._want(0)

    def _encourage(self) -> None:
        """A client that asks for it is told to send its body."""
        if self._http.they_are_waiting_for_100_continue:
            self._send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            self._write()

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """It is no HTTP: said as Go does, without an id."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.close()
            return
        text = f"{error.error_status_hint} {HTTPStatus(error.error_status_hint).phrase}"
        if "Host" in str(error):
            text += ": missing required Host header"
        self.respond(Response(error.error_status_hint, text.encode(), _TEXT, closes=True))

    # out

    def late_answer(self, answer: Response) -> None:
        """The one that :meth:`House.answer` had not yet."""
        if self.is_open:
            self.respond(answer)
            self._serve()

    def respond(self, answer: Response) -> None:
        """Write it, or begin to."""
        self._is_asking, self._request = False, None
        headers = [*answer.headers, ("Date", formatdate(usegmt=True)), ("Server", _SERVER)]
        if answer.follow is None and answer.status not in _BODYLESS:
            headers.append(("Content-Length", str(len(answer.body))))
        if answer.closes:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(answer.status).phrase.encode()
        self._send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
        if answer.body and answer.status not in _BODYLESS and not self._is_head:
            self._send(h11.Data(data=answer.body))
        if answer.follow is None:
            self._send(h11.EndOfMessage())
        else:
            self._following = answer.follow
            if answer.follow.until is None:
                self._unwatch = self._house.events.watch(self._write)
        self._write()

    def _send(self, event: h11.Event) -> None:
        self._out += self._http.send(event) or b""

    def _write(self) -> None:
        """What can be; told again when there is room."""
        while self.is_open:
            if not self._out:
                self._refill()
            if not self._out:
                self._on_written()
                return
            try:
                sent = self.sock.send(self._out)
            except BlockingIOError:
                self._want(select.EPOLLOUT)
                self._house.expects(self, _ANSWER_S)
                return
            except OSError:
                self.close()
                return
            self._out = self._out[sent:]

    def _refill(self) -> None:
        """The next events, once those before them have left."""
        if self._following is None:
            return
        data, after = lines(self._house.events, self._following)
        if data:
            self._following = replace(self._following, after=after)
            self._send(h11.Data(data=data))
        elif self._following.until is not None:
            self._following = None
            self._send(h11.EndOfMessage())

    def _on_written(self) -> None:
        self._want(select.EPOLLIN)
        if self._following is not None:
            self._house.expects(self, None)
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._is_begun = bool(self._http.trailing_data[0])
            self._house.expects(self, _REQUEST_S if self._is_begun else _IDLE_S)
        elif self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self._leave()

    def _leave(self) -> None:
        """Nothing more is said. What still comes is read and dropped, so that the answer is not."""
        self._is_leaving = True
        self._house.expects(self, _LINGER_S)
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def _want(self, events: int) -> None:
        if events != self._events:
            self._events = events
            self._house.wants(self, events)
