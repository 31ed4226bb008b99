"""What a contract writes about HTTP: calls, header fields and addresses."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_PATH: Final = re.compile(r"/[\x21\x22\x24-\x7e]*")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._~\[\]-]+")
_OURS: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})


def method_and_path(call: str) -> tuple[str, str]:
    """Split a call into its method and its path with query.

    Raises:
        ValueError: it is no ``METHOD /path``; the message says why.

    >>> method_and_path("GET /search?q={text}")
    ('GET', '/search?q={text}')
    """
    method, _, path = call.partition(" ")
    if method not in METHODS:
        close = get_close_matches(method.upper(), METHODS, n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ""
        raise ValueError(
            f"a call is METHOD /path, with one of {', '.join(METHODS)} and one space{hint}"
        )
    if not path.startswith("/"):
        raise ValueError(f"the path after {method} must begin with /, as in `{method} /health`")
    if not _PATH.fullmatch(path):
        raise ValueError(
            "a path holds no space, control character, # or letter beyond ASCII: "
            "percent-encode it, as in %20"
        )
    return method, path


def check_path(path: str) -> str:
    """``path`` itself, if it can be asked for with GET."""
    method_and_path(f"GET {path}")
    if "{" in path or "}" in path:
        raise ValueError("no {…} here: the path is asked for as it is")
    return path


def check_query_name(name: str) -> None:
    """Refuse a name of a query parameter that would have to be encoded."""
    if not _PARAMETER.fullmatch(name):
        raise ValueError(f"{name!r} is no query parameter: letters, digits and . _ ~ [ ] - only")


def check_header(name: str, value: str) -> None:
    """Refuse what cannot be sent as a header field.

    Raises:
        ValueError: the name is no token, the value has control characters, or the client writes it.
    Source: RFC 9110, section 5.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{name!r} is no header name: letters, digits and - only, no space or line break"
        )
    if name.lower() in _OURS:
        raise ValueError(f"the header {name} is written by Stormproof's client; leave it out")
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} holds a line break or another control character")


def check_url(url: str) -> str:
    """The base address of a running service, without a trailing slash.

    Raises:
        ValueError: it is more or less than ``http://host:port`` (or https); the message holds no credentials.

    >>> check_url("http://127.0.0.1:8000/")
    'http://127.0.0.1:8000'
    """
    shape = "write http://HOST:PORT, as in http://127.0.0.1:8000"
    if not re.fullmatch(r"[A-Za-z0-9.:/@?#%_~\[\]!$&'()*+,;=-]+", url):
        raise ValueError(f"an address has no space, brace or letter beyond ASCII: {shape}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"this is no address ({_reason(error)}): {shape}") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"only http and https can be called, not `{parts.scheme}`: {shape}")
    if "@" in parts.netloc:
        raise ValueError(
            f"no credentials in an address; use an identity with {{env.NAME}}: {shape}"
        )
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"host or port is missing, or the port is not 1 to 65535: {shape}")
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        raise ValueError(
            f"no path, query or fragment: those belong to `call` of an operation: {shape}"
        )
    return url.rstrip("/")


def _reason(error: ValueError) -> str:
    return "its port is not 1 to 65535" if "ort" in str(error) else "its brackets do not fit"
