"""From an answer to the bytes that are written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from harness.script import Answer, Usual, written

__all__ = ["Reply", "Wire"]

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({*range(100, 200), 204, 304})


@dataclass(frozen=True, slots=True)
class Wire:
    """What is written for one request.

    Attributes:
        at_once: what is written as soon as the answer begins.
        drip: what follows byte by byte.
        closes: the connection ends with it.
        headers: of the script, as they are written; names in lower case.
    """

    at_once: bytes
    drip: bytes
    closes: bool
    headers: tuple[tuple[str, str], ...]


class Reply:
    """An answer with what it leaves to the dependency's usual one filled in.

    Attributes:
        answer: as the script says it.
        status: that is written.
    """

    __slots__ = ("_body", "_headers", "_type", "_usual", "answer", "status")

    def __init__(self, answer: Answer, usual: Usual) -> None:
        is_usual = answer.body is None and answer.status == 200
        self.answer = answer
        self.status = usual.status if is_usual else answer.status
        self._headers = (*answer.headers, *(usual.headers if is_usual else ()))
        self._body = (usual.body if answer.body is None else answer.body).encode()
        self._type = usual.content_type if answer.content_type is None else answer.content_type
        self._usual: Wire | None = None

    @property
    def is_torn(self) -> bool:
        """Whether it ends before its time, or not where it says."""
        return self.answer.cut is not None or self.answer.length_off != 0

    def wire(self, method: str, *, keeps: bool, old: bool, wall_ns: int) -> Wire:
        """What is written to a request of this method.

        Args:
            keeps: its client would use the connection again.
            old: it speaks HTTP/1.0.
            wall_ns: the target's wall clock, for headers that name a date.
        """
        is_plain = keeps and not old and method != "HEAD"
        if is_plain and self._usual is not None:
            return self._usual
        headers = tuple((name, written(value, wall_ns)) for name, value in self._headers)
        closes = self.answer.close or not keeps
        head = self._head(headers, closes=closes, old=old)
        body = b"" if method == "HEAD" or self.status in _BODILESS else self._body
        at_once, drip = self._parts(head, body)
        own = tuple((name.lower(), value) for name, value in headers[: len(self.answer.headers)])
        wire = Wire(at_once, drip, closes, own)
        if is_plain and headers == self._headers:
            self._usual = wire
        return wire

    def _head(self, headers: tuple[tuple[str, str], ...], *, closes: bool, old: bool) -> bytes:
        named = {name.lower() for name, _ in headers}
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Scripted')}"]
        if "content-type" not in named and self.status not in _BODILESS:
            lines.append(f"Content-Type: {self._type}")
        has_length = not named & {"content-length", "transfer-encoding"}
        if has_length and (self.status not in _BODILESS or self.status == 304):
            length = max(0, len(self._body) + self.answer.length_off)
            lines.append(f"Content-Length: {length}")
        if "connection" not in named and (closes or old):
            lines.append(f"Connection: {'close' if closes else 'keep-alive'}")
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _parts(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Cut off where it shall be, and divided into what comes at once and what trickles."""
        if self.answer.cut == "before":
            return b"", b""
        if self.answer.cut == "within":
            head, body = (head, body[: len(body) // 2]) if body else (head[: len(head) // 2], b"")
        if not self.answer.trickle_ns:
            return head + body, b""
        whole = head + body
        first = 1 if self.answer.trickle == "all" else len(head)
        return whole[:first], whole[first:]
