"""A small ASGI service: ``/now`` and ``/nap?s=SECONDS`` say the monotonic ns, ``/pid`` the pid."""

from __future__ import annotations

import asyncio
import os
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def now(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(time.monotonic_ns()))


async def nap(request: Request) -> PlainTextResponse:
    await asyncio.sleep(float(request.query_params["s"]))
    return PlainTextResponse(str(time.monotonic_ns()))


async def pid(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(os.getpid()))


app = Starlette(routes=[Route("/now", now), Route("/nap", nap), Route("/pid", pid)])
