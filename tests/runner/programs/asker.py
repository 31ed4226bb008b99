"""A small service that asks a dependency: once, again when it fails, or two at a time."""

import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, DEPENDENCY = int(sys.argv[1]), sys.argv[2]
TWO = threading.BoundedSemaphore(2)


def ask(token: str | None, timeout_s: float) -> int:
    request = urllib.request.Request(f"{DEPENDENCY}/item")
    if token is not None:
        request.add_header("X-Request-ID", token)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 504


def again(token: str | None) -> int:
    for wait_s in (0.1, 0.2, 0.4):
        status = ask(token, 5.0)
        if status < 500:
            return status
        time.sleep(wait_s)
    return ask(token, 5.0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # of a request that does not become whole

    def do_GET(self) -> None:
        token = self.headers["X-Request-ID"]
        match self.path.partition("?")[0]:
            case "/ask":
                status = ask(token, 5.0)
            case "/patient":
                status = ask(token, 3600.0)
            case "/tokenless":
                status = ask(None, 3600.0)
            case "/again":
                status = again(token)
            case "/two":
                status = self.two(token)
            case _:
                status = 200
        body = b"x" * (64 << 10 if self.path == "/long" else 2)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def two(self, token: str | None) -> int:
        if not TWO.acquire(blocking=False):
            return 429
        try:
            return ask(token, 3600.0)
        finally:
            TWO.release()

    def log_message(self, *words: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


Server(("127.0.0.1", PORT), Handler).serve_forever()
