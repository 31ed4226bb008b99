"""Asks another process over two FIFOs, ``TO`` and ``FROM``, and waits 5 s for the answer."""

from __future__ import annotations

import os
import select
import sys


def main() -> None:
    to, back = os.open(sys.argv[1], os.O_RDWR), os.open(sys.argv[2], os.O_RDWR)
    print("ready", flush=True)
    while sys.stdin.readline():
        os.write(to, b"do it\n")
        ready, _, _ = select.select([back], [], [], 5.0)
        print("answered" if ready else "timeout", flush=True)
        os.read(back, 100)


if __name__ == "__main__":
    main()
