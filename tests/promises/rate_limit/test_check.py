"""What the checker needs to know of the world: other promises, restarts, both clocks, old calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from harness.history import Call, Event, FaultBegan, FaultEnded, History, TargetStarted
from harness.promises.rate_limit.check import Setting, judge, judge_history
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.notation import SETTING, calls, history, joined, promise


def started(seq: int, at_s: int, clock: Literal["frozen", "real"] = "frozen") -> TargetStarted:
    """The target came up."""
    return TargetStarted(seq=seq, at_ns=0, target_ns=at_s * NS_PER_S, clock=clock, exclusive=True)


def outage(
    seq: int, at_s: int, until: tuple[int, int], *, effect: int = 1, data_kept: bool = True
) -> tuple[FaultBegan, FaultEnded]:
    """The store was away."""
    began = FaultBegan(
        seq=seq,
        at_ns=0,
        target_ns=at_s * NS_PER_S,
        dependency="redis",
        fault="down",
        effect=effect,
    )
    ended = FaultEnded(
        seq=until[0],
        at_ns=0,
        target_ns=until[1] * NS_PER_S,
        dependency="redis",
        data_kept=data_kept,
    )
    return began, ended


def halves(words: object, events: History, setting: Setting = SETTING) -> list[str]:
    """Which halves break."""
    return [each.half for each in judge(words, events, setting).findings]  # type: ignore[arg-type]


# Old calls


def test_old_calls_count_but_are_not_judged_again() -> None:
    """A finding needs a call of this trial; readings and evidence begin there."""
    events = history("0 A*4; 1 R; 9 A; 30 A*3; 30 R")
    found = judge(promise(), events, SETTING, first_call=5)
    assert found.readings[:5] == (None,) * 5
    assert [each.half for each in found.findings] == []
    assert found.evidence["calls"] == 5
    assert found.evidence["readmitted"] == 3
    assert judge(promise(), history("0 A*3; 9 A"), SETTING, first_call=3).findings
    assert not judge(promise(), history("0 A*4; 30 A"), SETTING, first_call=4).findings
    assert judge(promise(), history("0 A*4; 30 A*4"), SETTING, first_call=4).findings


def test_no_call_at_all_is_judged_in_peace() -> None:
    """An empty history, or a trial without a call, has neither findings nor evidence."""
    assert judge_history(promise(), History(), SETTING).status is Status.UNKNOWN
    found = judge(promise(), history("0 A*3"), SETTING, first_call=3)
    assert found.findings == ()
    assert not found.full_cap
    assert found.widest_ns == 0


def test_the_full_cap_and_the_margin_are_reported() -> None:
    """What *kept* needs to have seen, and what makes edge steps undecidable."""
    assert judge(promise(), history("0 A*3"), SETTING).full_cap
    assert not judge(promise(), history("0 A*2; 10 A*2"), SETTING).full_cap
    assert judge(promise(burst=3), history("0 A*2; 0.002 A"), SETTING).full_cap
    assert not judge(promise(burst=3), history("0 A*2; 4 A"), SETTING).full_cap
    several = promise(["3/10s", "5/100s"])
    assert judge(several, history("0 A*3"), SETTING).evidence["full_limits"] == 1
    assert judge(several, history("0 A*3; 11 A*2"), SETTING).evidence["full_limits"] == 2
    narrow, wide = history("0~0.08 A"), history("0~0.1 A")  # 10 s / (16 * 7) = 89 ms
    assert not judge(promise(), narrow, SETTING).margin_exceeded
    assert judge(promise(), wide, SETTING).margin_exceeded
    assert judge(promise(), wide, SETTING).widest_ns == NS_PER_S // 10


# Other promises


def test_a_refusal_may_be_another_limit_s() -> None:
    """The other budget counts all its callers; who is owed under both is owed."""
    other = promise("3/10s", id="other", key="global")
    setting = Setting(ok={}, others=(other,))
    text = "0 A*2 other; 0 A; 0 R"
    assert halves(promise("9/10s"), history(text)) == ["lower"]
    assert halves(promise("9/10s"), history(text), setting) == []
    assert halves(promise("9/10s"), history("0 A other; 0 A; 0 R"), setting) == ["lower"]
    elsewhere = Setting(ok={}, others=(promise("3/10s", id="other", operation="else"),))
    assert halves(promise("9/10s"), history(text), elsewhere) == ["lower"]
    assert halves(promise("9/10s"), history(text), Setting(ok={}, others=(promise("1/h"),))) == [
        "lower"
    ], "a promise is not its own excuse"


def test_refusals_use_another_budget_only_if_that_one_counts_them() -> None:
    """``refused_count`` is each promise's own word."""
    text = "0 A*2; 0 R*2; 12 R other"
    plain = promise("3/100s", id="other", key="global")
    counting = promise("3/100s", id="other", key="global", refused_count="yes")
    words = promise("2/10s")
    assert halves(words, history(text), Setting(ok={}, others=(plain,))) == ["lower"]
    assert halves(words, history(text), Setting(ok={}, others=(counting,))) == []


