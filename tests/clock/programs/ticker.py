"""``SECONDS COUNT``: sleeps that often to the next multiple, and says how long it took."""

from __future__ import annotations

import sys
import time


def main() -> None:
    period_s, count = int(sys.argv[1]), int(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic_ns()
    seen = 0
    for tick in range(1, count + 1):
        while (left := begun + tick * period_s * 10**9 - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        seen += 1
    print(f"{seen} ticks in {time.monotonic_ns() - begun} ns", flush=True)


if __name__ == "__main__":
    main()
