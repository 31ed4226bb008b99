"""Words of others are shown: whole where there is room, never acted upon."""

from __future__ import annotations

import pytest

from harness.render import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain, Ünïcödé and 日本", "plain, Ünïcödé and 日本"),
        ("\x1b[2J", "␛[2J"),
        ("a\x00b\x7f", "a␀b␡"),
        ("\u202eevil\u2066", "⟨U+202E⟩evil⟨U+2066⟩"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("\ud800", "⟨U+D800⟩"),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_what_cannot_be_seen_is_shown(given: str, shown: str) -> None:
    """Controls, escapes and direction marks become visible; letters stay as they are."""
    assert text.clean(given) == shown


def test_a_text_is_cut_by_its_bytes_in_html() -> None:
    """What escaping makes longer counts as it will stand in the page."""
    assert text.shorten("x" * 10, 10) == "x" * 10
    assert text.shorten("<" * 10, 10).startswith("<<… (8 more characters in ")
    assert text.shorten("é" * 10, 10).startswith("é" * 5 + "… (5")
    assert text.shorten("\U0001f600" * 3, 1).startswith("… (3 more")


@pytest.mark.parametrize(
    ("given", "escaped"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a | b", r"a \| b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("`a` *b* _c_ d_e", r"\`a\` \*b\* \_c\_ d_e"),
        ("# h", r"\# h"),
        ("1. x", r"1\. x"),
        ("1.5 s", "1.5 s"),
        ("a\n\n# b", "a # b"),
        ("&lt;", "&amp;lt;"),
    ],
)
def test_markdown_shows_what_was_written(given: str, escaped: str) -> None:
    """On one line, without markup, in a table too."""
    assert text.markdown(given) == escaped


def test_no_backtick_ends_a_code_span() -> None:
    """The fence is longer than any run inside."""
    assert text.code("a") == "`a`"
    assert text.code("a``b`") == "``` a``b` ```"


@pytest.mark.parametrize(
    ("ns", "decimals", "said"),
    [
        (59_998_000_000, 3, "59.998 s"),
        (-1_500_000, 3, "-0.002 s"),
        (-400, 3, "0.000 s"),
        (1, 9, "0.000000001 s"),
        (999_999_999, 3, "1.000 s"),
    ],
)
def test_seconds_are_rounded(ns: int, decimals: int, said: str) -> None:
    """To as many decimals as asked, without a minus before nothing."""
    assert text.seconds(ns, decimals) == said
