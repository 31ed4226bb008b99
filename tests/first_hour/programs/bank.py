"""A service with a login: ``bank.py PORT [OPTION...]``; a token allows five calls in ten seconds.

Options, each a way in which logins go wrong or differ: ``wrong-password``, ``same-token``,
``header``, ``cookie``, ``html``, ``no-token``, ``counts-login``, ``short``, ``shared``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

PORT, OPTIONS = int(sys.argv[1]), set(sys.argv[2:])
LOCK = Lock()
USERS: dict[str, tuple[str, float]] = {}
USED: dict[str, deque[float]] = {}


class Bank(BaseHTTPRequestHandler):
    """``POST /login`` yields a token, ``GET /account`` wants one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Log in."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if said["password"] != "open sesame" or "wrong-password" in OPTIONS:
            self.answer(401, {"error": "no", "echo": said})
            return
        user = said["user"]
        token = f"token-of-{'all' if 'same-token' in OPTIONS else user}"
        with LOCK:
            USERS[token] = user, time.monotonic()
            if "counts-login" in OPTIONS:
                self.wait_s(user)
        if "html" in OPTIONS:
            self.answer(200, "<html>welcome", {"Content-Type": "text/html"})
        elif "header" in OPTIONS:
            self.answer(200, {}, {"X-Token": token})
        elif "cookie" in OPTIONS:
            self.answer(200, {}, {"Set-Cookie": f"session={token}; HttpOnly; Path=/"})
        elif "no-token" in OPTIONS:
            self.answer(200, {"session": token})
        else:
            self.answer(200, {"data": [{"access~token": token}]})

    def do_GET(self) -> None:
        """The account of whoever holds the token."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        token = self.headers.get("Cookie", token).removeprefix("session=")
        with LOCK:
            user, since = USERS.get(token, (None, 0.0))
            if user is None or ("short" in OPTIONS and time.monotonic() - since >= 15):
                self.answer(401, {"error": "who are you"})
                return
            wait_s = self.wait_s("all" if "shared" in OPTIONS else user)
        if wait_s:
            self.answer(429, {"error": "slow down"}, {"Retry-After": str(int(-(-wait_s // 1)))})
        else:
            self.answer(200, {"account": user})

    def wait_s(self, user: str) -> float:
        """Count a call, or say how long it would have to wait."""
        times = USED.setdefault(user, deque(maxlen=5))
        now = time.monotonic()
        if len(times) == 5 and now - times[0] < 10:
            return times[0] + 10 - now
        times.append(now)
        return 0.0

    def answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        """Write an answer."""
        payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """With room for a burst."""

    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Bank).serve_forever()
