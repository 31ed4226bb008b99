"""A service that describes itself: ``described.py PORT SETTINGS``, the settings a JSON file.

``answers`` maps a path to ``[status, headers, body]``; a body is a text or JSON; one that is a number
is that many megabytes of spaces. Each call is printed as one line, ``METHOD PATH``.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ANSWERS = json.loads(Path(sys.argv[2]).read_text())["answers"]
MEGABYTE = b" " * 1_000_000


class Described(BaseHTTPRequestHandler):
    """Answers as the settings say."""

    def do_GET(self) -> None:
        """Answer, and print what was asked."""
        print(self.command, self.path, flush=True)
        status, headers, body = ANSWERS.get(self.path, [404, {}, "nothing here"])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if isinstance(body, int):
            try:
                for _ in range(body):
                    self.wfile.write(MEGABYTE)
            except ConnectionError:
                return
        else:
            self.wfile.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())

    do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many at once."""

    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1])), Described)
print(server.server_port, file=sys.stderr, flush=True)
server.serve_forever()