# Who was there before


def test_nothing_is_owed_while_others_may_have_used_an_attached_target() -> None:
    """Until the budget must be whole again; too many are too many all the same."""
    assert halves(promise(), history("1 R", exclusive=False)) == []
    assert halves(promise(), history("10 R", exclusive=False)) == []
    assert halves(promise(), history("10.001 R", exclusive=False)) == ["lower"]
    assert halves(promise(window="approximate"), history("19 R", exclusive=False)) == []
    assert halves(promise(window="approximate"), history("20.1 R", exclusive=False)) == ["lower"]
    assert halves(promise("3/10s", burst=6), history("19 R", exclusive=False)) == []
    assert halves(promise("3/10s", burst=6), history("20.1 R", exclusive=False)) == ["lower"]
    assert halves(promise(), history("0 A*4", exclusive=False)) == ["upper"]


# Restarts


def test_no_upper_bound_spans_a_restart() -> None:
    """What the target kept in memory is gone; what was used before may still have counted."""
    before, after = calls("0 A*3"), calls("1 A*3", first_seq=1_000)
    restart = (started(500, 1),)
    assert halves(promise(), joined(before, after)) == ["upper"]
    assert halves(promise(), joined(before, restart, after)) == []
    more = calls("1 A*4", first_seq=1_000)
    assert halves(promise(), joined(before, restart, more)) == ["upper"]
    refused = calls("1 R", first_seq=1_000)
    assert halves(promise(), joined(before, restart, refused)) == []
    assert halves(promise(), joined(before[:2], restart, refused)) == ["lower"]


def test_a_lost_call_ends_with_its_target() -> None:
    """Nothing of it can land once the process is gone."""
    lost, later = calls("0 A*2; 0~? L"), calls("20 A*2; 20 R", first_seq=1_000)
    assert halves(promise(), joined(lost, later)) == []
    assert halves(promise(), joined(lost, (started(500, 5),), later)) == ["lower"]


def test_a_call_astride_a_restart_proves_nothing() -> None:
    """Admitted, it counts nowhere; refused, it was owed nothing."""
    astride = calls("0 A | 0 A | 0 A | 0 A | 0 R")
    assert halves(promise(), joined(astride, (started(52, 0),))) == []
    half_sent = calls("4~6 A*4", first_seq=1_000)
    assert halves(promise(), joined(calls("0 A"), (started(500, 5),), half_sent)) == []
    assert halves(promise(), joined(calls("0 A"), (started(500, 4),), half_sent)) == ["upper"]


# Both clocks


def test_on_a_real_clock_both_axes_must_accuse() -> None:
    """A second that NTP inserts between two calls accuses nobody."""
    events = history("0 A*3; 9.998 A", clock="real")
    assert halves(promise(), events) == ["upper"]
    shifted = _wall(events, first=3, by_ns=NS_PER_S)
    assert halves(promise(), shifted) == []
    assert halves(promise(), replace_clock(shifted)) == ["upper"]
    late = history("0 A*3; 0 R; 10.002 R", clock="real")
    assert halves(promise(), late) == ["lower"]
    assert halves(promise(), _wall(late, first=4, by_ns=-NS_PER_S)) == []
    assert halves(promise(), _wall(late, first=4, by_ns=-3_600 * NS_PER_S)) == []


