"""A service that does on request what a fault shall hinder: ``service.py PORT FOLDER [child] [daemon]``.

``/`` answers; ``/note?NAME`` writes a file into its folder, ``/notes`` lists them; ``/grow?MIB`` takes so
much memory and keeps it; ``/abort?MIB`` the same, and ends if there is none; ``/open?N`` opens descriptors,
``/close`` closes them; ``/clock`` tells the wall clock. An error is a 500 with its name.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

FOLDER = Path(sys.argv[2])
KEPT: list[object] = []
OPENED: list[int] = []


def act(name: str, said: str) -> str:
    match name:
        case "/note":
            (FOLDER / said).write_bytes(b"x" * 10_000)
        case "/notes":
            return " ".join(sorted(each.name for each in FOLDER.iterdir()))
        case "/grow":
            KEPT.append(bytearray(int(said) << 20))
        case "/abort":
            try:
                KEPT.append(bytearray(int(said) << 20))
            except MemoryError:
                os.abort()
        case "/open":
            OPENED.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(int(said)))
        case "/close":
            while OPENED:
                os.close(OPENED.pop())
        case "/clock":
            return str(time.time_ns())
    return "done"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    line = (await reader.readline()).decode()
    while (await reader.readline()).strip():
        pass
    if line:
        path, _, said = line.split()[1].partition("?")
        status = "200 OK"
        try:
            body = act(path, said)
        except (MemoryError, OSError) as error:
            status, body = "500 Internal Server Error", f"{type(error).__name__} {error}"
            print(body, flush=True)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if "child" in sys.argv and not os.fork():
    if "daemon" in sys.argv:
        os.setsid()
        if os.fork():
            os._exit(0)
    while True:
        signal.pause()
asyncio.run(main())
