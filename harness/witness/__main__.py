"""The witness's process: ``python -m harness.witness CONTROL``, started by its handle."""

from __future__ import annotations

import socket
import sys

from harness.witness.server import Server


def main(control: str) -> None:
    """Serve until the runner on the other end of the Unix socket ``control`` goes away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.connect(control)
        Server(wire).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
