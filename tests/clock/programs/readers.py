"""Threads that read the clocks as fast as they can: ``SHARED_FILE THREADS``; at the first line, a verdict.

All readers of all processes share the greatest monotonic time seen so far. A reading made after it was
stored must not be less: time would have gone back between two processes.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
import time
from pathlib import Path

CLOCKS = (time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, time.CLOCK_BOOTTIME)


def read(greatest: ctypes.c_int64, stop: threading.Event, result: list[int]) -> None:
    reads = worst = 0
    while not stop.is_set():
        for clock in CLOCKS:
            for _ in range(50):
                before = greatest.value
                now = time.clock_gettime_ns(clock)
                worst = max(worst, before - now)
                greatest.value = max(greatest.value, now)
            reads += 50
    result += [reads, worst]


def main() -> None:
    with Path(sys.argv[1]).open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    greatest = ctypes.c_int64.from_buffer(shared)
    stop = threading.Event()
    results: list[list[int]] = [[] for _ in range(int(sys.argv[2]))]
    threads = [threading.Thread(target=read, args=(greatest, stop, one)) for one in results]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    stop.set()
    for thread in threads:
        thread.join()
    print(sum(reads for reads, _ in results), max(worst for _, worst in results), flush=True)


if __name__ == "__main__":
    main()
