"""Quantities with units: read exactly, written back, refused with what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.units import (
    NS_PER_MS,
    NS_PER_S,
    Rate,
    UnitError,
    format_duration,
    format_seconds,
    parse_duration_ns,
    parse_rate,
    parse_size_bytes,
)

YEAR_NS = 366 * 24 * 3600 * NS_PER_S


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1ns", 1),
        ("1us", 1_000),
        ("250ms", 250 * NS_PER_MS),
        ("60s", 60 * NS_PER_S),
        ("1.5s", 1_500 * NS_PER_MS),
        ("0.000000001s", 1),
        ("5 min", 300 * NS_PER_S),
        (" 24h ", 24 * 3600 * NS_PER_S),
        ("366d", YEAR_NS),
    ],
)
def test_durations(text: str, ns: int) -> None:
    """Exact nanoseconds, fractions and spaces included."""
    assert parse_duration_ns(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "60",
        "s",
        "60S",
        "60sec",
        "60 m",
        "-1s",
        "+1s",
        "1e3s",
        ".5s",
        "1.s",
        "1s 2ms",
        "٣s",
        "1_0s",
        "0s",
        "0.5ns",
        "367d",
        "9" * 19 + "s",
        "inf s",
        "nan",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    """The text is named, and what would be right."""
    with pytest.raises(UnitError, match="duration") as caught:
        parse_duration_ns(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/min", Rate(100, 60 * NS_PER_S)),
        ("1000/h", Rate(1000, 3600 * NS_PER_S)),
        ("3/10s", Rate(3, 10 * NS_PER_S)),
        ("1 / 0.5 s", Rate(1, 500 * NS_PER_MS)),
        ("1000000000/d", Rate(10**9, 86_400 * NS_PER_S)),
    ],
)
def test_rates(text: str, rate: Rate) -> None:
    """A whole number of calls in a window; the window's number may be left out."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "/min",
        "100/",
        "100/month",
        "1.5/s",
        "-1/s",
        "0/s",
        "1000000001/s",
        "1/0s",
        "1/s/s",
        "100 per min",
        "1/400d",
    ],
)
def test_what_is_no_rate(text: str) -> None:
    """Neither no calls nor no window is a limit."""
    with pytest.raises(UnitError):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0B", 0),
        ("512B", 512),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("1.5MiB", 3 << 19),
        ("10MB", 10000000),
        ("1024GiB", 1 << 40),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    """Powers of ten and of two are told apart."""
    assert parse_size_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "1", "B", "1kb", "1KIB", "0.5B", "1025GiB", "-1B", "1TB"])
def test_what_is_no_size(text: str) -> None:
    """A size is whole bytes, at most a tebibyte."""
    with pytest.raises(UnitError, match="size"):
        parse_size_bytes(text)


@given(st.integers(1, YEAR_NS))
def test_a_duration_survives_writing_and_reading(ns: int) -> None:
    """What is written is exact and can be put into a contract."""
    assert parse_duration_ns(format_duration(ns)) == ns


@given(st.integers(1, 10**9), st.integers(1, YEAR_NS))
def test_a_rate_survives_writing_and_reading(count: int, window_ns: int) -> None:
    """Also with an odd window."""
    rate = Rate(count, window_ns)
    assert parse_rate(str(rate)) == rate


@given(st.integers(-(10**18), 10**18))
def test_seconds_for_people_are_exact(ns: int) -> None:
    """Three decimals at least, all that there are at most, and nothing is rounded."""
    number, unit = format_seconds(ns).split(" ")
    whole, fraction = number.lstrip("-").split(".")
    assert unit == "s"
    assert 3 <= len(fraction) <= 9
    value = int(whole) * NS_PER_S + int(fraction.ljust(9, "0"))
    assert (-value if number.startswith("-") else value) == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [(60 * NS_PER_S, "60s"), (3600 * NS_PER_S, "1h"), (59_998 * NS_PER_MS, "59998ms"), (1, "1ns")],
)
def test_durations_for_people(ns: int, text: str) -> None:
    """The largest unit that needs no fraction; minutes are written as seconds."""
    assert format_duration(ns) == text
