"""The table of small histories: each with its verdict, and with the half that breaks."""

from __future__ import annotations

import pytest

from harness.history import History
from harness.promises.rate_limit.check import judge_history
from harness.promises.rate_limit.words import RateLimit
from harness.verdict import Status
from tests.promises.rate_limit.notation import SETTING, Clock, history, promise

PLAIN = promise()
FIXED = promise(window="fixed")
COUNTED = promise(refused_count="yes")
BUCKET = promise(burst=3)
WAIT = promise(exceeded={"headers": ["Retry-After"]})

TABLE = [
    ("1", PLAIN, "0 A*3; 0 R; 9.998 R; 10.002 A*3; 10.002 R", "kept"),
    ("2", PLAIN, "0 A*3; 0 R; **10 R**; 10.002 A*3; 10.002 R", "kept"),
    ("3", PLAIN, "0 A*3; 9.9995 A", "unknown"),
    ("4", PLAIN, "0 A*3; 9.998 A", "broken upper"),
    ("5", PLAIN, "0 A; 9.998 A*2; 9.998 R; 10.002 A*3", "broken upper"),
    ("6", FIXED, "0 A; 9.998 A*2; 9.998 R; 10.002 A*3; 10.002 R", "not broken"),
    ("7", FIXED, "0 A*3; 4 A*3", "unknown"),
    ("8", FIXED, "0 A*3; 4 A*3; 9 A", "broken upper"),
    ("9", PLAIN, "0 R", "broken lower"),
    ("10", PLAIN, "0 A*2; 0~? L; 0 R", "unknown"),
    ("11", PLAIN, "0 A*3; 0~? L; 10.002 A*2; 10.002 R", "unknown"),
    ("12", PLAIN, "0~1 A*3; 9.5~10.5 A", "unknown"),
    ("13", PLAIN, "0~1 A*3; 8~9.9 A", "broken upper"),
    ("14", promise("1/10s"), "0 A; 5~15 A; 19 A", "broken upper"),
    ("15", PLAIN, "0 A | 0 A | 0 A | 0 R | 0 R; 10.002 A", "kept"),
    ("16", PLAIN, "0 A | 0 A | 0 R | 0 R", "broken lower"),
    ("17", PLAIN, "0 A | 0 A | 0 A | 0 A", "broken upper"),
    ("18", PLAIN, "0 A*3; 0 R; 5 R; 9 R; 10.002 R", "broken lower"),
    ("19", COUNTED, "0 A*3; 0 R; 2 R; 5 R; 9 R; 10.002 R", "unknown"),
    ("20", COUNTED, "0 A*3; 0 R; 5 R; 9 R; 10.002 R", "broken lower"),
    ("21", BUCKET, "0 A*3; 0 R; 3.4 A; 3.4 R", "kept"),
    ("22", BUCKET, "0 A*2; 0 R", "unknown"),
    ("23", BUCKET, "0 A*2; 0.002 R", "broken lower"),
    ("24", BUCKET, "0 A; 40 A*4", "broken upper"),
    ("25", WAIT, "0 A*3; 0.4 R(9); 9.401 R(0)", "broken retry_after"),
    ("26", WAIT, "0 A*3; 0.4 R(10); 10.402 A", "kept"),
    ("27", WAIT, "0 A*3; 0.4 R(1700000010)", "broken retry_after"),
    ("28", PLAIN, "0 A*3; 0 R; 0 A other; 0 R other", "broken lower"),
    ("29", PLAIN, "0 O*3; 0 R", "unknown"),
    ("30", PLAIN, "0 A*3; 0 O*3", "broken form"),
    ("30, one only", PLAIN, "0 A*3; 0 O", "unknown"),
    ("31, vacuous", PLAIN, "", "unknown"),
    ("31, not reached", PLAIN, "0 A*3", "unknown"),
    ("31, no readmission", PLAIN, "0 A*3; 0 R", "unknown"),
    ("32", promise(["3/10s", "5/100s"]), "0 A*3; 0 R; 10.002 A*2; 10.002 R", "not broken"),
    ("33", PLAIN, "0.999 A*3; 10 A*3", "broken upper"),
    ("33, declared", promise(granularity="1s"), "0.999 A*3; 10 A*3", "not broken"),
]


@pytest.mark.parametrize("clock", ["frozen", "real"])
@pytest.mark.parametrize(("words", "text", "said"), [row[1:] for row in TABLE], ids=lambda _: "")
def test_each_history_of_the_table_has_its_verdict(
    words: RateLimit, text: str, said: str, clock: Clock
) -> None:
    """All 33 histories, on a frozen clock, and where both real clocks agree: no other verdict."""
    _expect(words, history(text, clock=clock), said)


def _expect(words: RateLimit, events: History, said: str) -> None:
    verdict = judge_history(words, events, SETTING)
    if said == "not broken":
        assert verdict.status is not Status.BROKEN, verdict.reason
        return
    status, _, half = said.partition(" ")
    assert verdict.status == status, verdict.reason
    assert {finding.half for finding in verdict.findings} == ({half} if half else set())
