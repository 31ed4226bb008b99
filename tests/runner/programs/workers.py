"""The same for gunicorn: each worker asks its dependency, over a connection that it keeps."""

import http.client
import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

DEPENDENCY = urlsplit(os.environ["DEPENDENCY"])
KEPT = threading.local()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = str(os.getpid()).encode()
    status = "200 OK"
    if environ["PATH_INFO"] == "/patient":
        if not hasattr(KEPT, "connection"):
            KEPT.connection = http.client.HTTPConnection(DEPENDENCY.netloc)
        KEPT.connection.request(
            "GET", "/item", headers={"X-Request-ID": environ["HTTP_X_REQUEST_ID"]}
        )
        answer = KEPT.connection.getresponse()
        answer.read()
        status = f"{answer.status} Said"
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
