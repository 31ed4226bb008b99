"""The two pages for people: ``report.html`` opens from disk, ``summary.md`` is for a CI job's page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final, get_args
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.render import text
from harness.render.strip import WORDS, BarKind
from harness.render.view import RunView

SUMMARY_MOST_BYTES: Final = 400_000
"""GitHub takes 1 MiB for all summaries of a step."""

_LEGEND: Final = {
    "counted": "admitted, counted",
    "excess": "admitted beyond what is promised",
    "admitted": "admitted, not counted in this proof",
    "refused": "refused",
    "other": "another answer",
    "lost": "no answer",
}
_WOVEN: Final[dict[BarKind, str]] = {"open": "refused", "half-open": "other", "over": "excess"}
"""Bars that are told apart by a pattern too, not by colour alone."""


def templates_directory() -> Path:
    """Where the templates are: in the wheel inside the package, else beside it."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "reports"
    return inside if inside.is_dir() else package.parent / "reports"


def html(run: RunView) -> str:
    """``report.html``: one file, no network, no script."""
    style = (templates_directory() / "report.css").read_text(encoding="utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = _pages().get_template("report.html.jinja")
    words = {"legend": _LEGEND, "strip_words": WORDS, "woven": _WOVEN, "bars": get_args(BarKind)}
    ours = {"style": Markup(style), "style_hash": Markup(f"sha256-{digest}")}  # noqa: S704 (our file)
    return page.render(run=run, **words, **ours).lstrip()


def markdown(run: RunView) -> str:
    """``summary.md``; what would make it too long stays in the other files, and it says so."""
    template = _summaries().get_template("summary.md.jinja")
    rows, told = len(run.promises), len(run.promises)
    page = template.render(run=run, rows=rows, told=told).lstrip()
    while len(page.encode()) > SUMMARY_MOST_BYTES and rows > 1:
        rows, told = max(1, rows // 2), told // 4
        page = template.render(run=run, rows=rows, told=told).lstrip()
    return f"{page.rstrip()}\n"


@cache
def _pages() -> Environment:
    return _environment(_visible, autoescape=True)


@cache
def _summaries() -> Environment:
    return _environment(_as_markdown, autoescape=False)


def _environment(finalize: Callable[[Any], Any], *, autoescape: bool) -> Environment:
    found = Environment(
        loader=FileSystemLoader(templates_directory()),
        autoescape=autoescape,  # noqa: S701 (off for Markdown alone, whose finalize escapes)
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["count"] = text.count
    found.filters["shorten"] = text.shorten
    found.filters["code"] = lambda value: Markup(text.code(value))  # noqa: S704 (its own escape)
    found.filters["relative"] = _relative
    return found


def _visible(value: Any) -> Any:
    """Every text that others wrote passes here; autoescape does the rest."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return text.clean(value)
    return value


def _as_markdown(value: Any) -> Any:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return text.markdown(value)
    return value


def _relative(name: str) -> str:
    """A link to a file beside the report; never to anywhere else."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..")]
    return "./" + quote("/".join(parts))
