"""The page in a real browser: Debian's Chromium, where it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from harness.render import render
from tests.render import proofs
from tests.render.browser import CHROMIUM, Page, page
from tests.render.records import calls, folder, promise, run, trial, upper

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

CASE = "counterexamples/shop.p.json"
WIDTHS_PX = (320, 390, 1_280)


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all."""
    with page() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight columns, long words, and every verdict."""
    directory = tmp_path_factory.mktemp("report")
    made = calls(*((n + 1, n * 7_000, "admitted" if n % 2 else "refused") for n in range(9)))
    evil = "<script>document.title = 'ran'</script>" + "unbreakable" * 40
    witness = [at for at, one in enumerate(made) if one["reading"] == "admitted"]
    record = run(
        promise("p", "broken", counterexample=CASE, says=evil, reason=evil),
        promise("u" * 200, "unknown", reason=evil),
        promise("k", "kept", trials=(trial("T1" * 60, "kept", purpose=evil),)),
    )
    folder(directory, record, {CASE: upper(made, [*witness, len(made) - 1], 3)})
    render(directory)
    return directory / "report.html"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawing of each kind, and long ones."""
    directory = tmp_path_factory.mktemp("kinds")
    cases = proofs.everything("a word " * 30)
    cases["long"] = proofs.breaker()
    cases["long"]["proof"]["points"] = [
        proofs.point("rejected" if n % 2 else "stuck", n**3 * 1_000, n) for n in range(40)
    ]
    cases["endless"] = proofs.retry([n**2 * 100 for n in range(40)])
    cases["many"] = proofs.slots(limit=60, inside=61, waiting=9)
    cases["form"] = proofs.breaker() | {"proof": {}}
    render(proofs.report(directory, cases))
    return directory / "report.html"


@pytest.mark.parametrize("width", WIDTHS_PX)
def test_nothing_overflows(browser: Page, report: Path, kinds: Path, width: int) -> None:
    """The page is as wide as the window; only what is meant to scrolls in itself."""
    for file in (report, kinds):
        browser.show(file, width=width)
        assert browser.ask("document.documentElement.scrollWidth") <= width


def test_it_asks_for_nothing_and_nothing_runs(browser: Page, report: Path) -> None:
    """One file is loaded, the console stays silent, and no script has run."""
    browser.show(report, width=1_280)
    assert browser.requests == [report.as_uri()]
    assert browser.complaints == []
    assert "ran" not in browser.ask("document.title")
    assert browser.ask("document.scripts.length") == 0


def test_the_style_is_allowed_by_the_policy(browser: Page, report: Path) -> None:
    """Light and dark really differ, so the hash of the inline style is right."""
    back = "getComputedStyle(document.body).backgroundColor"
    browser.show(report, width=1_280)
    light = browser.ask(back)
    browser.show(report, width=1_280, dark=True)
    assert {light, browser.ask(back)} == {"rgb(244, 246, 248)", "rgb(14, 18, 23)"}


def test_words_of_the_drawing_do_not_meet(browser: Page, report: Path) -> None:
    """No two words of the axis cover each other, on a phone either."""
    overlaps = """(() => {
      const boxes = [...document.querySelectorAll('.drawing .time, .drawing .word')]
        .map(t => t.getBoundingClientRect());
      let n = 0;
      for (const a of boxes) for (const b of boxes)
        if (a !== b && a.left < b.right - 1 && b.left < a.right - 1
            && a.top < b.bottom - 2 && b.top < a.bottom - 2) n++;
      return n;
    })()"""
    for width in WIDTHS_PX:
        browser.show(report, width=width)
        assert browser.ask(overlaps) == 0, width


def test_words_of_the_lanes_do_not_meet(browser: Page, kinds: Path) -> None:
    """Titles, times, gaps, and what stands beside a bar, on a phone, a desk and on paper."""
    overlaps = """(() => {
      const met = [];
      for (const drawing of document.querySelectorAll('.strip, .scale')) {
        const all = [...drawing.querySelectorAll('text')]
          .map(t => [t.textContent, t.getBoundingClientRect()]);
        for (const [n, [one, a]] of all.entries()) for (const [two, b] of all.slice(n + 1))
          if (a.left < b.right - 1 && b.left < a.right - 1
              && a.top < b.bottom - 3 && b.top < a.bottom - 3) met.push(one + ' / ' + two);
      }
      return met;
    })()"""
    for width in WIDTHS_PX:
        browser.show(kinds, width=width)
        assert browser.ask(overlaps) == [], width
    browser.show(kinds, width=700)
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(overlaps) == [], "on paper"
    browser.send("Emulation.setEmulatedMedia", media="")


def test_every_part_has_a_name(browser: Page, report: Path, kinds: Path) -> None:
    """Headings fall by one level, images have titles, tables have heads."""
    for file in (report, kinds):
        browser.show(file, width=1_280)
        levels = browser.ask(
            "[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(h => +h.tagName[1])"
        )
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        unnamed = (
            "[...document.querySelectorAll('svg[role=img]')]"
            ".filter(s => !s.querySelector('title') && !s.ariaLabel)"
        )
        assert browser.ask(f"{unnamed}.length") == 0
        assert browser.ask("[...document.querySelectorAll('table')].every(t => t.tHead)")


def test_it_prints(browser: Page, report: Path, tmp_path: Path) -> None:
    """Evidence that is folded on the screen stands on paper."""
    browser.show(report, width=1_280)
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
