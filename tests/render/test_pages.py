"""The pages: what they say, and that nothing in them acts."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.record import RunRecord
from harness.render import render
from harness.render.pages import SUMMARY_MOST_BYTES, templates_directory
from tests.render.records import call, calls, folder, large, promise, run, trial, upper

CASE = "counterexamples/shop.p.json"
EVIL = "</script><script>alert(1)</script>\x1b[31m\u202e\"'<img src=x onerror=y>|`*_[a](b)"


class Elements(HTMLParser):
    """All elements with their attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] != "style":
            self.text += data

    def names(self) -> set[str]:
        return {tag for tag, _ in self.found}


def pages(
    directory: Path, record: RunRecord, cases: dict[str, dict[str, Any]] | None = None
) -> tuple[str, str]:
    render(folder(directory, record, cases))
    return (directory / "report.html").read_text(), (directory / "summary.md").read_text()


def broken(**values: Any) -> RunRecord:
    return run(promise("p", "broken", counterexample=CASE, **values))


def test_a_broken_promise_is_told_drawn_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdict table first, then sentence, document, drawing, timeline, answer and the line to paste."""
    monkeypatch.chdir(tmp_path)
    made = calls((30, 0, "admitted"), (1, 59_998, "admitted"), (1, 59_998, "refused"))
    record = broken(reason="31 calls were admitted", says="30 a minute")
    page, summary = pages(tmp_path / "my out", record, {CASE: upper(made, range(31), 30)})
    found = Elements(page)
    order = ["Verdicts", "31 calls were admitted", "30 a minute", "Counterexample", "59.998 s"]
    places = [found.text.index(part) for part in order]
    assert places == sorted(places)
    assert "in 3 of 3 fresh worlds" in found.text
    assert "at most 30" in found.text
    assert "+1 = 31" in found.text
    assert "the clock is moved" in found.text
    assert "2 calls: 1 admitted, 1 refused" in found.text
    line = f"stormproof replay 'my out/{CASE}'"
    assert line in found.text
    assert f"`{line}`" in summary
    assert "31 calls were admitted" in summary
    assert "| 59.998 s | 2 calls: 1 admitted, 1 refused | 2 " not in summary
    links = [attrs.get("href") for tag, attrs in found.found if tag == "a"]
    assert links == ["#p1", f"./{CASE}"]


def test_the_three_verdicts_differ_in_words_and_shape(tmp_path: Path) -> None:
    """Not by colour alone: each has its word and its own drawn shape."""
    record = run(promise("a", "kept"), promise("b", "unknown"), promise("c", "broken"))
    page, summary = pages(tmp_path, record)
    found = Elements(page)
    shapes = {attrs["href"] for tag, attrs in found.found if tag == "use"}
    assert shapes >= {"#kept-shape", "#broken-shape", "#unknown-shape"}
    rows = re.findall(r"<tr class=\"(\w+)\"><td><span", page)
    assert rows == ["broken", "unknown", "kept"], "the worst comes first"
    for word in ("✅ kept", "❌ **broken**", "❔ *unknown*"):
        assert word in summary
    assert "1 promise broken, 1 promise unknown, 1 promise kept" in found.text


def test_kept_shows_its_evidence_by_trial(tmp_path: Path) -> None:
    """Counts that are zero are left out; trials that were not played stand together."""
    idle = [
        trial(f"T{n}", "unknown", evidence={}, reason=f"T{n} could not say: enough") for n in (3, 4)
    ]
    record = run(promise("a", "kept", trials=(trial("T1 edge", "kept"), *idle)))
    page, _ = pages(tmp_path, record)
    text = Elements(page).text
    assert "4 calls, 3 admitted, 1 refused" in text
    assert "lost" not in text
    assert "T3, T4" in text
    assert text.count("not played") == 1
    assert "1 of 3 trials conclusive" in text


def test_intermittent_is_told(tmp_path: Path) -> None:
    """In how many of how many fresh worlds, in the table and with the drawing."""
    values = upper(calls((2, 0, "admitted")), range(2), 1) | {"broken_in": 2, "worlds": 5}
    trials = (trial("T3", "broken", broken_in=2, worlds=5),)
    page, summary = pages(tmp_path, broken(trials=trials), {CASE: values})
    assert "intermittent 2/5" in Elements(page).text
    assert "intermittent: in 2 of 5 fresh worlds" in Elements(page).text
    assert "❌ **broken** 2/5" in summary


def test_seen_only_once_accuses_nobody(tmp_path: Path) -> None:
    """The drawing of an unknown promise says that nothing is proved."""
    values = upper(calls((2, 0, "admitted")), range(2), 1) | {"broken_in": 1, "worlds": 5}
    record = run(promise("p", "unknown", counterexample=CASE))
    page, _ = pages(tmp_path, record, {CASE: values})
    assert "seen once, and not again in 4 fresh worlds: nothing is proved" in Elements(page).text


def test_nothing_that_others_wrote_acts(tmp_path: Path) -> None:
    """Markup, scripts, terminal escapes and direction marks from document, target and contract."""
    made = [call(0, 0, body=EVIL, headers=[[EVIL, EVIL]], caller=EVIL, operation=EVIL)]
    values = upper(made, [0], 0) | {
        "said": EVIL,
        "trial": {"name": EVIL, "purpose": EVIL},
        "proof": {"retry_after": EVIL},
        "half": "retry_after",
    }
    record = run(
        promise(
            EVIL,
            "broken",
            service=EVIL,
            kind=EVIL,
            says=EVIL,
            reason=EVIL,
            counterexample=CASE,
            notes=(EVIL,),
            trials=(trial(EVIL, "broken", purpose=EVIL, reason=EVIL),),
        ),
        service=EVIL,
        contracts={EVIL: EVIL},
        versions={EVIL: EVIL},
    )
    page, summary = pages(tmp_path, record, {CASE: values})
    found = Elements(page)
    assert not found.names() & {"script", "img", "iframe", "object", "embed", "link", "form"}
    assert found.text.count("<script>alert(1)") > 10, "all of it is shown"
    for tag, attrs in found.found:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], tag
        target = attrs.get("href") or attrs.get("src") or "#"
        assert target.startswith(("#", "./counterexamples/")), target
    for sign in ("\x1b", "\u202e"):
        assert sign not in page
        assert sign not in summary
    assert "<script" not in summary
    assert "<img" not in summary
    rows = [line for line in summary.splitlines() if line.startswith("| ❌")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 6, "no cell of the table is split"


def test_the_policy_allows_the_style_and_nothing_else(tmp_path: Path) -> None:
    """A strict policy names the inline style by its hash; no address is in the page."""
    page, _ = pages(tmp_path, run(promise("a", "kept")))
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert not re.search(r"https?:|@import|url\((?!#)", page)


def test_ten_thousand_characters_are_cut_and_counted(tmp_path: Path) -> None:
    """What is left out is said; run.json still holds it."""
    page, summary = pages(tmp_path, run(promise("a", "unknown", says="x" * 10_000)))
    assert "4,000 more characters in run.json" in page
    assert "more characters in run.json" in summary
    assert "x" * 10_000 in (tmp_path / "run.json").read_text()


def test_a_run_that_was_cut_off_says_so(tmp_path: Path) -> None:
    """How many got no verdict, at the top."""
    page, summary = pages(tmp_path, run(promise("a", "kept"), selected=3, finished=None))
    assert "The run was cut off: 2 promises of 3 got no verdict" in Elements(page).text
    assert "2 promises without a verdict" in summary
    page, _ = pages(tmp_path, run(selected=2, finished=None))
    assert "No promise has a verdict yet" in page


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (CASE, None, "is not in the report folder"),
        ("../secret.json", None, "is not in the report folder"),
        (CASE, "{", "is no counterexample"),
        (CASE, json.dumps({"format": "other"}), "is no counterexample"),
    ],
)
def test_a_counterexample_that_cannot_be_shown(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    """Missing, torn, or outside of the folder: the page says why, and all the rest stands."""
    (tmp_path / "secret.json").write_text("{}")
    directory = folder(tmp_path / "out", run(promise("p", "broken", counterexample=name)))
    if text is not None:
        (directory / name).write_text(text)
    render(directory)
    page = (directory / "report.html").read_text()
    assert f"No drawing: {name} {said}" in Elements(page).text
    assert "because" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON, or was cut off"),
        ("[]", "is no run record"),
        (
            '{"format": "stormproof-run", "version": 99}',
            "is of version 99, this Stormproof reads 1",
        ),
        ('{"format": "stormproof-run", "version": 1}', "is no whole run record: service"),
    ],
)
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str | None, said: str) -> None:
    """Each in words of its own."""
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        render(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_two_hundred_promises_fit(tmp_path: Path) -> None:
    """Under 5 MB with the worst of texts, and a summary that GitHub takes."""
    large(tmp_path, promises=200, each=40)
    render(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert len(page.encode()) < 5_000_000
    assert page.count('class="drawing') == 200
    assert len((tmp_path / "summary.md").read_bytes()) < SUMMARY_MOST_BYTES


def colours(scheme: str) -> dict[str, str]:
    css = (templates_directory() / "report.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#\w{6})", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#\w{6})", dark))
    return found


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """Words at least 4.5 to 1, shapes and lines that mean something at least 3 to 1."""
    colour = colours(scheme)
    words = [
        *((ink, back) for ink in ("ink", "soft", "link") for back in ("page", "card", "code")),
        *((ink, "band") for ink in ("ink", "soft", "broken")),
        *((word, f"{word}-back") for word in ("kept", "broken", "unknown")),
        *((word, back) for word in ("kept", "broken", "unknown") for back in ("page", "card")),
    ]
    shapes = [
        (part, back) for part in ("bar", "broken", "refuse", "bracket") for back in ("card", "band")
    ]
    for one, other in words:
        assert contrast(colour[one], colour[other]) >= 4.5, (one, other)
    for one, other in shapes:
        assert contrast(colour[one], colour[other]) >= 3.0, (one, other)
