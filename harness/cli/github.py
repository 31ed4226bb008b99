"""What GitHub Actions shows of a run: annotations beside the contract's lines, and the job summary.

Source: GitHub Docs, "Workflow commands for GitHub Actions": ``::error file=…,line=…,title=…::…``;
what stands in a command is escaped, and other output can be kept from being read as commands.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from harness.contract.load import LoadedContract
from harness.record import PromiseRecord, RunRecord
from harness.render import SUMMARY

_MESSAGE_MAX = 2_000


def on_github(environ: Mapping[str, str]) -> bool:
    """Whether we run as a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


@contextmanager
def no_commands(stream: TextIO) -> Iterator[None]:
    """Keep what is printed meanwhile (a target's own words, say) from being read as commands."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=stream, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=stream, flush=True)


def remarks(
    found: RunRecord, contracts: Sequence[LoadedContract], environ: Mapping[str, str]
) -> tuple[str, ...]:
    """One workflow command for each promise that is not plainly kept, failing ones first.

    Args:
        found: the record.
        contracts: where the promises stand.
        environ: ``GITHUB_WORKSPACE`` is the folder that file names are relative to.
    """
    by_service = {loaded.contract.service: loaded for loaded in contracts}
    ordered = sorted(found.promises, key=lambda promise: not promise.fails)
    root = environ.get("GITHUB_WORKSPACE", "")
    return tuple(
        command(level, file=_relative(file, root), line=line, title=title, message=message)
        for promise in ordered
        for level, file, line, title, message in _said(promise, by_service[promise.service])
    )


def _said(
    promise: PromiseRecord, loaded: LoadedContract
) -> Iterator[tuple[str, Path, int, str, str]]:
    known = promise.baseline
    name = f"{promise.id} of {promise.service}"
    message = promise.reason if known is None else f"{promise.reason}\n{known.said}"
    if promise.verdict != "kept":
        level = "error" if promise.fails else "notice" if promise.verdict == "broken" else "warning"
        line = loaded.lines.get(promise.id, 1)
        yield level, loaded.path, line, f"{promise.verdict}: {name}", message
    elif known is not None and promise.fails:
        yield "error", Path(known.file).absolute(), known.line, f"kept: {name}", known.said


def command(level: str, *, file: str, line: int, title: str, message: str) -> str:
    """A workflow command, escaped as GitHub demands.

    >>> command("error", file="a,b.yaml", line=3, title="broken: p", message="100%\\nof it")
    '::error file=a%2Cb.yaml,line=3,title=broken%3A p::100%25%0Aof it'
    """
    if len(message) > _MESSAGE_MAX:
        message = f"{message[:_MESSAGE_MAX]}…"
    return (
        f"::{level} file={_property(file)},line={line},title={_property(title)}::{_data(message)}"
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _relative(file: Path, root: str) -> str:
    return str(file.relative_to(root) if root and file.is_relative_to(root) else file)


def append_summary(report: Path, environ: Mapping[str, str]) -> None:
    """Append the summary to the job's page, if this job has one; its loss fails nothing."""
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    with suppress(OSError):
        text = (report / SUMMARY).read_text(encoding="utf-8")
        with Path(name).open("a", encoding="utf-8") as page:
            page.write(f"{text.rstrip()}\n")
