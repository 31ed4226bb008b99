"""A ticket office on Starlette: ``tickets.py PORT``; five calls of a key in any two seconds, and says so.

Its OpenAPI document is written by hand; its limit stands in the headers of its answers.
"""

from __future__ import annotations

import sys
import time
from collections import deque

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MOST, WINDOW_S = 5, 2
POLICY = {"RateLimit-Policy": f'"each";q={MOST};w={WINDOW_S}'}
USED: dict[str, deque[float]] = {}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Ticket office", "version": "1"},
    "paths": {
        "/tickets": {
            "get": {
                "operationId": "listTickets",
                "summary": "All tickets that are left",
                "security": [{"key": []}],
                "responses": {
                    "200": {"description": "The tickets"},
                    "429": {"description": "Too many calls", "headers": {"Retry-After": {}}},
                },
            }
        },
        "/tickets/{number}": {"delete": {"operationId": "sell", "responses": {"204": {}}}},
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
}


async def document(_: Request) -> JSONResponse:
    """Where FastAPI has it, too."""
    return JSONResponse(DOCUMENT)


async def tickets(request: Request) -> JSONResponse:
    """The tickets, five times in two seconds."""
    times = USED.setdefault(request.headers.get("x-key", ""), deque(maxlen=MOST))
    now = time.monotonic()
    if len(times) == MOST and now - times[0] < WINDOW_S:
        wait_s = int(times[0] + WINDOW_S - now) + 1
        return JSONResponse({}, 429, {**POLICY, "Retry-After": str(wait_s)})
    times.append(now)
    return JSONResponse(["A1", "A2"], headers=POLICY)


app = Starlette(routes=[Route("/openapi.json", document), Route("/tickets", tickets)])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
