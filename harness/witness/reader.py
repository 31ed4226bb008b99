"""From bytes to whole requests. No sockets: bytes come in, requests go out."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from harness.script import TOKEN, token_in

__all__ = ["BODY_MOST_BYTES", "HEAD_MOST_BYTES", "Reader", "Request"]

HEAD_MOST_BYTES: Final = 65_536
BODY_MOST_BYTES: Final = 64 << 20
KEPT_BYTES: Final = 4096
_TOKEN_BYTES: Final = 64
_NOTHING: Final = sha256().hexdigest()
_BAD, _BODY_TOO_LARGE, _HEAD_TOO_LARGE = 400, 413, 431


class Request:
    """One request; the attributes that an :class:`harness.history.Arrival` has too mean the same.

    Attributes:
        keeps: its client would use the connection again.
        old: it speaks HTTP/1.0.
    """

    __slots__ = ("body", "digest", "headers", "keeps", "method", "old", "path", "token")

    def __init__(self) -> None:
        self.method = self.path = ""
        self.headers: list[tuple[str, str]] = []
        self.token: str | None = None
        self.body = b""
        self.digest = _NOTHING
        self.keeps = True
        self.old = False


class Reader:
    """The requests of one connection.

    A head or a body that is too large is refused as soon as that is seen: a head that comes in
    pieces after 128 KiB at the latest.

    Attributes:
        refused: the status with which the connection must be turned away, once what came is no HTTP
            or too large; None while all is well. What comes after it is dropped.
        partial: a request has begun and is not whole.
    """

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._whole: list[Request] = []
        self._request = Request()
        self._url = b""
        self._body: _Body | None = None
        self._head_bytes = 0
        self._in_head = False
        self._is_last = False  # its client uses the connection no more
        self._upgrades = False
        self._replays = False
        self._waits = False
        self.partial = False
        self.refused: int | None = None

    def close(self) -> None:
        """Let go of the parser, which holds on to us."""
        del self._parser

    def feed(self, data: bytes) -> list[Request]:
        """The requests that are whole with these bytes, in order."""
        if self._in_head:
            self._head_bytes += len(data)
        while data and not self._is_last and self.refused is None:
            data = self._parse(data)
        if self._in_head and self._head_bytes > HEAD_MOST_BYTES:
            self.refused = self.refused or _HEAD_TOO_LARGE
        whole, self._whole = self._whole, []
        return whole

    def takes_continue(self) -> bool:
        """Whether the client waits for ``100 Continue``; said once for each request."""
        waits, self._waits = self._waits, False
        return waits and self.partial

    def _parse(self, data: bytes) -> bytes:
        """What is left for another parser: most often nothing."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as stop:
            return self._not_upgraded() + data[stop.args[0] :]
        except HttpParserError:
            if not self._is_last:
                self.refused = self.refused or _BAD
        return b""

    def _not_upgraded(self) -> bytes:
        """We speak nothing else: the same head again without its Upgrade, for a new parser."""
        self._parser = HttpRequestParser(self)
        if not self.partial:  # CONNECT
            return b""
        self._replays = True
        lines = [f"{self._request.method} {self._url.decode('latin-1')} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._request.headers if name != "upgrade"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    # what the parser calls

    def on_message_begin(self) -> None:
        """Its first byte."""
        if not self._replays:
            self._request, self._body, self._url = Request(), None, b""
            self._head_bytes = 0
            self._in_head = self.partial = True

    def on_url(self, part: bytes) -> None:
        """A part of its target."""
        if not self._replays:
            self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header."""
        if not self._replays:
            text = value.decode("latin-1").rstrip(" \t")
            self._request.headers.append((name.lower().decode("latin-1"), text))

    def on_headers_complete(self) -> None:
        """The empty line was read."""
        self._in_head = False
        self._upgrades = self._parser.should_upgrade()
        if self._replays:
            self._replays = False
            return
        request = self._request
        request.method = self._parser.get_method().decode("latin-1")
        request.path = _path_of(self._url)
        lines = [f"{name}: {value}" for name, value in request.headers]
        if len(self._url) + sum(map(len, lines)) + 2 * len(lines) > HEAD_MOST_BYTES:
            self.refused = _HEAD_TOO_LARGE
        request.token = token_in("\n".join([request.path, *lines]))
        self._waits = any(
            name == "expect" and value.lower() == "100-continue" for name, value in request.headers
        )

    def on_body(self, part: bytes) -> None:
        """A part of its body, without the marks of chunks."""
        if self._body is None:
            self._body = _Body()
        self._body.add(part)
        if self._body.size > BODY_MOST_BYTES:
            self.refused = _BODY_TOO_LARGE

    def on_message_complete(self) -> None:
        """It is whole, unless it only hopes for another protocol."""
        request = self._request
        if self.refused is not None or (self._upgrades and request.method != "CONNECT"):
            return
        request.keeps = self._parser.should_keep_alive() or self._upgrades
        request.old = self._parser.get_http_version() == "1.0"
        if self._body is not None:
            request.body, request.digest = self._body.kept, self._body.digest.hexdigest()
            request.token = request.token or self._body.token()
        self._is_last = not request.keeps
        self.partial = False
        self._whole.append(request)


class _Body:
    """What is kept of a body: its beginning, its digest, the first token in it."""

    __slots__ = ("_tail", "_token", "digest", "kept", "size")

    def __init__(self) -> None:
        self.size = 0
        self.kept = b""
        self.digest = sha256()
        self._token: str | None = None
        self._tail = ""

    def add(self, part: bytes) -> None:
        """The next part of it."""
        self.size += len(part)
        self.digest.update(part)
        if len(self.kept) < KEPT_BYTES:
            self.kept += part[: KEPT_BYTES - len(self.kept)]
        if self._token is None:
            self._look(self._tail + part.decode("latin-1"))

    def token(self) -> str | None:
        """The first one, now that nothing more comes."""
        return self._token or token_in(self._tail)

    def _look(self, text: str) -> None:
        """A token at the very end may go on in the next part."""
        found = TOKEN.search(text)
        if found is not None and found.end() < len(text):
            self._token = token_in(found[0])
        self._tail = text[-_TOKEN_BYTES:] if found is None else found[0]


def _path_of(url: bytes) -> str:
    """Path and query, also where a client that takes us for a proxy names the whole address."""
    if url.startswith((b"http://", b"https://")):
        parsed = parse_url(url)
        url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
    return url.decode("latin-1")
