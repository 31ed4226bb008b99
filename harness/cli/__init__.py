"""The command line: ``stormproof verify`` and its siblings."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from harness.cli.app import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))
