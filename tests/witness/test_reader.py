"""From bytes to requests, wherever the network cuts them."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.witness.reader import BODY_MOST_BYTES, HEAD_MOST_BYTES, Reader, Request
from tests.witness.conftest import get

TOKEN = "sp-00c0ffee-12"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;x=y\r\nsp-0\r\nA\r\n0c0ffee-12\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
H2C = get(
    "/h", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA", body="abc"
)


def read(*parts: bytes) -> list[Request]:
    reader = Reader()
    return [request for part in parts for request in reader.feed(part)]


def shown(requests: list[Request]) -> list[tuple[object, ...]]:
    return [
        (r.method, r.path, r.headers, r.body, r.digest, r.token, r.keeps, r.old) for r in requests
    ]


@given(cuts=st.sets(st.integers(1, 400), max_size=8))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: set[int]) -> None:
    """Pipelined, chunked and upgrading requests are the same in any pieces, also their tokens."""
    whole = (
        get("/a?b=c", "X-One: 1", "x-one: 2") + CHUNKED + H2C + get("/p", method="PUT", body=TOKEN)
    )
    ends = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    assert shown(read(*(whole[a:b] for a, b in pairwise(ends)))) == shown(read(whole))


def test_all_parts_of_a_request_are_kept() -> None:
    """Names in lower case, in order; a body's beginning, and the digest of all of it."""
    body = "x" * 5000 + TOKEN
    (request,) = read(get("/a?b=%20c", "X-One:  1 ", "x-ONE: 2", method="POST", body=body))
    assert (request.method, request.path) == ("POST", "/a?b=%20c")
    assert request.headers == [
        ("host", "here"),
        ("x-one", "1"),
        ("x-one", "2"),
        ("content-length", str(len(body))),
    ]
    assert request.body == b"x" * 4096
    assert request.digest == sha256(body.encode()).hexdigest()
    assert request.token == TOKEN


@pytest.mark.parametrize(
    ("data", "token"),
    [
        (get(f"/x/{TOKEN}?a=sp-11111111-1"), TOKEN),
        (get("/x/sp%2D00c0ffee%2d12"), TOKEN),
        (get("/x", "X-Request-ID: a " + TOKEN, body="sp-11111111-1"), TOKEN),
        (get("/x", "A: sp-22222222-2", "B: " + TOKEN), "sp-22222222-2"),
        (get("/x", body=f'{{"id": "{TOKEN}", "other": "sp-11111111-1"}}'), TOKEN),
        (CHUNKED, TOKEN),
        (get("/x", "A: sp-00c0ffe-12", body="sp-00C0FFEE-12"), None),
    ],
)
def test_a_token_is_found_wherever_it_stands(data: bytes, token: str | None) -> None:
    """In the path, in a header, in the body; the first one counts."""
    assert [request.token for request in read(data)] == [token]
    assert [r.token for r in read(*(data[n : n + 1] for n in range(len(data))))] == [token]


def test_an_upgrade_is_an_ordinary_request() -> None:
    """Java's client asks for HTTP/2 in its first request: it is read with its body, and the next too."""
    first, second = read(H2C + get("/next"))
    assert (first.path, first.body, first.keeps) == ("/h", b"abc", True)
    assert ("upgrade", "h2c") in first.headers
    assert second.path == "/next"


def test_connect_is_a_request_without_a_tunnel() -> None:
    """Its target is its path, and what follows is HTTP again."""
    first, second = read(b"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"))
    assert (first.method, first.path, second.path) == ("CONNECT", "other:443", "/next")


def test_who_takes_us_for_a_proxy() -> None:
    """The path alone is kept."""
    assert [r.path for r in read(get("http://there:80/a?b") + get("http://there"))] == ["/a?b", "/"]


@pytest.mark.parametrize(
    ("data", "keeps", "old"),
    [
        (get(), True, False),
        (get("/", "Connection: close"), False, False),
        (b"GET / HTTP/1.0\r\n\r\n", False, True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, True),
    ],
)
def test_who_keeps_the_connection(data: bytes, keeps: bool, old: bool) -> None:
    """As HTTP says, by version and header; what comes after a last request is no error."""
    reader = Reader()
    (request,) = reader.feed(data)
    assert (request.keeps, request.old) == (keeps, old)
    assert len(reader.feed(get())) == keeps
    assert reader.refused is None


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 400),
        ([b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], 400),
        ([b"GET / HTTP/1.1\r\nno colon\r\n\r\n"], 400),
        ([get("/", "A: " + "x" * HEAD_MOST_BYTES)], 431),
        ([get("/" + "x" * HEAD_MOST_BYTES)], 431),
        ([b"GET / HTTP/1.1\r\nA: ", *([b"x" * 4096] * 20)], 431),
        ([b"GET / HTTP/1.1\r\n", *([b"A: x\r\n" * 600] * 40)], 431),
        ([get(method="POST", body="x" * (BODY_MOST_BYTES + 1))], 413),
    ],
)
def test_what_is_no_request_is_refused(parts: list[bytes], status: int) -> None:
    """Garbage, ambiguous lengths, too large a head or body; nothing after it is read."""
    reader = Reader()
    assert [request for part in parts for request in reader.feed(part)] == []
    assert (reader.refused, reader.partial) == (status, True)
    assert reader.feed(get()) == []


def test_the_largest_that_is_taken() -> None:
    """A head of nearly 64 KiB and a body of 64 MiB."""
    assert len(read(get("/", "A: " + "x" * (HEAD_MOST_BYTES - 100)))) == 1
    assert len(read(get(method="PUT", body="x" * BODY_MOST_BYTES))) == 1


def test_what_has_begun_is_partial() -> None:
    """From its first byte to its last."""
    reader = Reader()
    seen = []
    for byte in get("/", method="PUT", body="ab"):
        reader.feed(bytes([byte]))
        seen.append(reader.partial)
    assert seen == [True] * (len(seen) - 1) + [False]


def test_who_waits_for_100_continue() -> None:
    """It is told once, and not at all if its body has come already."""
    head, body = get("/", "Expect: 100-Continue", method="PUT", body="ab"), b"ab"
    reader = Reader()
    reader.feed(head[:-2])
    assert [reader.takes_continue(), reader.takes_continue()] == [True, False]
    assert len(reader.feed(body)) == 1
    assert not reader.takes_continue()
    assert len(reader.feed(head)) == 1
    assert not reader.takes_continue()
