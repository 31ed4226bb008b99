"""For gunicorn: a breaker in each worker, five failures in a row, open for 3 s, one trial closes it."""

import http.client
import os
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

DEPENDENCY = urlsplit(os.environ["DEPENDENCY"])
FAILURES, OPEN_S = 5, 3.0


class Breaker:
    """One worker's own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.row = 0
        self.opened_s: float | None = None
        self.is_trying = False

    def lets_through(self) -> bool:
        with self.lock:
            if self.opened_s is None:
                return True
            if self.is_trying or time.monotonic() - self.opened_s < OPEN_S:
                return False
            self.is_trying = True
            return True

    def learns(self, *, failed: bool) -> None:
        with self.lock:
            self.row = self.row + 1 if failed else 0
            if not failed:
                self.opened_s = None
            elif self.is_trying or self.row >= FAILURES:
                self.opened_s = time.monotonic()
            self.is_trying = False


BREAKER = Breaker()


def ask(token: str) -> int:
    connection = http.client.HTTPConnection(DEPENDENCY.netloc, timeout=5)
    try:
        connection.request("GET", "/", headers={"X-Request-ID": token})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 504
    finally:
        connection.close()


def find(token: str) -> str:
    if not BREAKER.lets_through():
        return "503 Open"
    status = ask(token)
    BREAKER.learns(failed=status >= 500)
    return "502 Failed" if status >= 500 else f"{status} Said"


def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    is_call = environ["PATH_INFO"] == "/find"
    start(find(environ["HTTP_X_REQUEST_ID"]) if is_call else "200 OK", [("Content-Length", "0")])
    return [b""]
