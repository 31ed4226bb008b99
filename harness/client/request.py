"""What is sent, as a value, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import h11

from harness.errors import CouldNotRun
from harness.history import Headers

_DEFAULTS: Final = (("user-agent", "stormproof"), ("accept", "*/*"))
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One attempt on the wire.

    Host, Content-Length, User-Agent, Accept and, on a connection for this request alone,
    ``Connection: close`` are added where ``headers`` does not name them.

    Attributes:
        method: as in ``GET``.
        path: with its query, percent-encoded.
        headers: names and values in order, latin-1.
        body: sent with Content-Length.
        operation, caller, identity: go into the call's record as they are.
        source: local IP address to come from, None for the system's choice.
        forwarded: only recorded; the header itself stands in ``headers``.
        connection: None for a new connection, closed afterwards; a name for one that is kept alive
            and used again under (source, name).
        part: ``whole``; ``head``: without its body, or without its last empty line if it has none;
            ``half``: the first half of its bytes. A part is written and then held open, unread,
            until :meth:`Client.forget` or :meth:`Client.close`, unless ``leave`` says otherwise.
        leave: go away (close) when all is ``written``, or at the ``first_byte`` of the answer.
        slow: of a call under way: its answer is read a byte at a time, when it is told to.
        token: only recorded; what the call is known by where one of its parts carries it.
    """

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""
    operation: str
    caller: str
    identity: int | None = None
    source: str | None = None
    forwarded: str | None = None
    connection: str | None = None
    part: Literal["whole", "head", "half"] = "whole"
    leave: Literal["written", "first_byte"] | None = None
    slow: bool = False
    token: str | None = None


def encode(request: Request, host: str, parser: h11.Connection) -> bytes:
    """The bytes to write; ``parser`` learns what was asked, as the answer's framing depends on it.

    Args:
        request: what to send.
        host: value of the Host header, where the request names none.
        parser: in the client's role, idle.
    Raises:
        CouldNotRun: method, path or a header cannot stand in a request.
    """
    length = len(request.body) if request.body or request.method in _WITH_BODY else None
    alone = request.connection is None
    event = _head(request.method, request.path, request.headers, _added(host, length, alone=alone))
    head = parser.send(event)
    body = parser.send(h11.Data(request.body)) if request.body else b""
    end = parser.send(h11.EndOfMessage())
    return _part(request.part, head or b"", (body or b"") + (end or b""))


def _part(part: Literal["whole", "head", "half"], head: bytes, body: bytes) -> bytes:
    if part == "whole":
        return head + body
    if part == "head":
        return head if body else head.removesuffix(b"\r\n")
    return (head + body)[: len(head + body) // 2]


def _added(host: str, length: int | None, *, alone: bool) -> Headers:
    """Headers for a request that does not name them itself."""
    added = [("host", host), *_DEFAULTS]
    if length is not None:
        added.append(("content-length", str(length)))
    if alone:
        added.append(("connection", "close"))
    return tuple(added)


@lru_cache(maxsize=4096)
def _head(method: str, path: str, headers: Headers, added: Headers) -> h11.Request:
    given = {name.lower() for name, _ in headers}
    if "transfer-encoding" in given:
        given.add("content-length")
    pairs = [*(pair for pair in added if pair[0] not in given), *headers]
    try:
        return h11.Request(
            method=method,
            target=path,
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        )
    except (h11.LocalProtocolError, UnicodeError) as error:
        raise CouldNotRun(f"{method} {path!r} cannot be sent: {error}") from error
