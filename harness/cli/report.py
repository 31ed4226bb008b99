"""``stormproof report``: the pages of a report folder, rendered again from its record."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.errors import UsageError
from harness.render import render


def render_again(directory: Path) -> int:
    """Render ``report.html`` and ``summary.md``; the record is left as it is.

    Raises:
        UsageError: no record that can be read, or a folder that cannot be written (exit code 4).
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is no folder; name the one that verify --report wrote")
    try:
        written = render(directory)
    except OSError as error:
        raise UsageError(
            f"{directory} cannot be written: {error.strerror or error}; copy it to where you may"
        ) from error
    console = Console(highlight=False)
    for path in written:
        console.print(escape(str(path)), soft_wrap=True)
    return 0
