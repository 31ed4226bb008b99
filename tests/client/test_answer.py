"""Answers out of bytes: whole, cut off, and no answers at all."""

from __future__ import annotations

import h11
import pytest

from harness.client.answer import KEPT_BYTES, LONGEST_BYTES, Answer, new_parser

HEAD = b"HTTP/1.1 200 OK\r\n"


def answer_to(method: str, pieces: list[bytes]) -> Answer:
    parser = new_parser()
    parser.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
    parser.send(h11.EndOfMessage())
    answer = Answer(parser)
    for piece in pieces:
        if not answer.done:
            answer.feed(piece)
    return answer


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("data", "status", "error", "body"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\nok", 200, None, b"ok"),
        (b"HTTP/1.0 404 Nope\r\n\r\nto the end", 404, None, b"to the end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, None, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, None, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", 200, None, b""),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 429 No\r\nConte", 429, "closed", b""),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", None, "closed", b""),
        (b"", None, "closed", b""),
        (b"HTTP/1.1 20", None, "closed", b""),
        (b"HTTP/1.1 200", None, "closed", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 200, "closed", b""),
        (HEAD + b"Content-Length: 9\r\n\r\nhalf", 200, "closed", b"half"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", 200, "closed", b"half"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 200, "garbage", b""),
        (b"SSH-2.0-OpenSSH_9\r\n", None, "garbage", b""),
        (b"\x00\xff\x16\x03", None, "garbage", b""),
        (b"HTTP/1.1 2xx OK\r\n\r\n", None, "garbage", b""),
        (HEAD + b"no header\r\n\r\n", 200, "garbage", b""),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk", 200, "garbage", b""),
        (HEAD + b"X: " + b"y" * 70_000, 200, "garbage", b""),
    ],
)
def test_answers_and_their_ends(
    data: bytes, status: int | None, error: str | None, body: bytes, bytewise: bool
) -> None:
    """Whatever comes, in one piece or byte by byte, is told the same way and never raises."""
    pieces = [bytes([byte]) for byte in data] if bytewise else [data] * bool(data)
    answer = answer_to("GET", [*pieces, b""])
    assert (answer.status, answer.error, answer.body) == (status, error, body)
    assert answer.complete is (error is None)


def test_head_has_no_body() -> None:
    """The length of an answer to HEAD says nothing about what follows."""
    answer = answer_to("HEAD", [HEAD + b"Content-Length: 900\r\n\r\n"])
    assert answer.complete
    assert answer.headers == (("content-length", "900"),)


def test_names_of_headers_are_lower_case_and_values_any_byte() -> None:
    """Header names are compared without case; bytes beyond ASCII survive as latin-1."""
    answer = answer_to("GET", [HEAD + b"X-WHO: J\xf6rg\r\nx-who: b\r\nContent-Length: 0\r\n\r\n"])
    assert answer.headers[:2] == (("x-who", "J\xf6rg"), ("x-who", "b"))


def test_of_a_long_body_only_the_beginning_is_kept() -> None:
    """64 KiB are kept, the rest is counted; over 10 MiB nobody waits for the end."""
    size = LONGEST_BYTES * 2
    answer = answer_to("GET", [HEAD + b"Content-Length: %d\r\n\r\n" % size])
    piece = b"x" * 65_536
    while not answer.done:
        answer.feed(piece)
    assert (answer.status, answer.error, answer.complete) == (200, "garbage", False)
    assert len(answer.body) == KEPT_BYTES
    assert LONGEST_BYTES < answer.received_bytes < LONGEST_BYTES + 2 * len(piece)


def test_endless_hints_are_no_answer() -> None:
    """A server that sends 1xx for ever is given up like an endless body."""
    answer = answer_to("GET", [])
    while not answer.done:
        answer.feed(b"HTTP/1.1 103 Hints\r\nLink: " + b"x" * 60_000 + b"\r\n\r\n")
    assert (answer.status, answer.error) == (None, "garbage")


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (b"Content-Length: 2\r\n\r\nok", True),
        (b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK", False),
        (b"Content-Length: 2\r\nConnection: close\r\n\r\nok", False),
        (b"Content-Length: 3\r\n\r\nok", False),
    ],
)
def test_when_a_connection_can_be_used_again(data: bytes, reusable: bool) -> None:
    """Only after a whole answer, with nothing behind it, that does not announce the end."""
    assert answer_to("GET", [HEAD + data]).reusable() is reusable
