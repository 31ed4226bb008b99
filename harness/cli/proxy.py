"""``stormproof proxy``: the fault proxy by itself, for people and scripts that know Toxiproxy."""

from __future__ import annotations

from rich.console import Console

from harness.proxy.api.api import VERSION
from harness.proxy.serve import Ready, Settings, serve


def run_proxy(settings: Settings) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    serve(settings, _told)
    return 0


def _told(ready: Ready) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Fault proxy: {ready.url}, the HTTP API of Toxiproxy {VERSION}")
    console.print(f"Seed {ready.seed}: the same seed draws the same faults (--seed {ready.seed})")
    if ready.proxies:
        console.print(f"Proxies: {ready.proxies}, from the config file")
    console.file.flush()
