"""Writes in two parts and reads, on a socket with Nagle's algorithm: ``client PORT`` or ``server PORT``.

The server answers after each line; the client says ``answered`` or, after 5 s on its clock, ``timeout``.
A ``patient PORT`` client only waits; a ``crowd PORT`` calls twenty times at once, and says what all saw.
"""

from __future__ import annotations

import select
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

CROWD = 20


def serve(listener: socket.socket) -> None:
    print("ready", flush=True)
    while True:
        Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def answer(connection: socket.socket) -> None:
    data = b""
    while True:
        while b"\n" not in data:
            part = connection.recv(100)
            if not part:
                return
            data += part
        data = data.partition(b"\n")[2]
        connection.sendall(b"yes")


def ask(connection: socket.socket, *parts: bytes) -> str:
    for part in parts:
        connection.send(part)
    ready, _, _ = select.select([connection], [], [], 5.0)
    return "answered" if ready else "timeout"


def call(port: int, *parts: bytes, times: int = 1) -> None:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(times)]
    pool = ThreadPoolExecutor(times)
    print("ready", flush=True)
    while sys.stdin.readline():
        said = pool.map(lambda connection: ask(connection, *parts), connections)
        print(*sorted(set(said)), flush=True)
        for connection in connections:
            connection.recv(100)


def main() -> None:
    role, port = sys.argv[1], int(sys.argv[2])
    if role == "server":
        serve(socket.create_server(("127.0.0.1", port)))
    elif role in {"client", "crowd"}:
        call(port, b"half a ", b"line\n", times=CROWD if role == "crowd" else 1)
    else:
        call(port)


if __name__ == "__main__":
    main()
