"""Hands each line on to a child, ``COMMAND``, and its answer back."""

from __future__ import annotations

import subprocess
import sys
import time


def main() -> None:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    print(child.stdout.readline().decode(), end="", flush=True)
    for line in sys.stdin:
        time.monotonic_ns()
        child.stdin.write(line.encode())
        child.stdin.flush()
        print(child.stdout.readline().decode(), end="", flush=True)


if __name__ == "__main__":
    main()
