"""The words in which people are told."""

from __future__ import annotations

import pytest

from harness.promises.rate_limit.check import judge, judge_history
from harness.promises.rate_limit.words import RateLimit
from tests.promises.rate_limit.notation import SETTING, history, promise

WAIT = promise(exceeded={"headers": ["Retry-After"]})

SAID = [
    (
        promise(),
        "0 A*3; 9.998 A",
        (
            "4 calls of key-1 were admitted between 0.000 s and 9.998 s (9.998 s); at most 3 are "
            "promised in any 10s."
        ),
    ),
    (
        promise("1/10s"),
        "0 A; 5~15 A; 19 A",
        (
            "3 calls of key-1 were admitted between 0.000 s and 19.000 s (19.000 s); at most 2 are "
            "promised in any 20s."
        ),
    ),
    (
        promise(key="global"),
        "0 A*3; 1 A other",
        (
            "4 calls of all callers were admitted between 0.000 s and 1.000 s (1.000 s); at most 3 are "
            "promised in any 10s."
        ),
    ),
    (
        promise(burst=3),
        "0 A; 40 A*4",
        (
            "4 calls of key-1 were admitted between 40.000 s and 40.000 s, in 0.000 s; a bucket of 3 "
            "refilled at 3/10s gives at most 3."
        ),
    ),
    (
        promise("30/min", burst=4, refill="4s"),
        "0 A*7",
        (
            "7 calls of key-1 were admitted between 0.000 s and 0.000 s, in 0.000 s; a bucket of 4 "
            "refilled at 30/60s in steps of 4s gives at most 6."
        ),
    ),
    (
        promise(window="fixed"),
        "0 A*3; 4 A*3; 9 A",
        (
            "no placing of windows of 10s explains 5 admitted calls of key-1 between 0.000 s and "
            "9.000 s; at most 3 each."
        ),
    ),
    (
        promise(),
        "0 A*3; 0 R; 5 R; 11 A*2; 11.5 R",
        (
            "the call of key-1 at 11.500 s was refused though at most 2 of 3 could have been used "
            "since 1.500 s."
        ),
    ),
    (
        promise(burst=3),
        "0 A*3; 5 R",
        (
            "the call of key-1 at 5.000 s was refused though at most 2 of 3 could have been used "
            "since 0.000 s."
        ),
    ),
    (
        promise(exceeded={"status": 429, "headers": ["Retry-After"]}),
        "0 A*3; 0 R",
        "refused at 0.000 s with 429, header Retry-After is missing.",
    ),
    (
        promise(exceeded={"json": {"error": {"code": 429}}}),
        "0 A*3; 0 R",
        "refused at 0.000 s with 429, a JSON body is missing.",
    ),
    (
        WAIT,
        "0 A*3; 0.4 R(9); 9.401 R(0)",
        (
            "refused at 0.400 s with Retry-After 9; the call at 9.401 s, 9.001 s later, was refused "
            "again."
        ),
    ),
    (
        promise(),
        "0 A*3; 0 O*3",
        (
            "3 calls of key-1 over the limit were answered with 500 from 0.000 s on, where a refusal "
            "with 429 is promised."
        ),
    ),
]


@pytest.mark.parametrize(("words", "text", "said"), SAID, ids=range(len(SAID)))
def test_a_break_is_told_in_these_words(words: RateLimit, text: str, said: str) -> None:
    """Who, when, how many and how many were promised, as the definition words it."""
    assert judge_history(words, history(text), SETTING).reason == said


def test_times_are_told_from_the_first_judged_call_on() -> None:
    """A trial late in a long run starts at 0.000 s for its reader."""
    events = history("0 A*2; 500 A*3; 509.998 A")
    finding = judge(promise(), events, SETTING, first_call=2).findings[0]
    assert "between 0.000 s and 9.998 s" in finding.said
    assert finding.proof["from_ns"] == 500 * 10**9
    assert finding.calls == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it holds no call"),
        ("0 A*3", "nobody was refused"),
        ("0~? L*3; 0 R", "nobody was admitted"),
        ("0 A*2; 0~? L; 0 R", "no refused call was certainly over the limit"),
        ("0 A*3; 0 R", "nobody was admitted again after a refusal"),
    ],
)
def test_unknown_says_why_and_what_would_settle_it(text: str, reason: str) -> None:
    """The first thing that lacks is named."""
    said = judge_history(promise(), history(text), SETTING).reason
    assert said.startswith(f"the history could not say: {reason}; ")
    assert said.endswith(".")


def test_the_witness_is_least() -> None:
    """Of many calls only N + 1 are shown for too many, and at most N - 1 beside a refusal."""
    many = judge(promise(), history("0 A*3; 20 A*9; 21 A*5"), SETTING).findings[0]
    assert len(many.calls) == 4
    owed = judge(promise(), history("0 A*3; 0 R; 20 A*2; 21 R"), SETTING).findings[0]
    assert owed.calls == (4, 5, 6)
