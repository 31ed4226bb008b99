"""Calls, header fields and addresses as contracts write them."""

from __future__ import annotations

import pytest

from harness.contract.model import Operation
from harness.contract.request import check_header, check_url, expand_call, method_and_path


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


def test_values_cannot_leave_their_place_in_a_path() -> None:
    """A drawn text is percent-encoded: no second parameter, no other path, no second request."""
    call = expand_call("GET /s/{text}?q={text}", {"text": "a/b?c&d=é\r\n"})
    assert call == ("GET", "/s/a%2Fb%3Fc%26d%3D%C3%A9%0D%0A?q=a%2Fb%3Fc%26d%3D%C3%A9%0D%0A")


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


@pytest.mark.parametrize(
    ("ok", "status", "is_ok"),
    [((), 204, True), ((), 304, False), ((200, 404), 404, True), ((200, 404), 204, False)],
)
def test_success_of_an_operation(ok: tuple[int, ...], status: int, is_ok: bool) -> None:
    """Any 2xx unless the contract names the statuses."""
    assert Operation(call="GET /", ok=ok).is_ok(status) is is_ok


def test_json_null_is_a_body() -> None:
    """To send `null` and to send nothing are two things."""
    assert Operation.model_validate_json('{"call": "POST /", "json": null}').has_json
    assert not Operation(call="POST /").has_json
    assert (Operation(call="PUT /a").method, Operation(call="PUT /a").path) == ("PUT", "/a")
