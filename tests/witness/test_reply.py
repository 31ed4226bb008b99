"""What is written for an answer, and which answer a request gets."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.script import HOLD, USUAL, Answer, Rule, Usual, always
from harness.witness.book import Book
from harness.witness.protocol import answer_from, script_from, script_to, usual_from
from harness.witness.reader import Reader
from harness.witness.reply import Reply, Wire
from tests.witness.conftest import get

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
SECOND_NS = 1_000_000_000


def wire(
    answer: Answer,
    usual: Usual | None = None,
    *,
    method: str = "GET",
    keeps: bool = True,
    old: bool = False,
    wall_ns: int = 0,
) -> Wire:
    return Reply(answer, usual or Usual()).wire(method, keeps=keeps, old=old, wall_ns=wall_ns)


@pytest.mark.parametrize(
    ("answer", "at_once", "drip"),
    [
        (USUAL, HEAD % 2 + b"{}", b""),
        (Answer(body="h\u00e9"), HEAD % 3 + "h\u00e9".encode(), b""),
        (Answer(body="abcd", length_off=3), HEAD % 7 + b"abcd", b""),
        (Answer(body="abcd", length_off=-1), HEAD % 3 + b"abcd", b""),
        (Answer(body="abcd", length_off=-9), HEAD % 0 + b"abcd", b""),
        (Answer(body="abcd", cut="before"), b"", b""),
        (Answer(body="abcd", cut="within"), HEAD % 4 + b"ab", b""),
        (Answer(body="", cut="within"), (HEAD % 0)[:35], b""),
        (Answer(body="abcd", cut="after"), HEAD % 4 + b"abcd", b""),
        (Answer(body="abcd", trickle_ns=1), HEAD % 4, b"abcd"),
        (Answer(body="abcd", trickle_ns=1, cut="within"), HEAD % 4, b"ab"),
        (Answer(body="ab", trickle_ns=1, trickle="all"), b"H", (HEAD % 2)[1:] + b"ab"),
    ],
)
def test_what_is_written(answer: Answer, at_once: bytes, drip: bytes) -> None:
    """Whole, cut off, of a wrong length, at once or byte by byte."""
    written = wire(answer)
    assert (written.at_once, written.drip, written.closes) == (at_once, drip, False)


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (USUAL, 201, "b"),
        (Answer(delay_ns=1), 201, "b"),
        (Answer(status=503), 503, "b"),
        (Answer(body="own"), 200, "own"),
    ],
)
def test_what_an_answer_leaves_open_is_usual(answer: Answer, status: int, said: str) -> None:
    """Its body; and where it names neither body nor another status, all of it."""
    usual = Usual(status=201, headers=(("ETag", "7"),), body="b", content_type="text/plain")
    head, _, body = wire(answer, usual).at_once.decode().partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert body == said
    assert "Content-Type: text/plain" in head
    assert ("ETag: 7" in head) == (status == 201)


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("HEAD", 200, HEAD % 4),
        ("GET", 204, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", 304, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
        ("GET", 999, HEAD.replace(b"200 OK", b"999 Scripted") % 4 + b"abcd"),
    ],
)
def test_answers_without_a_body(method: str, status: int, expected: bytes) -> None:
    """To HEAD, and with a status that allows none."""
    assert wire(Answer(status=status, body="abcd"), method=method).at_once == expected


@pytest.mark.parametrize(
    ("answer", "keeps", "old", "said", "closes"),
    [
        (USUAL, True, False, None, False),
        (Answer(close=True), True, False, "close", True),
        (USUAL, False, False, "close", True),
        (USUAL, True, True, "keep-alive", False),
    ],
)
def test_who_closes(answer: Answer, keeps: bool, old: bool, said: str | None, closes: bool) -> None:
    """The script or the client; HTTP/1.0 must be told that we do not."""
    written = wire(answer, keeps=keeps, old=old)
    assert (f"Connection: {said}".encode() in written.at_once) == (said is not None)
    assert written.closes == closes


def test_a_scripted_header_takes_the_place_of_ours() -> None:
    """No header of the same name twice."""
    written = wire(Answer(body="ab", headers=(("CONTENT-TYPE", "x/y"), ("content-length", "9"))))
    assert written.at_once == b"HTTP/1.1 200 OK\r\nCONTENT-TYPE: x/y\r\ncontent-length: 9\r\n\r\nab"


def test_a_date_is_that_of_each_answer() -> None:
    """Counted from the wall clock at the answer, though other answers are kept ready."""
    reply = Reply(Answer(headers=(("Retry-After", "{date+7}"), ("X-A", "b"))), Usual())
    dates = [
        dict(reply.wire("GET", keeps=True, old=False, wall_ns=at_ns).headers)["retry-after"]
        for at_ns in (0, 3 * SECOND_NS + 999_999_999)
    ]
    assert dates == ["Thu, 01 Jan 1970 00:00:07 GMT", "Thu, 01 Jan 1970 00:00:10 GMT"]


def told(book: Book, *requests: tuple[str, str, str]) -> str:
    """The statuses that requests (method, path, token) get, one digit each, ``h`` for held."""
    said = ""
    for method, path, token in requests:
        (request,) = Reader().feed(get(path, f"X-Request-ID: {token}", method=method))
        _, reply = book.arrive(1, 1, request, (0, 0, 0))
        said += "h" if reply.answer.hold else str(reply.status // 100)
    return said


A, B = "sp-00c0ffee-1", "sp-00c0ffee-2"
FAIL = Answer(status=503)
MISS = Answer(status=404)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((), "222222"),
        (always(HOLD), "hhhhhh"),
        ((Rule(answers=(FAIL, FAIL), then=USUAL),), "552222"),
        ((Rule(answers=(USUAL, USUAL, FAIL)),), "225225"),
        ((Rule(answers=(FAIL,), then=USUAL, per="call"),), "525222"),
        ((Rule(answers=(FAIL,), then=USUAL, per="path"),), "552222"),
        ((Rule(answers=(FAIL,), then=USUAL, per="path", path="/b"),), "252222"),
        ((Rule(then=FAIL, method="POST"), Rule(answers=(MISS,))), "445454"),
        ((Rule(then=FAIL, path="/b"), Rule(then=MISS, path="/")), "454545"),
    ],
)
def test_scripts_count(script: tuple[Rule, ...], expected: str) -> None:
    """Per all, call or path; then for ever, or again from the first; the first rule that matches."""
    requests = [
        ("GET", "/a", A),
        ("GET", "/b?x=1", A),
        ("POST", "/a", B),
        ("GET", "/b?x=2", A),
        ("POST", "/a", B),
        ("GET", "/b", B),
    ]
    book = Book()
    for _ in range(2):  # counts begin anew with each script
        book.play(script_from(script_to(script)))
        assert told(book, *requests) == expected


def test_the_longest_path_decides_what_is_usual() -> None:
    """Of several that fit; where none fits, 200 and an empty object."""
    book = Book((Usual(path="/a", status=201), Usual(path="/a/b", status=402)))
    assert told(book, ("GET", "/a/b/c", A), ("GET", "/a/x", A), ("GET", "/x", A)) == "422"


def test_nothing_is_lost_on_the_way_to_the_witness() -> None:
    """Every setting of an answer arrives as it was."""
    answer = Answer(
        status=404,
        headers=(("A", "b"), ("A", "\xe9")),
        body="\u20ac",
        content_type="x/y",
        delay_ns=1,
        hold=True,
        trickle_ns=2,
        trickle="all",
        cut="within",
        cut_by="close",
        length_off=-1,
        close=True,
    )
    script = (Rule(answers=(answer,), then=answer, per="call", method="GET", path="/"),)
    assert script_from(script_to(script)) == script
    assert answer_from(script_to(script)[0]["then"]) == answer
    usual = Usual(path="/", status=1, headers=(("a", "b"),), body="x", content_type="y")
    assert usual_from(asdict(usual)) == usual


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=99), "status .* got 99"),
        (Answer(headers=(("A b", "c"),)), "'A b'"),
        (Answer(headers=(("A", "c\r\nX: y"),)), "one line"),
        (Answer(content_type="\u20ac"), "Latin-1"),
        (Answer(delay_ns=-1), "delay_ns .* got -1"),
        (Answer(trickle_ns=-5), "trickle_ns .* got -5"),
    ],
)
def test_what_nobody_could_write_is_refused(answer: Answer, message: str) -> None:
    """At once, with what is wrong."""
    for script in (always(answer), (Rule(answers=(answer,)),)):
        with pytest.raises(ValueError, match=message):
            script_to(script)
