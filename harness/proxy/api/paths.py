"""Paths of requests, as gorilla/mux reads them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

__all__ = ["BadPath", "Path", "read"]

_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_PLAIN: Final = "$&+,:;=@~"


class BadPath(ValueError):
    """It holds a percent sign that escapes nothing."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path.

    Attributes:
        segments: decoded, each by itself, so that a name may hold a slash; the last one is empty where
            the path ends with one.
        moved: where to find it instead, if it was not written as it should be; else empty.
        query: its parameters, the last of each.
    """

    segments: tuple[str, ...]
    moved: str
    query: dict[str, str]


def read(target: str) -> Path:
    """The path of a request's target.

    Raises:
        BadPath: it is none.

    >>> read("/proxies/a%2Fb?x=1")
    Path(segments=('proxies', 'a/b'), moved='', query={'x': '1'})
    >>> read("//proxies/./a/../b?x=1").moved
    '/proxies/b?x=1'
    """
    path, mark, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    if _ESCAPE.search(path):
        raise BadPath(target)
    parts = [unquote(part, errors="surrogateescape") for part in path.split("/")]
    first, *segments = parts
    clean = _clean(segments if first == "" else parts)
    is_moved = first != "" or clean != (segments or [""])
    moved = "/" + "/".join(quote(part, _PLAIN, errors="surrogateescape") for part in clean)
    return Path(
        tuple(clean),
        f"{moved}{mark}{query}" if is_moved else "",
        dict(parse_qsl(query, keep_blank_values=True)),
    )


def _clean(segments: list[str]) -> list[str]:
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    return [*kept, ""] if not kept or segments[-1] == "" else kept
