"""Calls ``GET /`` at port ``argv[1]`` for each line ``TIMEOUT_S WAIT_S …``: again after each wait.

It says what it saw in the end: a status, or the name of an error.
"""

from __future__ import annotations

import http.client
import sys
import time


def attempt(port: int, timeout_s: float) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
    return str(answer.status)


def main(port: int) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        timeout_s, *waits_s = map(float, line.split())
        seen = attempt(port, timeout_s)
        for wait_s in waits_s:
            if seen == "200":
                break
            time.sleep(wait_s)
            seen = attempt(port, timeout_s)
        print(seen, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
