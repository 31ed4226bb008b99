"""Writes in two parts and reads, on a socket with Nagle's algorithm: ``client PORT`` or ``server PORT``.

The server answers after a line; the client says ``answered`` or, after 5 s on its clock, ``timeout``.
A ``patient PORT`` client only waits.
"""

from __future__ import annotations

import select
import socket
import sys


def serve(listener: socket.socket) -> None:
    print("ready", flush=True)
    connection, _ = listener.accept()
    data = b""
    while True:
        while b"\n" not in data:
            data += connection.recv(100)
        data = data.partition(b"\n")[2]
        connection.sendall(b"yes")


def call(port: int, *parts: bytes) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    print("ready", flush=True)
    while sys.stdin.readline():
        for part in parts:
            connection.send(part)
        ready, _, _ = select.select([connection], [], [], 5.0)
        print("answered" if ready else "timeout", flush=True)
        connection.recv(100)


def main() -> None:
    role, port = sys.argv[1], int(sys.argv[2])
    if role == "server":
        serve(socket.create_server(("127.0.0.1", port)))
    elif role == "client":
        call(port, b"half a ", b"line\n")
    else:
        call(port)


if __name__ == "__main__":
    main()
