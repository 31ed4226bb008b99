"""Reports for people, rendered from ``run.json`` and the counterexamples that it names, alone."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from harness.record import HTML, SUMMARY, RunRecord, read_run, write_text
from harness.render.case import Case, Unreadable, read_case
from harness.render.view import run_view

__all__ = ["HTML", "SUMMARY", "render"]


def render(directory: Path, record: RunRecord | None = None) -> tuple[Path, ...]:
    """Write ``report.html`` and ``summary.md`` into a report folder.

    Args:
        directory: a report folder.
        record: its record, where the caller has it; else ``run.json`` is read.
    Raises:
        UsageError: there is no record that can be read.
        OSError: the folder cannot be written.
    """
    from harness.render.pages import html, markdown  # noqa: PLC0415 (jinja2, only where it is needed)

    if record is None:
        record = read_run(directory)
    view = run_view(record, partial(_case, directory), _place(directory))
    pages = {directory / HTML: html(view), directory / SUMMARY: markdown(view)}
    for path, page in pages.items():
        write_text(path, page)
    return tuple(pages)


def _case(directory: Path, name: str) -> Case | str:
    try:
        return read_case(directory, name)
    except Unreadable as problem:
        return str(problem)


def _place(directory: Path) -> str:
    """The folder as a command line names it: short, if we stand above it."""
    full = directory.resolve()
    here = Path.cwd()
    return os.fspath(full.relative_to(here) if full.is_relative_to(here) else full)
