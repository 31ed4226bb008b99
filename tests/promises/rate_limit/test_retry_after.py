"""Retry-After: what can be read, what can be believed, and what happens to who obeys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from harness.history import History
from harness.models.advice import retry_after
from harness.promises.rate_limit.check import judge
from harness.units import NS_PER_S
from tests.promises.rate_limit.notation import EPOCH_NS, SETTING, history, promise

HEADER = {"headers": ["Retry-After"]}
WAIT = promise(exceeded=HEADER)
NOVEMBER = "Tue, 14 Nov 2023 22:13:"  # second 20 of this minute is EPOCH_NS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 30 ", 30),
        ("1700000010", 1_700_000_010),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 1_700_000_010),
        ("Tuesday, 14-Nov-23 22:13:30 GMT", 1_700_000_010),
        ("Tue Nov 14 22:13:30 2023", 1_700_000_010),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
    ],
)
def test_what_can_be_read(value: str, seconds: int) -> None:
    """Whole seconds, and the three forms of an HTTP date."""
    wait = retry_after(value, EPOCH_NS)
    assert wait is not None
    assert (wait.delta_ns or wait.date_ns or 0) == seconds * NS_PER_S


@pytest.mark.parametrize(
    "value",
    [
        *("", "-1", "+1", "1.5", "1,5", "10s", "soon", "٣", "0x10", "1e3", "9" * 19, "1 2"),
        "2023-11-14T22:13:30Z",
        "Tue, 14 Nov 2023 22:13:30 UTC",
        "Tue, 31 Feb 2023 22:13:30 GMT",
        "Tue, 14 Nov 2023 25:13:30 GMT",
        "Tue, 14 nov 2023 22:13:30 GMT",
    ],
)
def test_what_cannot_be_read(value: str) -> None:
    """A fraction, a sign, a unit, another date: a client would be lost, so it is a break."""
    assert retry_after(value) is None
    found = judge(WAIT, history(f"0 A*3; 0 R({value})"), SETTING).findings
    assert [finding.half for finding in found] == ["retry_after"]
    assert "which is neither whole seconds nor an HTTP date" in found[0].said


@pytest.mark.parametrize(
    ("words", "text", "is_broken"),
    [
        (WAIT, "0 A*3; 0 R(11)", False),
        (WAIT, "0 A*3; 0 R(12)", True),
        (WAIT, "0 A*3; 0 R(10000)", True),
        (WAIT, "0 A*3; 0 R(1700000010)", True),
        (promise(window="approximate", exceeded=HEADER), "0 A*3; 0 R(21)", False),
        (promise(burst=6, exceeded=HEADER), "0 A*6; 0 R(21)", False),
        (promise(burst=6, exceeded=HEADER), "0 A*6; 0 R(22)", True),
        (promise(retry_after="present", exceeded=HEADER), "0 A*3; 0 R(10000)", False),
        (WAIT, "0 A*3; 0 R(0); 0.001 R(10)", True),
        (WAIT, "0 A*3; 0 R(0); 0.0005 R(10)", False),
        (WAIT, "0 A*3; 0 R(1); 5 R(5); 10.002 A", True),
        (WAIT, "0 A*3; 0 R(10); 9.9 R(1); 10.002 A", False),
        (promise(retry_after="present", exceeded=HEADER), "0 A*3; 0 R(0); 1 R(9)", False),
        (promise(), "0 A*3; 0 R(0); 1 R(9)", False),
        (WAIT, f"0 A*3; 0 R({NOVEMBER}30 GMT); 10.002 A", False),
        (WAIT, f"0 A*3; 0 R({NOVEMBER}25 GMT); 5.002 R({NOVEMBER}30 GMT)", True),
        (WAIT, f"0 A*3; 0 R({NOVEMBER}25 GMT); 5 R({NOVEMBER}30 GMT)", False),
        (WAIT, f"0 A*3; 0 R({NOVEMBER}59 GMT)", True),
        (WAIT, "0 A*3; 0~? L; 0 R(1); 2 R(8)", False),
        (WAIT, "0 A*2; 0 A | 0 R(1); 2 R(8)", False),
        (WAIT, "0 A*3; 0 R(9); 5 O; 9.5 R(1)", False),
    ],
)
def test_who_obeys_is_admitted(words: object, text: str, is_broken: bool) -> None:
    """A refusal is judged only where nothing else can explain what the follower was told."""
    halves = {each.half for each in judge(words, history(text), SETTING).findings}  # type: ignore[arg-type]
    assert halves == ({"retry_after"} if is_broken else set())


def test_a_refusal_that_counts_makes_the_wait_longer() -> None:
    """With ``refused_count: yes`` the refusal itself is in the log, and only the next call counts."""
    words = promise(refused_count="yes", exceeded=HEADER)
    assert judge(words, history("0 A*3; 5 R(5); 10.002 R(9)"), SETTING).findings[0].half in (
        "lower",
        "retry_after",
    )
    text = "0 A*3; 5 R(5); 6 R(10); 7 R(10); 10.002 R(5)"
    assert not judge(words, history(text), SETTING).findings


def test_exact_promises_that_nobody_is_admitted_much_earlier() -> None:
    """Over a second too early is a break of ``exact`` only."""
    text = "0 A*3; 0.5 R(11); 10.002 A"
    exact = promise(retry_after="exact", exceeded=HEADER)
    assert not judge(WAIT, history(text), SETTING).findings
    found = judge(exact, history(text), SETTING).findings
    assert "9.502 s later, was admitted already" in found[0].said
    assert not judge(exact, history("0 A*3; 0.5 R(10); 10.002 A"), SETTING).findings


def test_another_limit_that_may_be_full_excuses_the_second_refusal() -> None:
    """Each of several limits tells the truth about itself only."""
    words = promise(["3/10s", "4/100s"], exceeded=HEADER)
    found = judge(words, history("0 A; 50 A*3; 50 R(10); 60.002 R(40)"), SETTING)
    assert not found.findings
    assert found.evidence["retry_after_judged"] == 1
    single = judge(
        promise(["3/10s", "40/100s"], exceeded=HEADER), history("0 A*3; 0 R(2); 3 R(7)"), SETTING
    )
    assert [each.half for each in single.findings] == ["retry_after"]


@pytest.mark.parametrize(
    ("year", "wall_year", "meant"),
    [
        ("94", 2023, 1994),
        ("23", 2023, 2023),
        ("73", 2023, 2073),
        ("74", 2023, 1974),
        ("01", 2099, 2101),
    ],
)
def test_a_year_of_two_digits_is_near(year: str, wall_year: int, meant: int) -> None:
    """At most fifty years ahead (RFC 9110, 5.6.7)."""
    wall_ns = int(datetime(wall_year, 6, 1, tzinfo=UTC).timestamp()) * NS_PER_S
    advice = retry_after(f"Sunday, 06-Nov-{year} 08:49:37 GMT", wall_ns)
    assert advice is not None
    assert advice.date_ns is not None
    assert datetime.fromtimestamp(advice.date_ns // NS_PER_S, tz=UTC).year == meant


def shifted(text: str, by_s: list[int]) -> History:
    """Real time, the wall clock of each call off by so many seconds."""
    events = history(text, clock="real")
    moved = [
        replace(
            call,
            sent_wall_ns=call.sent_wall_ns + seconds * NS_PER_S,
            answered_wall_ns=None
            if call.answered_wall_ns is None
            else call.answered_wall_ns + seconds * NS_PER_S,
        )
        for call, seconds in zip(events.calls, by_s, strict=True)
    ]
    return History((events.events[0], *moved))


@pytest.mark.parametrize("jump_s", [0, 6, -6])
def test_a_date_on_a_wall_clock_that_was_set_accuses_nobody(jump_s: int) -> None:
    """A service that counts elapsed time is right to refuse when only the wall clock has come there."""
    early = f"0 A*3; 0 R({NOVEMBER}30 GMT); 5 R({NOVEMBER}35 GMT)"
    found = judge(WAIT, shifted(early, [0, 0, 0, 0, jump_s]), SETTING)
    assert not found.findings
    assert found.evidence["clock_set"] == (jump_s != 0)


@pytest.mark.parametrize(("by_s", "is_broken"), [(0, True), (6, False), (-6, False)])
def test_a_date_in_real_time_must_be_over_on_both_clocks(by_s: int, is_broken: bool) -> None:
    """Where the two clocks agree, who waited for the date and was refused has proof."""
    text = f"0 A*3; 0 R({NOVEMBER}24 GMT); 4.5 R({NOVEMBER}30 GMT)"
    halves = {
        each.half for each in judge(WAIT, shifted(text, [0, 0, 0, 0, by_s]), SETTING).findings
    }
    assert halves == ({"retry_after"} if is_broken or by_s > 0 else set())


def test_exact_counts_who_came_too_early_and_was_refused() -> None:
    """Without such a call *exact* says no more than *sufficient*."""
    exact = promise(retry_after="exact", exceeded=HEADER)
    early = judge(exact, history("0 A*3; 0 R(10); 8 R(3); 10.002 A"), SETTING)
    assert early.evidence["exact_judged"] == 1
    late = judge(exact, history("0 A*3; 0 R(10); 9.5 R(1); 10.002 A"), SETTING)
    assert late.evidence["exact_judged"] == 0
    date = f"0 A*3; 0 R({NOVEMBER}30 GMT); 8 A"
    assert [each.half for each in judge(exact, history(date), SETTING).findings] == [
        "upper",
        "retry_after",
    ]
