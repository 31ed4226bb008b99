"""``headers_always``: each rule on histories of a few calls, and what nobody can be accused of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.history import Call, FaultBegan, FaultEnded, History, TargetStarted
from harness.promises.rate_limit.check import Judgement, Setting, judge
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S
from tests.promises.rate_limit.notation import EPOCH_NS, SETTING, Clock, calls, promise

NAMES = {"limit": "X-Limit", "remaining": "X-Left", "reset": {"header": "X-Reset", "as": "delta"}}
LEFT = {"remaining": "X-Left"}
NUMBERS = {"limit": "X-Limit", "remaining": "X-Left"}
RESET = {"reset": {"header": "X-Reset", "as": "delta"}}
EPOCH = {"reset": {"header": "X-Reset", "as": "epoch"}}


def words(always: dict[str, Any], limit: str | list[str] = "3/10s", **more: Any) -> RateLimit:
    """A promise with those headers."""
    return promise(limit, headers_always=always, **more)


def told(text: str, *said: str, **fields: Any) -> tuple[Call, ...]:
    """The calls of ``text``; each says, in order: ``limit left reset``, with ``-`` for none."""
    made = calls(text)
    assert len(made) == len(said), f"{len(made)} calls, {len(said)} answers"
    return tuple(
        replace(call, headers=_headers(each), **fields)
        for call, each in zip(made, said, strict=True)
    )


def _headers(said: str) -> tuple[tuple[str, str], ...]:
    names = ("x-limit", "x-left", "x-reset")
    values = said.split("/")
    pairs = zip(names, values, strict=False)
    return tuple((name, value) for name, value in pairs if value != "-")


def judged(
    promised: RateLimit,
    made: tuple[Call, ...],
    *,
    clock: Clock = "frozen",
    setting: Setting = SETTING,
    events: tuple[FaultBegan | FaultEnded, ...] = (),
) -> Judgement:
    """Judge the calls."""
    started = TargetStarted(seq=0, at_ns=0, target_ns=0, clock=clock, exclusive=True)
    ordered = sorted((*events, *made), key=_order)
    return judge(promised, History((started, *ordered)), setting)


def _order(event: Call | FaultBegan | FaultEnded) -> int:
    return event.written_seq if isinstance(event, Call) else event.seq


def said(found: Judgement) -> list[str]:
    """The rules that are broken."""
    assert all(each.half == "headers" for each in found.findings), found.findings
    return [each.proof["rule"] for each in found.findings]


@pytest.mark.parametrize("clock", ["frozen", "real"])
def test_true_headers_are_judged_and_kept(clock: Clock) -> None:
    """Limit, remaining and reset on admitted and refused calls, and who waited for the reset."""
    made = told("0 A*3; 0 R; 11.5 A", "3/2/10", "3/1/10", "3/0/10", "3/0/10", "3/2/10")
    found = judged(words(NAMES), made, clock=clock)
    assert said(found) == []
    assert found.evidence["headers_complete"] == 5
    assert found.evidence["remaining_judged"] == 1
    assert found.evidence["reset_judged"] >= 1


@pytest.mark.parametrize(
    ("always", "text", "answers", "rule"),
    [
        (NUMBERS, "0 A", ["-/2"], "missing"),
        (NUMBERS, "0 A*3; 0 R", ["3/2", "3/1", "3/0", "3/-"], "missing"),
        (LEFT, "0 A", ["-/2.5"], "unreadable"),
        (LEFT, "0 A", ["-/-1"], "unreadable"),
        (RESET, "0 A", ["-/-/soon"], "unreadable"),
        (NUMBERS, "0 A", ["4/2"], "limit"),
        (RESET, "0 A", ["-/-/12"], "absurd"),
        (RESET, "0 A", ["-/-/1700000010"], "absurd"),
        (EPOCH, "0 A", ["-/-/1700000012"], "absurd"),
        (EPOCH, "0 A", ["-/-/1700000010000"], "absurd"),
        (LEFT, "0 A*3; 0 R", ["-/2", "-/1", "-/1", "-/0"], "remaining"),
        (LEFT, "0 A*2; 0 A; 5 R", ["-/3", "-/2", "-/1", "-/0"], "remaining"),
        (LEFT, "0 A*3; 0 R*2", ["-/2", "-/1", "-/0", "-/1", "-/0"], "remaining"),
        (LEFT, "0 A*3", ["-/1", "-/1", "-/0"], "more"),
        (LEFT, "0 A*2", ["-/0", "-/0"], "more"),
        (RESET, "0 A*3; 2 R; 4 R", ["-/-/10", "-/-/10", "-/-/10", "-/-/0", "-/-/6"], "reset"),
        (RESET, "0 A*3; 3.002 R", ["-/-/10", "-/-/10", "-/-/2", "-/-/7"], "reset"),
        (EPOCH, "0 A*3; 2 R; 4 R", [*["-/-/1700000010"] * 3, *["-/-/1700000002"] * 2], "reset"),
    ],
)
def test_each_rule_has_its_break(
    always: dict[str, Any], text: str, answers: list[str], rule: str
) -> None:
    """One header that is not there, is no number, or is not true."""
    assert said(judged(words(always), told(text, *answers))) == [rule]


@pytest.mark.parametrize(
    ("always", "text", "answers"),
    [
        (NUMBERS, "0 A", ["3, 3;w=10/2"]),
        (RESET, "0 A", ["-/-/11"]),
        (RESET, "0 A", ["-/-/9.75"]),
        (EPOCH, "0 A", ["-/-/1700000011"]),
        (LEFT, "0 A | 0 A | 0 A", ["-/0", "-/0", "-/0"]),
        (LEFT, "0 A*2; 0~? L; 0 R", ["-/2", "-/1", "-/-", "-/0"]),
        (LEFT, "0 A*2; 0 O; 0 R", ["-/2", "-/1", "-/-", "-/0"]),
        (LEFT, "0 A*2; 0 A | 0 R", ["-/2", "-/1", "-/0", "-/0"]),
        (LEFT, "0 A; 0.002 A*2", ["-/1", "-/1", "-/0"]),
        (LEFT, "0 A*3; 0 A other", ["-/2", "-/1", "-/0", "-/2"]),
        (RESET, "0 A*3; 2.9 R", ["-/-/10", "-/-/10", "-/-/2", "-/-/8"]),
        (RESET, "0 A*2; 1 A; 2 A; 4 R", ["-/-/1", "-/-/1", "-/-/9", "-/-/9", "-/-/9"]),
    ],
)
def test_what_can_be_explained_accuses_nobody(
    always: dict[str, Any], text: str, answers: list[str]
) -> None:
    """Parameters, rounding, calls at the same moment, lost answers, other keys, a second's grace."""
    found = judged(words(always), told(text, *answers))
    assert [each for each in found.findings if each.half == "headers"] == []


