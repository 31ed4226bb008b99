"""A process off the clock on the path: each line back after ``MS`` milliseconds of computing."""

from __future__ import annotations

import sys
import time


def main() -> None:
    ms = int(sys.argv[1])
    for line in sys.stdin:
        end = time.process_time() + ms / 1000
        while time.process_time() < end:
            pass
        print(line, end="", flush=True)


if __name__ == "__main__":
    main()
