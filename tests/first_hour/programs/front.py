"""A front that hands each call on to a service behind it: ``front.py PORT BEHIND``."""

from __future__ import annotations

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Front(BaseHTTPRequestHandler):
    """Answers with what the service behind answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Hand one call on."""
        behind = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
        behind.request("GET", self.path, headers=dict(self.headers.items()))
        answer = behind.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Retry-After"):
            if answer.headers[name] is not None:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        behind.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """With room for a burst."""

    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Front).serve_forever()