def test_at_one_instant_needs_a_held_clock() -> None:
    """On a clock that runs, the budget may have grown between the two."""
    made = told("0 A*3", "-/1", "-/1", "-/0")
    assert said(judged(words(LEFT), made)) == ["more"]
    assert said(judged(words(LEFT), made, clock="real")) == []


def test_another_limit_that_is_full_explains_the_refusal() -> None:
    """Which limit the header speaks of is told by the header of the limit."""
    limits = ["3/10s", "4/100s"]
    text = "0 A*3; 11 A; 11 R"
    short = ["3/2", "3/1", "3/0", "3/2", "3/2"]
    assert said(judged(words(NUMBERS, limits), told(text, *short))) == []
    long = ["4/3", "4/2", "4/1", "4/1", "4/0"]
    assert said(judged(words(NUMBERS, limits), told(text, *long))) == ["remaining"]


def test_a_header_of_two_promises_is_judged_where_it_names_its_limit() -> None:
    """Otherwise it may speak of the other one."""
    other = words(NUMBERS, "9/10s", id="other", key="global")
    setting = Setting(ok={}, others=(other,))
    ours = told("0 A*3; 0 R", "3/2", "3/1", "3/1", "3/0")
    assert said(judged(words(NUMBERS), ours, setting=setting)) == ["remaining"]
    theirs = told("0 A*3; 0 R", "9/8", "9/7", "9/6", "9/6")
    assert said(judged(words(NUMBERS), theirs, setting=setting)) == []
    alike = Setting(ok={}, others=(words(NUMBERS, "3/s", id="other", key="global"),))
    either = told("0 A*3; 5 R", "3/2", "3/1", "3/1", "3/0")
    assert said(judged(words(NUMBERS), either)) == ["remaining"]
    assert said(judged(words(NUMBERS), either, setting=alike)) == []
    silent = Setting(ok={}, others=(words(LEFT, "9/10s", id="other", key="global"),))
    unnamed = told("0 A*3; 0 R", "-/2", "-/1", "-/1", "-/0")
    assert said(judged(words(LEFT), unnamed, setting=silent)) == []


def test_a_bucket_may_name_its_size_or_its_rate() -> None:
    """Both numbers are declared."""
    for limit in ("2", "3"):
        assert said(judged(words(NUMBERS, burst=2), told("0 A", f"{limit}/1"))) == []
    assert said(judged(words(NUMBERS, burst=2), told("0 A", "4/1"))) == ["limit"]


def test_refused_calls_that_count_use_what_remains() -> None:
    """With ``refused_count: yes`` a refusal in between explains the next one."""
    text, answers = "0 A*2; 0 R; 1 R", ["-/2", "-/1", "-/1", "-/0"]
    assert "remaining" in {
        each.proof.get("rule") for each in judged(words(LEFT), told(text, *answers)).findings
    }
    found = judged(
        words(LEFT, "2/10s", refused_count="yes"), told(text, *["-/1", "-/0"], "-/0", "-/0")
    )
    assert said(found) == []


def test_answers_during_an_outage_say_nothing_of_the_budget() -> None:
    """Without the store nobody can tell what is left."""
    began = FaultBegan(seq=55, at_ns=0, target_ns=0, dependency="redis", fault="killed", effect=1)
    made = told("0 A*3; 0 R", "-/2", "-/1", "-/-", "-/-")
    stored = words(LEFT, store={"dependency": "redis", "when_down": "open"})
    found = judged(stored, made, events=(began,))
    assert "headers" not in {each.half for each in found.findings}


def test_a_date_is_an_instant_of_the_target_s_wall_clock() -> None:
    """The epoch that the header counts from is the target's."""
    made = tuple(
        replace(call, sent_wall_ns=call.sent_wall_ns + 7 * NS_PER_S, answered_wall_ns=None)
        for call in told("0 A", "-/-/1700000018")
    )
    assert made[0].sent_wall_ns == EPOCH_NS + 7 * NS_PER_S
    assert said(judged(words(EPOCH), made)) == []
