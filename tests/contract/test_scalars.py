"""Unquoted words of YAML 1.2, and those that other readers take for something else."""

from __future__ import annotations

import pytest

from harness.contract.scalars import cut, plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("9223372036854775807", 2**63 - 1),
        ("yes", "yes"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("100/min", "100/min"),
        ("1.2.3", "1.2.3"),
        (".", "."),
        ("٣", "٣"),
        ("nUll", "nUll"),
    ],
)
def test_values(text: str, value: object) -> None:
    """The core schema of YAML 1.2, value and type."""
    found = plain_scalar(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text", ["010", "-007", "00", ".inf", "-.INF", ".nan", "1e999", "9" * 5000, "0x" + "f" * 99]
)
def test_numbers_that_are_refused(text: str) -> None:
    """Not finite, not agreed on, or larger than any count."""
    with pytest.raises(ValueError, match=r"number|octal"):
        plain_scalar(text)


def test_cut() -> None:
    """A text is kept whole or ends in an ellipsis, never longer than asked."""
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")
