"""For each line a child with some threads, whose end it waits for in the kernel's own wait."""

from __future__ import annotations

import os
import subprocess
import sys

CHILD = """
import threading, time
for _ in range(8):
    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
print("up", flush=True)
time.sleep(1e6)
"""


def main() -> None:
    print("ready", flush=True)
    while sys.stdin.readline():
        with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            print(child.pid, flush=True)
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            child.wait()
        print("reaped", flush=True)


if __name__ == "__main__":
    main()
