"""The demo's shop with a breaker before the prices that it asks for, and with bad manners on demand.

``python -m tests.kill.shop --port PORT [--manner MANNER]... [--limiter fixed]``; the manners:

- ``deaf``: it ignores every signal that can be ignored;
- ``away``: it leaves a companion behind, deaf, that forked twice into a session and a group of its
  own, listens on a port, and made a FIFO in the temporary folder;
- ``bare``: it leaves a companion behind, deaf, in a group of its own, that closed all that it was
  given and has an empty environment; its parent is the shop;
- ``lost``: like ``bare``, but it also forked twice into a session of its own, so that nothing on
  the machine says any more where it came from.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import sys
import tempfile
import time
from math import inf
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from harness.demo.shop import LIMITERS, Handler, Shop

FAILURES: Final = 2
RECOVERY_S: Final = 5.0
CALL_TIMEOUT_S: Final = 2.0
MANNERS: Final = ("deaf", "away", "bare", "lost")
IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
IDLE: Final = ("-S", "-E", "-I", "-c", "import signal\nwhile True: signal.pause()")


class Breaker:
    """Opens after ``FAILURES`` failures in a row, for ``RECOVERY_S``; then one call is the trial.

    What a call found counts only in the period that it began in: a late success closes nothing.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures = 0
        self._period = 0
        self._opened_s: float | None = None

    def begin(self) -> int | None:
        """The period that a call begins in, None if it is refused."""
        with self._lock:
            if self._opened_s is not None:
                if time.monotonic() < self._opened_s + RECOVERY_S:
                    return None
                self._opened_s = inf  # until the trial has ended
                self._period += 1
            return self._period

    def end(self, period: int, *, well: bool) -> None:
        """A call that was let through has ended."""
        with self._lock:
            if period != self._period:
                return
            is_trial = self._opened_s is not None
            self._failures = 0 if well else self._failures + 1
            if self._failures >= FAILURES or (is_trial and not well):
                self._opened_s = time.monotonic()
                self._period += 1
            elif is_trial:
                self._opened_s = None
                self._period += 1


class Answers(Handler):
    """Answers ``/price`` too, with what the dependency says."""

    breaker: Final = Breaker()

    def do_GET(self) -> None:  # noqa: N802 (the name in http.server)
        """Answer one call."""
        if self.path != "/price":
            super().do_GET()
        elif (period := self.breaker.begin()) is None:
            self.answer(503, {"error": "circuit_open"})
        else:
            well = asked(self.headers.get("X-Request-ID", ""))
            self.breaker.end(period, well=well)
            self.answer(200 if well else 502, {"price": 7} if well else {"error": "no_price"})


def asked(token: str) -> bool:
    """Whether the dependency answered well to a call with this token."""
    url = urlsplit(os.environ["PRICES_URL"])
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=CALL_TIMEOUT_S)
    try:
        connection.request("GET", "/", headers={"X-Request-ID": token})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return answer.status < 500
    finally:
        connection.close()


def companion(*, away: bool, bare: bool) -> None:
    """Leave a deaf process behind; returns when it has become what it wants to be."""
    ready, said = os.pipe()
    if os.fork():
        os.close(said)
        os.read(ready, 1)
        os.close(ready)
        return
    if away:
        os.setsid()
        if os.fork():
            os._exit(0)
    os.setpgid(0, 0)
    if bare:
        os.chdir("/")
        os.closerange(0, 256)
        os.execve(sys.executable, [sys.executable, *IDLE], {})
    listener = socket.create_server(("127.0.0.1", 0))
    os.mkfifo(f"{tempfile.gettempdir()}/fifo-{os.getpid()}")
    os.close(said)
    while listener:
        signal.pause()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A shop with bad manners.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limiter", choices=sorted(LIMITERS), default="sliding")
    parser.add_argument("--manner", choices=MANNERS, action="append", default=[])
    given = parser.parse_args()
    if given.manner:
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
    for manner in given.manner:
        if manner != "deaf":
            companion(away=manner != "bare", bare=manner != "away")
    shop = Shop(given.port, LIMITERS[given.limiter]())
    shop.RequestHandlerClass = Answers
    shop.serve_forever()


if __name__ == "__main__":
    main()
