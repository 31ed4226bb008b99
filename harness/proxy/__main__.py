"""A fault proxy by itself: ``python -m harness.proxy [--port N ...]``, as ``stormproof proxy`` starts it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.proxy.serve import HOST, PORT, Ready, Settings, chosen_metrics, serve


def said(ready: Ready) -> str:
    """The line that tells whoever started it that it listens.

    >>> said(Ready("http://127.0.0.1:8474", 7, 0))
    'stormproof proxy: http://127.0.0.1:8474 seed=7 proxies=0'
    """
    return f"stormproof proxy: {ready.url} seed={ready.seed} proxies={ready.proxies}"


def main(arguments: list[str]) -> int:
    """Serve until a signal; exit code 0, or 4 where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m harness.proxy")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--proxy-metrics", action="store_true")
    parser.add_argument("--runtime-metrics", action="store_true")
    parser.add_argument("--toxics", action="store_true")
    parser.add_argument("--allow", action="append", default=[])
    given = parser.parse_args(arguments)
    settings = Settings(
        host=given.host,
        port=given.port,
        config=given.config,
        seed=given.seed,
        metrics=chosen_metrics(proxy=given.proxy_metrics, runtime=given.runtime_metrics),
        allow=tuple(given.allow),
        with_toxics=given.toxics,
    )
    try:
        serve(settings, lambda ready: print(said(ready), flush=True))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