def _wall(events: History, *, first: int, by_ns: int) -> History:
    """The wall clock was set by so much before call ``first``."""
    moved: list[Event] = []
    place = 0
    for event in events.events:
        if isinstance(event, Call):
            shift = by_ns if place >= first else 0
            place += 1
            answered = event.answered_wall_ns
            moved.append(
                replace(
                    event,
                    sent_wall_ns=event.sent_wall_ns + shift,
                    answered_wall_ns=None if answered is None else answered + shift,
                )
            )
        else:
            moved.append(event)
    return History(tuple(moved))


def replace_clock(events: History) -> History:
    """The same on a frozen clock."""
    return History(
        tuple(
            replace(event, clock="frozen") if isinstance(event, TargetStarted) else event
            for event in events.events
        )
    )


# The store


def stored(when_down: str, limit: str = "3/10s", **more: object) -> object:
    """A promise whose counts are in redis."""
    return promise(limit, store={"dependency": "redis", "when_down": when_down}, **more)


BEFORE = calls("0 A*3; 0 R")


@pytest.mark.parametrize(
    ("when_down", "during", "broken"),
    [
        ("open", "1 A*5", []),
        ("open", "1 A*3; 1 R", ["store"]),
        ("open", "1 O", ["store"]),
        ("open", "1~? L", []),
        ("closed", "1 R*3", []),
        ("closed", "1 A", ["store"]),
        ("closed", "1 O", ["store"]),
        ("local", "1 A*3; 1 R", []),
        ("local", "1 A*4", ["upper"]),
        ("local", "1 O", ["store"]),
        ("local", "1 R", []),
        ("local", "1 A*3 other; 1 R other", []),
        ("local", "1 A*2 other; 1 R other", ["store"]),
    ],
)
def test_while_the_store_is_away(when_down: str, during: str, broken: list[str]) -> None:
    """Each word of ``when_down``, against what the service did."""
    events = joined(BEFORE, outage(500, 1, (5_000, 20)), calls(during, first_seq=1_000))
    assert halves(stored(when_down), events) == broken


def test_an_outage_that_nobody_saw_proves_nothing() -> None:
    """The fault must be counted: else the store may have been there all the time."""
    fault = outage(500, 1, (5_000, 20), effect=0)
    assert halves(stored("open"), joined(BEFORE, fault, calls("1 R", first_seq=1_000))) == []


def test_without_the_word_nothing_is_forgiven() -> None:
    """Who does not declare a store keeps the limit while any dependency is away."""
    fault = outage(500, 1, (5_000, 20))
    assert halves(promise(), joined(BEFORE, fault, calls("1 A", first_seq=1_000))) == ["upper"]


def test_after_the_heal_the_limit_holds_again() -> None:
    """No bound spans a cut or a heal, but each stretch has its own."""
    fault = outage(500, 1, (5_000, 1))
    during, healed = calls("1 A*9", first_seq=1_000), calls("1 A*3; 1 R", first_seq=6_000)
    assert halves(stored("open"), joined(BEFORE, fault, during, healed)) == []
    too_many = calls("1 A*4", first_seq=6_000)
    assert halves(stored("open"), joined(BEFORE, fault, during, too_many)) == ["upper"]
    late = calls("30 R", first_seq=6_000)
    assert halves(stored("open"), joined(BEFORE, fault, during, late)) == ["lower"]
    assert halves(stored("closed"), joined(BEFORE, fault, late)) == ["lower"]


def test_processes_that_limit_by_themselves_add_up() -> None:
    """``local``: workers times N while the store is away; afterwards the store's N on top."""
    fault = outage(500, 1, (5_000, 1))
    words = stored("local", workers=2)
    assert halves(words, joined(fault, calls("1 A*6", first_seq=1_000))) == []
    assert halves(words, joined(fault, calls("1 A*7", first_seq=1_000))) == ["upper"]
    healed = joined(fault, calls("1 A*6", first_seq=1_000), calls("1 A*3", first_seq=6_000))
    assert halves(words, healed) == []
    never = joined(fault, calls("30 A*10", first_seq=6_000))
    assert halves(words, never) == ["upper"]


def test_lost_data_cuts_whoever_s_it_was() -> None:
    """A store that came back empty forgot all counts, declared or not."""
    began, ended = outage(500, 1, (600, 1), data_kept=False)
    events = joined(BEFORE, (began, ended), calls("1 A*3", first_seq=1_000))
    assert halves(promise(), events) == []
