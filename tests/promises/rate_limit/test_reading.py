"""How an answer is read, and when its form is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.history import Call
from harness.promises.rate_limit.check import Setting, judge
from harness.promises.rate_limit.reading import letter_of, missing_form
from tests.promises.rate_limit.notation import SETTING, calls, history, joined, promise

ENVELOPE = {"error": {"code": 429, "tags": ["rate", {"a": 1}]}}


def answer(status: int | None, body: object = None, *headers: str, **changes: Any) -> Call:
    """A call that got this answer."""
    return replace(
        calls("0 A")[0],
        status=status,
        body=b"" if body is None else json.dumps(body).encode(),
        headers=tuple((name.lower(), "1") for name in headers),
        **changes,
    )


@pytest.mark.parametrize(
    ("exceeded", "call", "letter"),
    [
        ({}, answer(200), "A"),
        ({}, answer(204), "A"),
        ({}, answer(200, complete=False), "A"),
        ({}, answer(302), "O"),
        ({}, answer(404), "O"),
        ({}, answer(503), "O"),
        ({}, answer(429), "R"),
        ({}, answer(None, error="garbage"), "L"),
        ({}, answer(None, error="left"), "L"),
        ({"status": 420}, answer(420), "R"),
        ({"status": 503, "headers": ["Retry-After"]}, answer(429), "R"),
        ({"status": 503, "headers": ["Retry-After"]}, answer(503), "O"),
        ({"status": 503, "headers": ["Retry-After"]}, answer(503, None, "Retry-After"), "R"),
        ({"status": 403, "json": {"code": 1}}, answer(403, {"code": 2}), "O"),
        ({"status": 403, "json": {"code": 1}}, answer(403, {"code": 1, "more": 2}), "R"),
    ],
)
def test_the_letter_of_an_answer(exceeded: dict[str, object], call: Call, letter: str) -> None:
    """A failure status refuses only with the declared body or header; any 429 refuses."""
    assert letter_of(promise(exceeded=exceeded), {}, call) == letter


def test_the_operation_says_what_is_ok() -> None:
    """Where the contract names the statuses, no other admits."""
    ok = {"list": frozenset({302})}
    assert letter_of(promise(), ok, answer(302)) == "A"
    assert letter_of(promise(), ok, answer(200)) == "O"


@pytest.mark.parametrize(
    ("exceeded", "call", "missing"),
    [
        ({"headers": ["Retry-After"]}, answer(429, None, "Retry-After"), None),
        ({"headers": ["Retry-After", "X-Why"]}, answer(429, None, "Retry-After"), "header X-Why"),
        ({"status": 420}, answer(429), "status 420"),
        ({"json": ENVELOPE}, answer(429, ENVELOPE | {"more": 1}), None),
        ({"json": ENVELOPE}, answer(429, {"error": {}}), "JSON.error.code"),
        ({"json": {"code": 429}}, answer(429, {"code": "429"}), "JSON.code = 429"),
        ({"json": {"code": 1}}, answer(429, {"code": True}), "JSON.code = 1"),
        ({"json": {"a": [1]}}, answer(429, {"a": [1, 2]}), "JSON.a = [1]"),
        ({"json": {"a": [{"b": 1}]}}, answer(429, {"a": [{"b": 2}]}), "JSON.a[0].b = 1"),
        ({"json": {"code": 1}}, answer(429), "a JSON body"),
        ({"json": {"code": 1}}, answer(429, complete=False), None),
    ],
)
def test_what_a_refusal_lacks(exceeded: dict[str, object], call: Call, missing: str | None) -> None:
    """Status, then headers, then the JSON that must be contained; a cut body proves nothing."""
    assert missing_form(promise(exceeded=exceeded).exceeded, call) == missing


def test_a_body_that_is_no_json_however_deep_is_told() -> None:
    """Answers of a broken target never break the checker."""
    words = promise(exceeded={"json": {"code": 1}}).exceeded
    for body in (b"\xff\xfe", b"[" * 60_000, b"", b"{", b"1" * 5_000):
        assert missing_form(words, replace(answer(429), body=body)) == "a JSON body"


def test_a_refusal_of_wrong_form_is_no_evidence_for_kept() -> None:
    """It breaks the form, and it does not count as the declared refusal."""
    words = promise(exceeded={"headers": ["Retry-After"]})
    found = judge(words, history("0 A*3; 0 R"), SETTING)
    assert [each.half for each in found.findings] == ["form"]
    assert found.evidence["over_refused"] == 0
    assert found.evidence["over_refused_wrong_form"] == 1


@pytest.mark.parametrize(
    ("text", "is_broken"),
    [
        ("0 A*3; 0 O*3", True),
        ("0 A*3; 0 O*2", False),
        ("0 O; 0 A*3; 0 O*3", False),
        ("0 A*2; 0~? L; 1 O*3; 2 A", False),
        ("0 A*3; 0 O=503*3", True),
        ("0 A*3; 9.9995 O*3", False),
    ],
)
def test_an_error_in_place_of_a_refusal(text: str, is_broken: bool) -> None:
    """Three times over the limit and never to somebody entitled; what comes later proves nothing."""
    halves = [each.half for each in judge(promise(), history(text), SETTING).findings]
    assert halves == (["form"] if is_broken else [])


def test_closing_the_connection_on_who_is_over_is_no_refusal() -> None:
    """Lost by a timeout they prove nothing; closed by the service three times they do."""
    lost = calls("0 A*3; 1~? L*3; 2 R")
    assert not judge(promise(), joined(lost), SETTING).findings
    closed = tuple(
        replace(call, error="closed", answered_seq=call.written_seq + 5) if call.error else call
        for call in lost
    )
    found = judge(promise(), joined(closed), SETTING).findings
    assert "by closing the connection" in found[0].said
    assert not judge(promise(), joined(closed[:6]), SETTING).findings, "the last may end late"


def test_another_limit_s_refusal_has_its_own_form() -> None:
    """Where the other limit may be full, its 503 is neither ours to judge nor ours to count."""
    other = promise("2/10s", id="other", key="global", exceeded={"status": 420})
    setting = Setting(ok={}, others=(other,))
    words = promise("9/10s", exceeded={"headers": ["X-Why"]})
    assert judge(words, history("0 A*2; 0 R"), SETTING).findings
    assert not judge(words, history("0 A*2; 0 R"), setting).findings
    assert judge(words, history("0 A; 0 R"), setting).findings
