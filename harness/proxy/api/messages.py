"""Requests and answers as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from harness.proxy.api.gojson import encode

__all__ = ["Follow", "Request", "Response", "error", "json_response", "text_response"]

_TEXT: Final = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        target: path and query, as it came.
        headers: by lower-case name, the last of each.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Follow:
    """A body that goes on: events as they happen.

    Attributes:
        after: the number of the last one that is known.
        until: the number of the last one to be told; None goes on for ever.
    """

    after: int
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    Attributes:
        closes: the connection ends with it.
        follow: what comes after ``body``, for ever.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    closes: bool = False
    follow: Follow | None = None


def json_response(status: int, value: Any) -> Response:
    """Compact, as Go writes it, without a newline."""
    return Response(status, encode(value).encode(), (("Content-Type", "application/json"),))


def text_response(status: int, text: str, *, closes: bool = False) -> Response:
    """A plain text, as Go's ``http.Error`` writes it."""
    return Response(status, f"{text}\n".encode(), _TEXT, closes)


def error(status: int, text: str) -> Response:
    """An error of the API: JSON that is called a text, as Toxiproxy does."""
    return text_response(status, encode({"error": text, "status": status}))
