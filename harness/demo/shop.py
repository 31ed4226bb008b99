"""A shop that serves ten baskets to a customer in any ten seconds: ``python shop.py --port PORT``.

Nothing but the standard library, so that the demo runs wherever Stormproof does. ``--limiter fixed``
counts in fixed windows in place of a log: a common shortcut, which admits twice as much at a border.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Final, Protocol

NS_PER_S: Final = 1_000_000_000
MOST: Final = 10
WINDOW_NS: Final = 10 * NS_PER_S


class Limiter(Protocol):
    """Decides on the calls of all customers, one by one."""

    def wait_ns(self, customer: str, now_ns: int) -> int:
        """Admit and count a call (0), or say how long it would have to wait, uncounted."""
        ...


class SlidingLog:
    """At most ``MOST`` calls of a customer in any ``WINDOW_NS``: the times of the latest are kept."""

    def __init__(self) -> None:
        self._admitted: dict[str, deque[int]] = {}

    def wait_ns(self, customer: str, now_ns: int) -> int:
        """Admit and count a call (0), or say how long it would have to wait, uncounted."""
        times = self._admitted.setdefault(customer, deque(maxlen=MOST))
        if len(times) == MOST and now_ns - times[0] < WINDOW_NS:
            return times[0] + WINDOW_NS - now_ns
        times.append(now_ns)
        return 0


class FixedWindows:
    """At most ``MOST`` calls of a customer in each window, which begins with the first call in it."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int]] = {}

    def wait_ns(self, customer: str, now_ns: int) -> int:
        """Admit and count a call (0), or say how long it would have to wait, uncounted."""
        began_ns, count = self._windows.get(customer, (now_ns, 0))
        if now_ns - began_ns >= WINDOW_NS:
            began_ns, count = now_ns, 0
        if count == MOST:
            return began_ns + WINDOW_NS - now_ns
        self._windows[customer] = began_ns, count + 1
        return 0


LIMITERS: Final[Mapping[str, type[Limiter]]] = {"sliding": SlidingLog, "fixed": FixedWindows}


class Shop(ThreadingHTTPServer):
    """Serves ``/basket``, which is limited, and ``/health``, which is not."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, limiter: Limiter) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._limiter = limiter
        self._lock = Lock()

    def wait_ns(self, customer: str) -> int:
        """One call of a customer, now."""
        with self._lock:
            return self._limiter.wait_ns(customer, time.monotonic_ns())


class Handler(BaseHTTPRequestHandler):
    """Answers the calls of one connection."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        """Answer one call."""
        if self.path == "/health":
            self.answer(200, {"status": "healthy"})
        elif self.path != "/basket":
            self.answer(404, {"error": "not_found"})
        elif customer := self.headers.get("X-Customer"):
            self.answer_customer(self.server.wait_ns(customer))
        else:
            self.answer(401, {"error": "who_are_you"})

    def answer_customer(self, wait_ns: int) -> None:
        """The basket, or how many whole seconds to wait for it."""
        if wait_ns:
            retry_after_s = -(-wait_ns // NS_PER_S)
            self.answer(429, {"error": "too_many"}, {"Retry-After": str(retry_after_s)})
        else:
            self.answer(200, {"basket": ["apples", "pears"]})

    def answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Write a JSON answer."""
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in http.server)
        """Say nothing: a line for each call would bury what matters."""


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A shop with a rate limit.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limiter", choices=sorted(LIMITERS), default="sliding")
    given = parser.parse_args()
    Shop(given.port, LIMITERS[given.limiter]()).serve_forever()


if __name__ == "__main__":
    main()
