"""A few harmless looks at a running service: plain GETs, counted and bounded, one after another."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import httpx

from harness.errors import CouldNotRun
from harness.history import Headers
from harness.targets import AttachedTarget

REQUESTS_MAX: Final = 10
_PATIENCE_S: Final = 20.0
_SILENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a GET was answered with.

    Attributes:
        status: of the answer.
        headers: names in lower case.
        body: as far as it was wanted.
        is_whole: it was read to its end.
    """

    status: int
    headers: Headers
    body: bytes
    is_whole: bool


class Looker:
    """Makes at most ``REQUESTS_MAX`` calls to one target; follows no redirect and uses no proxy.

    Args:
        target: on loopback or allowed, and already found to answer.
        authority: value of the Host header.
    """

    def __init__(self, target: AttachedTarget, authority: str) -> None:
        self.left = REQUESTS_MAX
        self._secured = target.secured
        host = f"[{target.host}]" if ":" in target.host else target.host
        scheme = "http" if target.secured is None else "https"
        self._client = httpx.Client(
            base_url=f"{scheme}://{host}:{target.port}",
            headers={"Host": authority, "User-Agent": "stormproof", "Accept-Encoding": "identity"},
            timeout=_SILENCE_S,
            trust_env=False,
            verify=True if target.secured is None else target.secured.context,
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def get(self, path: str, most_bytes: int) -> Look | None:
        """GET a path; None where no call is left, or no answer came.

        Args:
            path: with query, percent-encoded.
            most_bytes: of the body; the rest is not read.
        """
        if self.left <= 0:
            return None
        self.left -= 1
        until = time.monotonic() + _PATIENCE_S
        named = {} if self._secured is None else {"sni_hostname": self._secured.name}
        body = bytearray()
        try:
            with self._client.stream("GET", path, extensions=named) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > most_bytes or time.monotonic() > until:
                        break
                headers = tuple((name.lower(), value) for name, value in answer.headers.items())
                is_whole = answer.is_stream_consumed and len(body) <= most_bytes
                return Look(answer.status_code, headers, bytes(body[:most_bytes]), is_whole)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None

    def must_get(self, path: str, most_bytes: int) -> Look:
        """The same, for a path that somebody named.

        Raises:
            CouldNotRun: there is no answer.
        """
        found = self.get(path, most_bytes)
        if found is None:
            raise CouldNotRun(f"GET {path} had no answer")
        return found
