"""The same service as `web`, for WSGI servers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable


def app(environ: dict[str, str], start: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/nap":
        time.sleep(float(environ["QUERY_STRING"].partition("=")[2]))
    answer = os.getpid() if environ["PATH_INFO"] == "/pid" else time.monotonic_ns()
    body = str(answer).encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
