"""No promise is called broken by what it never promised: what holds while a process is hurt."""

from __future__ import annotations

import pytest

from harness.history import Call, FaultBegan, History
from harness.plan import Played
from harness.runner.doubted import doubted
from harness.verdict import Finding, Status, Verdict

PLAYED = Played(steps=(), first_call=0, end_call=2, at_ns=(10, 100))


def call(ended_ns: int | None) -> Call:
    return Call(
        operation="get",
        caller="a",
        identity=None,
        source="127.0.0.1",
        forwarded=None,
        connection=1,
        written_seq=1,
        answered_seq=2,
        written_ns=1,
        first_byte_ns=ended_ns,
        last_byte_ns=ended_ns,
        sent_target_ns=1,
        answered_target_ns=ended_ns,
        sent_wall_ns=1,
        answered_wall_ns=ended_ns,
        status=200,
        ended_ns=ended_ns,
    )


def fault(dependency: str, word: str, at_ns: int = 50, name: str = "f") -> FaultBegan:
    return FaultBegan(
        seq=9, at_ns=at_ns, target_ns=0, dependency=dependency, fault=word, effect=1, name=name
    )


def finding(half: str, said: str, calls: tuple[int, ...]) -> Finding:
    return Finding(half=half, said=said, key="a", calls=calls)


BROKEN = Verdict.broken([finding("upper", "too many", (0, 1))])


@pytest.mark.parametrize(
    ("kind", "began", "status"),
    [
        ("rate_limit", fault("target", "paused"), Status.BROKEN),
        ("rate_limit", fault("target", "killed"), Status.BROKEN),
        ("rate_limit", fault("redis", "killed"), Status.BROKEN),
        ("rate_limit", fault("redis", "paused"), Status.UNKNOWN),
        ("rate_limit", fault("target", "out of descriptors"), Status.UNKNOWN),
        ("rate_limit", fault("target", "wall clock set back by 1h"), Status.UNKNOWN),
        ("deadline", fault("redis", "paused"), Status.BROKEN),
        ("deadline", fault("target", "paused"), Status.UNKNOWN),
        ("circuit_breaker", fault("target", "killed"), Status.UNKNOWN),
        ("circuit_breaker", fault("search", "refused", name=""), Status.BROKEN),
        ("circuit_breaker", fault("target", "killed", at_ns=5), Status.BROKEN),
        ("circuit_breaker", fault("target", "killed", at_ns=90), Status.BROKEN),
    ],
)
def test_only_what_a_kind_has_words_for(kind: str, began: FaultBegan, status: Status) -> None:
    """Other faults of this playing, before the proof is complete, make it unknown, with their name."""
    verdict = doubted(kind, History((call(60), call(80), began)), PLAYED, BROKEN)
    assert verdict.status is status
    if status is Status.UNKNOWN:
        assert f"was {began.fault} by then" in verdict.reason
        assert verdict.reason.startswith("too many")


def test_what_was_proved_before_stands() -> None:
    """A finding whose calls had ended before the fault began; one under way had not."""
    early, late = finding("upper", "early", (0,)), finding("lower", "late", (0, 1))
    history = History((call(20), call(None), fault("target", "short of memory")))
    verdict = doubted("retry", history, PLAYED, Verdict.broken([late, early]))
    assert verdict.status is Status.BROKEN
    assert verdict.findings == (early,)
    assert doubted("retry", history, PLAYED, Verdict.kept("all", {})).status is Status.KEPT
