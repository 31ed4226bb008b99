"""A service that asks a witness at ``WITNESS`` (a port) again and again: ``attempts.py PORT``, WSGI or ASGI.

``/again?waits=0.1,0.2&timeout=5&token=TOKEN`` asks, and asks again after each wait while it fails;
``/pool`` and ``/executor`` do so in threads of an executor. The answer is the last status, or 504.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

POOL = ThreadPoolExecutor(32)
WITNESS = int(os.environ["WITNESS"])


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants."""

    waits_s: tuple[float, ...]
    timeout_s: float
    token: str

    @classmethod
    def of(cls, query: str) -> Asked:
        words = {name: value[0] for name, value in parse_qs(query).items()}
        waits_s = tuple(float(wait) for wait in words.get("waits", "").split(",") if wait)
        return cls(waits_s, float(words["timeout"]), words["token"])


def attempt(asked: Asked) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", WITNESS, timeout=asked.timeout_s)
    try:
        connection.request("GET", "/", headers={"X-Request-ID": asked.token})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 504
    finally:
        connection.close()


def again(asked: Asked) -> int:
    status = attempt(asked)
    for wait_s in asked.waits_s:
        if status < 500:
            break
        time.sleep(wait_s)
        status = attempt(asked)
    return status


async def attempt_async(asked: Asked) -> int:
    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", WITNESS)
        try:
            words = f"GET / HTTP/1.1\r\nHost: here\r\nX-Request-ID: {asked.token}\r\n\r\n"
            writer.write(words.encode())
            return int((await reader.readuntil(b"\r\n")).split()[1])
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(ask(), asked.timeout_s)
    except TimeoutError:
        return 504


async def again_async(asked: Asked) -> int:
    status = await attempt_async(asked)
    for wait_s in asked.waits_s:
        if status < 500:
            break
        await asyncio.sleep(wait_s)
        status = await attempt_async(asked)
    return status


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """For uvicorn."""
    del receive
    asked = Asked.of(scope["query_string"].decode())
    if scope["path"] == "/executor":
        status = await asyncio.get_running_loop().run_in_executor(POOL, again, asked)
    else:
        status = await again_async(asked)
    body = str(status).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def plain(environ: dict[str, str], start: Callable[..., object]) -> Iterable[bytes]:
    """For gunicorn."""
    body = str(again(Asked.of(environ["QUERY_STRING"]))).encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Handler(BaseHTTPRequestHandler):
    """A thread for each connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = Asked.of(url.query)
        is_pooled = url.path == "/pool"
        status = POOL.submit(again, asked).result(3600) if is_pooled else again(asked)
        body = str(status).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
