"""Quantities with units as people write them: "60s", "100/min", "1KiB". Times are integers in ns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

_DURATIONS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
_SIZES: Final = {
    "B": 1,
    "kB": 1_000,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_LONGEST_NS: Final = 366 * _DURATIONS["d"]
_NUMBER_AND_UNIT: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]+)", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,18})\s*/\s*(\d{0,18}(?:\.\d{1,9})?)\s*([A-Za-z]+)", re.ASCII)


class UnitError(ValueError):
    """A quantity that cannot be read; the message names the text and what is allowed."""


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """At most ``count`` in each ``window_ns``; both are at least 1."""

    count: int
    window_ns: int

    def __str__(self) -> str:
        for unit in ("d", "h", "min", "s"):
            if self.window_ns == _DURATIONS[unit]:
                return f"{self.count}/{unit}"
        return f"{self.count}/{format_duration(self.window_ns)}"


def parse_duration_ns(text: str) -> int:
    """Read a duration such as "250ms", "1.5s" or "24h" into nanoseconds, in (0, 366 d].

    >>> parse_duration_ns("1.5s")
    1500000000
    """
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in _DURATIONS:
        raise UnitError(_wrong("duration", text, _DURATIONS, '"60s" or "250ms"'))
    value = Fraction(match[1]) * _DURATIONS[match[2]]
    if value.denominator != 1 or not 0 < value <= _LONGEST_NS:
        raise UnitError(f"duration {text!r} must be over 0, at most 366d, and a whole number of ns")
    return int(value)


def parse_rate(text: str) -> Rate:
    """Read a rate such as "100/min", "1000/h" or "3/10s".

    >>> parse_rate("3/10s")
    Rate(count=3, window_ns=10000000000)
    """
    match = _RATE.fullmatch(text.strip())
    if match is None or match[3] not in _DURATIONS:
        raise UnitError(_wrong("rate", text, _DURATIONS, '"100/min" or "3/10s"'))
    window_ns = parse_duration_ns(f"{match[2] or 1}{match[3]}")
    if not 0 < int(match[1]) <= 1_000_000_000:
        raise UnitError(f"rate {text!r} must allow at least 1 and at most 1,000,000,000")
    return Rate(int(match[1]), window_ns)


def parse_size_bytes(text: str) -> int:
    """Read a size such as "512B" or "1KiB" into bytes, in [0, 1 TiB].

    >>> parse_size_bytes("1KiB")
    1024
    """
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in _SIZES:
        raise UnitError(_wrong("size", text, _SIZES, '"1KiB" or "10MB"'))
    value = Fraction(match[1]) * _SIZES[match[2]]
    if value.denominator != 1 or value > 1 << 40:
        raise UnitError(f"size {text!r} must be a whole number of bytes, at most 1024GiB")
    return int(value)


def format_duration(ns: int) -> str:
    """Write a duration in the largest unit that needs no fraction.

    >>> format_duration(60_000_000_000), format_duration(59_998_000_000)
    ('60s', '59998ms')
    """
    if ns >= _DURATIONS["h"] and ns % _DURATIONS["h"] == 0:
        return f"{ns // _DURATIONS['h']}h"
    for unit in ("s", "ms", "us"):
        if ns % _DURATIONS[unit] == 0:
            return f"{ns // _DURATIONS[unit]}{unit}"
    return f"{ns}ns"


def format_seconds(ns: int) -> str:
    """Write an instant or span for people: seconds with three decimals, more only where they matter.

    >>> format_seconds(59_998_000_000), format_seconds(1_000_500)
    ('59.998 s', '0.0010005 s')
    """
    sign, rest = ("-", -ns) if ns < 0 else ("", ns)
    fraction = f"{rest % NS_PER_S:09d}"
    return f"{sign}{rest // NS_PER_S}.{fraction[:3]}{fraction[3:].rstrip('0')} s"


def about_seconds(ns: int) -> str:
    """Write an instant or span where no more than its milliseconds matter; below one, all there is.

    >>> about_seconds(54_083_333_333), about_seconds(333_333)
    ('54.083 s', '0.000333333 s')
    """
    if abs(ns) < NS_PER_MS:
        return format_seconds(ns)
    rounded = (abs(ns) + NS_PER_MS // 2) // NS_PER_MS * NS_PER_MS
    return format_seconds(-rounded if ns < 0 else rounded)


def number_of(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> number_of(1, "failure"), number_of(2, "failure"), number_of(0, "child", "children")
    ('1 failure', '2 failures', '0 children')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def _wrong(what: str, text: str, units: dict[str, int], example: str) -> str:
    return f"{text!r} is no {what}: write a number and one of {', '.join(units)}, as in {example}"
