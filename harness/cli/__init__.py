"""The command line: ``stormproof verify`` and its siblings."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from harness.cli.app import run  # noqa: PLC0415

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before there is anything that could be ended in order
        code = 130
    sys.exit(code)
