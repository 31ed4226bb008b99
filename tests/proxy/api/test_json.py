"""JSON as Go reads and writes it, without a server."""

from __future__ import annotations

import json
import math
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proxy.api.gojson import (
    BadJson,
    encode,
    float32,
    float32_text,
    float_text,
    integer,
    parse,
    read_struct,
    string,
)


@given(
    st.binary(max_size=40)
    | st.text(alphabet='{}[]",:\\u0123eE+-.tfn ', max_size=30).map(str.encode)
)
def test_any_text_is_read_or_refused(body: bytes) -> None:
    """Never anything else, whatever it is."""
    with suppress(BadJson):
        parse(body)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.lists(st.text())))
def test_what_is_written_is_json(value: object) -> None:
    """Others read the same from it."""
    assert json.loads(encode(value)) == value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_of_32_bits(value: float) -> None:
    """The shortest text that gives the same number back, in the form of Go."""
    text = float32_text(value)
    assert struct.pack("f", float(text)) == struct.pack("f", value)
    assert ("e" in text) == (value != 0 and not 1e-6 <= abs(value) < 1e21)
    assert not value or len(text.strip("-").replace(".", "").split("e")[0].strip("0")) <= 9


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_of_64_bits(value: float) -> None:
    """The same."""
    assert float(float_text(value)) == value
    assert math.copysign(1, float(float_text(value))) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a":"x","A":"y"}', {"a": "y"}),
        (b'{"A":"x","a":null}', {"a": "x"}),
        (b'{"a":"\xff\xe2\x82"}', {"a": "\ufffd\ufffd\ufffd"}),
        (b'{"a":"\\ud83d\\ude00\\ude00"}', {"a": "\U0001f600\ufffd"}),
        (b" null", {}),
    ],
)
def test_fields(body: bytes, read: dict[str, str]) -> None:
    """Whatever the case of keys; the last one counts; null says nothing; what is no letter is replaced."""
    assert read_struct(parse(body), "Struct", {"a": string}) == read


@pytest.mark.parametrize("text", ["9223372036854775807", "-9223372036854775808", "-0", "0"])
def test_whole_numbers(text: str) -> None:
    """Of 64 bits."""
    assert integer(parse(text.encode()), "x") == int(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "-9223372036854775809", "1.0", "1e2", '"1"', "[]"]
)
def test_no_whole_numbers(text: str) -> None:
    """Neither too large ones nor those with a point."""
    with pytest.raises(BadJson, match=r"cannot unmarshal .* x of type int64"):
        integer(parse(text.encode()), "x")


@pytest.mark.parametrize("text", ["3.5e38", "1e400", "true"])
def test_no_numbers_of_32_bits(text: str) -> None:
    """Those that are too large."""
    with pytest.raises(BadJson, match=r"cannot unmarshal .* x of type float32"):
        float32(parse(text.encode()), "x")
