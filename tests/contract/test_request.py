"""Calls, header fields and addresses as contracts write them."""

from __future__ import annotations

import pytest

from harness.contract.model import Operation
from harness.contract.request import check_header, check_url, method_and_path


def test_a_call_is_method_and_path() -> None:
    """Split at the one space; the query belongs to the path."""
    assert method_and_path("POST /a/b?c=d") == ("POST", "/a/b?c=d")


@pytest.mark.parametrize(
    "call",
    [
        "",
        "GET",
        "GET ",
        "GET  /",
        " GET /",
        "/",
        "GET a",
        "GET /a b",
        "GET /a#b",
        "GET /ü",
        "GET /\x7f",
        "GET /a\n",
        "GET /a\r\nX: y",
        "get /",
        "CONNECT /",
        "TRACE /",
        "GET http://x/",
    ],
)
def test_what_is_no_call(call: str) -> None:
    """Nothing that would be another request on the wire than it looks like."""
    with pytest.raises(ValueError, match=r"METHOD /path|must begin with /|percent-encode"):
        method_and_path(call)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("A B", "x"),
        ("A:", "x"),
        ("A\r", "x"),
        ("A", "x\ny"),
        ("A", "\x00"),
        ("A", "€"),
        ("host", "x"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_what_is_no_header(name: str, value: str) -> None:
    """Nothing that would split or reframe a request."""
    with pytest.raises(ValueError):
        check_header(name, value)


def test_headers_that_are_fine() -> None:
    """Tokens and visible text, also an empty one."""
    check_header("X-Api_Key.1", "a b\t{n}")
    check_header("Accept", "")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_addresses(url: str, base: str) -> None:
    """The slash at the end is dropped, nothing else changes."""
    assert check_url(url) == base


def test_json_null_is_a_body() -> None:
    """To send `null` and to send nothing are two things."""
    assert Operation.model_validate_json('{"call": "POST /", "json": null}').has_json
    assert not Operation(call="POST /").has_json
