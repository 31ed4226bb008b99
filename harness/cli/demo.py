"""``stormproof demo``: a contract and a service that the package carries, verified before your eyes."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

import harness.demo

_HEALTHY = """\
A small shop promises its customers [bold]10 calls in any 10 seconds[/], and a 429 with Retry-After
to whoever asks for more. Stormproof starts it, plays calls and time against it on a clock that it
holds, and judges.
"""
_BROKEN = """\
The same shop with a planted defect: it counts in [bold]fixed windows[/], a common shortcut. Almost
always it looks right; across the border of two windows it serves 20 calls where 10 are promised.
"""


def demo(*, broken: bool, report: Path) -> int:
    """Verify the shop of the package; the exit code is that of ``verify``."""
    from harness.cli.app import run  # noqa: PLC0415 (it imports this module's command)

    folder = Path(harness.demo.__file__).resolve().parent
    contract = folder / ("broken.yaml" if broken else "contract.yaml")
    console = Console(highlight=False)
    console.print(_BROKEN if broken else _HEALTHY, soft_wrap=True)
    code = run(["verify", str(contract), "--report", str(report)])
    console.print(f"\nthe contract: {escape(str(contract))}", soft_wrap=True)
    console.print(f"the service:  {escape(str(folder / 'shop.py'))}", soft_wrap=True)
    if broken:
        console.print("Above: the calls that prove it. Without --broken the promise is kept.")
    else:
        console.print("next: stormproof demo --broken     the same with a planted defect")
        console.print("      stormproof init URL          a first contract for a service of yours")
    return code
