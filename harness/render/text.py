"""Words for people out of values that others wrote: nothing hidden, nothing endless, nothing that acts."""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape
from typing import Final

from harness.units import NS_PER_MS, NS_PER_S

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_MARKDOWN: Final = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w)|^(?:[-+#=]|\d+(?=[.)](?:\s|$))))")


def clean(text: str) -> str:
    """Show what a reader would not see: controls, terminal escapes, marks that turn the direction.

    >>> clean("a\\x1b[31mb\\u202ec")
    'a␛[31mb⟨U+202E⟩c'
    """
    return _HIDDEN.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def shorten(text: str, most_bytes: int, where: str = "run.json") -> str:
    """At most so many bytes in HTML, and how many characters were left out.

    >>> shorten("abcdef", 3), shorten("<<", 6)
    ('abc… (3 more characters in run.json)', '<… (1 more character in run.json)')
    """
    kept = text[:most_bytes]
    while (size := _size_bytes(kept)) > most_bytes:
        kept = kept[: max(1, len(kept) * most_bytes // size)] if len(kept) > 1 else ""
    if len(kept) == len(text):
        return text
    return f"{kept}… ({count(len(text) - len(kept), 'more character')} in {where})"


def _size_bytes(text: str) -> int:
    return len(escape(text).encode("utf-8", "replace"))


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "call"), count(1200, "call")
    ('1 call', '1,200 calls')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def seconds(ns: int, decimals: int = 3) -> str:
    """Seconds with so many decimals, at most 9; rounded, unlike ``units.format_seconds``.

    >>> seconds(59_998_000_000), seconds(1_500, 6)
    ('59.998 s', '0.000002 s')
    """
    unit = 10 ** (9 - decimals)
    rounded = (abs(ns) + unit // 2) // unit * unit
    sign = "-" if ns < 0 and rounded else ""
    fraction = f"{rounded % NS_PER_S:09d}"[:decimals]
    return f"{sign}{rounded // NS_PER_S}.{fraction} s"


def decimals_of(instants_ns: Collection[int]) -> int:
    """As many decimals of a second as keep these instants apart: 3, 6 or 9.

    >>> decimals_of([0, 59_998_000_000]), decimals_of([0, 1_500])
    (3, 6)
    """
    for decimals in (3, 6):
        if len({round(ns / 10 ** (9 - decimals)) for ns in instants_ns}) == len(instants_ns):
            return decimals
    return 9


def span(ns: int) -> str:
    """A span as people say it: ms below a second, seconds above, no more decimals than it has of three.

    >>> span(102_000_000), span(1_500_000_000), span(1_234_567)
    ('102 ms', '1.5 s', '1.235 ms')
    """
    unit, name = (NS_PER_MS, "ms") if abs(ns) < NS_PER_S else (NS_PER_S, "s")
    return f"{f'{ns / unit:,.3f}'.rstrip('0').rstrip('.')} {name}"


def markdown(text: str) -> str:
    """Text that GitHub shows as it is, on one line, also in a table.

    >>> markdown("<b> *one* snake_case | [x](y)")
    '&lt;b&gt; \\\\*one\\\\* snake_case \\\\| \\\\[x\\\\](y)'
    """
    one_line = " ".join(clean(text).split())
    escaped = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(_escaped, escaped)


def _escaped(match: re.Match[str]) -> str:
    """A backslash before the sign; of a number that would begin a list, behind its digits."""
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def code(text: str) -> str:
    """A code span of Markdown that no backtick ends too early."""
    one_line = " ".join(clean(text).split())
    longest = max((len(run) for run in re.findall("`+", one_line)), default=0)
    fence = "`" * (longest + 1)
    gap = " " if longest else ""
    return f"{fence}{gap}{one_line}{gap}{fence}"
