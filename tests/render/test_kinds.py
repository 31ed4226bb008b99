"""Drawings of proofs that a dependency's side gives: what stands where, and what cannot be drawn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.render import render
from harness.render.axis import axis
from harness.render.case import Case
from harness.render.drawing import Drawing, drawing
from harness.render.strip import Strip
from harness.units import NS_PER_MS, NS_PER_S
from tests.render import proofs
from tests.render.proofs import EVIL, failing, lane, point
from tests.render.test_pages import Elements


def drawn(values: dict[str, Any]) -> Drawing:
    return drawing(Case.model_validate(values))


def strip(values: dict[str, Any]) -> Strip:
    found = drawn(values).strip
    assert found is not None
    return found


# -- the axis ---------------------------------------------------------------------------------------


def test_short_and_long_gaps_can_both_be_read() -> None:
    """100 ms and 24 h beside each other: each gap has room for its words, the longer one more."""
    stops = [0, 100 * NS_PER_MS, 60 * NS_PER_S, 86_400 * NS_PER_S]
    found = axis(stops)
    assert [text for _, text in found.gaps] == ["+ 0.100 s", "+ 59.900 s", "+ 86340.000 s"]
    widths_px = [(right - left) / 100 * found.width_px for left, right in pairwise(found.xs)]
    assert widths_px == sorted(widths_px)
    for (_, text), width_px in zip(found.gaps, widths_px, strict=True):
        assert width_px >= 6 * len(text)
    assert found.width_px < 500, "a phone shows most of it"


def test_stops_of_one_instant_stand_side_by_side() -> None:
    """In their order, under one time."""
    found = axis([0, 0, 0, NS_PER_S])
    assert list(found.xs) == sorted(set(found.xs))
    assert [(tick.from_x, tick.to_x, tick.text) for tick in found.ticks] == [
        (found.xs[0], found.xs[2], "0.000 s"),
        (found.xs[3], found.xs[3], "1.000 s"),
    ]
    assert found.of(0) == found.xs[2], "the last that has it"
    assert found.xs[2] < found.of(NS_PER_S // 2) < found.xs[3]
    assert found.of(-1) == found.xs[0]
    assert found.of(2 * NS_PER_S) == found.xs[3]


# -- circuit_breaker --------------------------------------------------------------------------------


def test_a_breakers_states_and_marks() -> None:
    """Closed until the fifth failure, open until the trial, and the second trial is one too many."""
    found = strip(proofs.breaker())
    states = [(bar.kind, bar.from_x, bar.to_x) for bar in found.bars if bar.height == 22]
    xs = found.axis.xs
    assert states == [
        ("closed", 0.0, xs[0]),
        ("open", xs[0], xs[2]),
        ("half-open", xs[2], xs[3]),
    ]
    assert [(m.kind, m.text, m.x, m.proves) for m in found.marks] == [
        ("failed", "5", xs[0], False),
        ("refused", "", xs[1], False),
    ]
    held = [(bar.kind, bar.from_x, bar.to_x, bar.proves) for bar in found.bars if bar.height == 16]
    assert held == [("inside", xs[2], 100.0, False), ("over", xs[3], 100.0, True)]
    assert found.fatal_x == xs[3]
    assert [tick.text for tick in found.axis.ticks] == ["0.000 s", "61.000 s"]


def test_where_it_may_have_been_two_things_both_are_drawn() -> None:
    """One beside the other, each half as high."""
    values = proofs.breaker()
    values["proof"]["lanes"][1]["states"] = ["closed", "open"]
    bars = [bar for bar in strip(values).bars if bar.height == 11]
    assert [bar.kind for bar in bars] == ["closed", "open"]
    assert bars[0].y + 11 == bars[1].y
    assert bars[0].from_x == bars[1].from_x


def test_a_held_trial_ends_where_its_result_came() -> None:
    """The bar goes from the admission to the beat of the result, which has its mark."""
    values = proofs.breaker()
    values["proof"]["points"] = [
        *failing(5, 0),
        point("admitted", 61_000, 6),
        point("ended", 91_000, 6, outcome="ok"),
        point("rejected", 92_000, 7),
    ]
    found = strip(values)
    (held,) = [bar for bar in found.bars if bar.height == 16]
    assert (held.from_x, held.to_x) == (found.axis.xs[1], found.axis.xs[2])
    assert [mark.kind for mark in found.marks] == ["failed", "ok", "refused"]
    assert found.marks[-1].proves


def test_calls_that_came_together_with_the_fatal_one_stand_once() -> None:
    """Of eight at once some may stand before the fatal point: they are the same eight."""
    values = proofs.breaker()
    eight = point("admitted", 61_000, *range(6, 14))
    values["proof"]["points"] = [*failing(5, 0), eight, eight]
    found = strip(values)
    assert len(found.axis.xs) == 2
    words = [word.text for word in found.words] + [bar.text for bar in found.bars]
    assert words.count("8 inside") == 1


def test_hundreds_of_points_become_few() -> None:
    """None of a kind is lost in count where neighbours are alike; what decides stays."""
    values = proofs.breaker()
    points = [each for n in range(200) for each in failing(1, n * 100, n)]
    values["proof"]["points"] = [*points, point("rejected", 30_000, 900)]
    found = strip(values)
    assert len(found.axis.xs) <= 12
    assert sum(int(m.text or 1) for m in found.marks if m.kind == "failed") == 200
    assert found.marks[-1].kind == "refused"
    mixed = [point("rejected" if n % 2 else "stuck", n * 100, n, outcome=None) for n in range(100)]
    values["proof"]["points"] = mixed
    assert len(strip(values).axis.xs) <= 12


def test_why_each_reading_is_contradicted_is_told() -> None:
    """With what had been seen of it."""
    assert drawn(proofs.breaker("indeed")).reasons == (
        "if it was half-open: one trial in flight indeed (seen: clock: indeed)",
    )


# -- retry ------------------------------------------------------------------------------------------


def test_attempts_and_their_waits() -> None:
    """Each attempt at its instant; each wait with its band on a scale of its own."""
    found = drawn(proofs.retry())
    assert found.strip is not None
    bars = [bar for bar in found.strip.bars if bar.kind == "asked"]
    assert [bar.from_x for bar in bars] == list(found.strip.axis.xs)
    assert [bar.proves for bar in bars] == [False, False, True, False]
    assert found.strip.fatal_x == found.strip.axis.xs[2]
    assert [wait.is_out for wait in found.waits] == [False, True, True]
    assert found.waits[1].said == "100 ms, band 199 ms to 201 ms"
    for wait in found.waits:
        ((_, low, high),) = wait.bands
        assert 0 <= low < high <= 100
        assert (low <= wait.wait[0] <= high) is not wait.is_out


def test_an_endless_retry_is_cut_in_the_middle() -> None:
    """300 attempts: the first, the last, and how many are between."""
    found = drawn(proofs.retry(range(0, 30_000, 100), proof={"most": 4, "k": None}))
    assert found.strip is not None
    bars = [bar for bar in found.strip.bars if bar.kind == "asked"]
    assert len(bars) == 9
    assert [bar.proves for bar in bars] == [False] * 4 + [True] * 5
    titles = [word.text for word in found.strip.words if word.kind == "title"]
    assert "attempts at the dependency: 300; 291 more attempts in between" in titles
    assert len(found.waits) == 3, "of the attempts that are promised"


def test_advice_takes_the_place_of_the_band() -> None:
    """Retry-After says from when on an attempt may come."""
    more = {"k": 1, "advised_ns": 7 * NS_PER_S, "least_ns": 7 * NS_PER_S}
    wait = drawn(proofs.retry(proof=more)).waits[0]
    assert wait.said == "100 ms, band 7 s or more"
    assert wait.is_out
    assert wait.bands[0][2] == 100.0


def test_the_law_of_many_waits() -> None:
    """A dot for each place, from the lower left; test, number and p in words."""
    found = drawn(proofs.law()).law
    assert found is not None
    assert found.path.count("M") == 48
    assert found.said[0] == "test: bell, over 48 waits"
    assert found.said[1] == "p 1.0e-12, broken below 1.0e-07"


# -- concurrency_limit ------------------------------------------------------------------------------


def test_the_level_goes_over_its_line() -> None:
    """Five inside where four are allowed: the fifth is a bar of its own, above the line."""
    found = strip(proofs.slots())
    (over,) = [bar for bar in found.bars if bar.kind == "over"]
    (bound,) = [rule for rule in found.rules if rule.kind == "bound"]
    below = next(bar for bar in found.bars if bar.kind == "inside")
    assert abs(over.y + over.height - bound.y1) < 0.1
    assert abs(below.y - bound.y1) < 0.1, "and below it what is allowed"
    labels = [(word.text, word.hot) for word in found.words if word.kind == "label"]
    assert labels == [("0", False), ("5", True)]
    ends = [word.text for word in found.words if word.anchor == "start" and word.kind == "word"]
    assert ends == ["inside"] * 5 + ["waits"] * 2 + ["refused"]
    held = [bar for bar in found.bars if bar.proves and bar.height == 11]
    assert len(held) == 5
    assert [bar.from_x for bar in held] == sorted(bar.from_x for bar in held)
    assert {bar.to_x for bar in held} == {found.axis.xs[-1]}, "nobody had left when it was proved"


def test_many_calls_and_rests_become_few() -> None:
    """A hundred calls, sixty rests: the proof's own first, and the last rests before it."""
    values = proofs.slots()
    proof = values["proof"]
    proof["lanes"] += [proofs.visit(n, None) for n in range(100, 200)]
    proof["level"] = [[n * NS_PER_MS, 1, 0] for n in range(60)] + [[60 * NS_PER_MS, 5, 2]]
    found = strip(values)
    assert len(found.axis.xs) <= 14
    assert sum(bar.proves and bar.height == 11 for bar in found.bars) == 5
    assert sum(bar.height == 3 for bar in found.bars) == 16


# -- deadline ---------------------------------------------------------------------------------------


def test_a_late_answer_goes_over_the_deadline() -> None:
    """The bar goes on, in another colour, behind the line."""
    found = strip(proofs.deadline())
    call, over = (bar for bar in found.bars if bar.kind in ("call", "over"))
    (bound,) = [rule for rule in found.rules if rule.kind == "bound"]
    assert call.to_x == over.from_x == bound.x1
    assert over.to_x == found.axis.of(33 * NS_PER_S) < 100
    assert over.text == "+ 3 s"
    assert [mark.kind for mark in found.marks] == ["timer"]


def test_no_answer_at_all_goes_on_to_the_edge() -> None:
    """What the player let go after the plan had ended is no answer."""
    found = strip(proofs.deadline(ended_s=300.0, idle_s=300.0))
    (over,) = [bar for bar in found.bars if bar.kind == "over"]
    assert over.to_x == 100
    texts = [word.text for word in found.words] + [bar.text for bar in found.bars]
    assert "the call: no answer in 300 s" in texts
    assert "held" in texts


def test_the_counts_of_a_leak() -> None:
    """What grows comes first, each row against its own highest."""
    found = drawn(proofs.leak()).counts
    assert found is not None
    assert [row.name for row in found.rows] == ["threads", "descriptors", "processes"]
    assert [row.grows for row in found.rows] == [True, False, False]
    assert found.rows[0].shares[-1] == 100
    assert found.heads == ("0 calls", "50", "100", "150", "200", "healed")


# -- what cannot be drawn so ------------------------------------------------------------------------


@pytest.mark.parametrize("name", proofs.everything())
def test_another_proof_of_a_kind_shows_its_calls(name: str) -> None:
    """A finding about a form has no lanes of its own: its calls stand on the time axis."""
    values = proofs.everything()[name] | {"proof": {"missing": "status 503"}}
    if values["promise"]["kind"] == "retry":
        values["proof"] = {"keys": ["a", "b"]}
    found = drawn(values)
    assert found.strip is not None
    assert any(bar.kind in ("inside", "waits") for bar in found.strip.bars)
    assert len(found.strip.axis.xs) <= 14


@pytest.mark.parametrize("clock", ["frozen", "real"])
def test_a_kind_that_nobody_knows_gets_a_list(tmp_path: Path, clock: str) -> None:
    """No drawing, and its timeline all the same."""
    values = proofs.breaker(clock=clock) | {"promise": {"kind": "tea"}}
    assert drawn(values) == Drawing()
    render(proofs.report(tmp_path, {"p": values}))
    found = Elements((tmp_path / "report.html").read_text())
    assert "begun, reached search, answered 503 there, got 502" in found.text
    assert not any(attrs.get("class", "") == "drawing" for _, attrs in found.found)


@pytest.mark.parametrize("name", proofs.everything())
def test_no_number_breaks_a_drawing(name: str) -> None:
    """Proofs are files: each number of theirs may be anything, each list empty."""
    anything: tuple[Any, ...] = (
        0,
        -1,
        1 << 62,
        -(1 << 62),
        1 << 80,
        None,
        "x",
        [],
        {},
        float("nan"),
    )
    for wrong in anything:
        values = proofs.everything()[name]
        for key in list(values["proof"]):
            changed = values | {"proof": values["proof"] | {key: wrong}}
            drawn(changed)
        for key, rows in values["proof"].items():
            if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
                continue
            for field in rows[0]:
                row = rows[0] | {field: wrong}
                drawn(values | {"proof": values["proof"] | {key: [row, *rows[1:]]}})


def test_pages_of_all_kinds_act_on_nothing(tmp_path: Path) -> None:
    """Whatever service and checker say stays text, in the page, the summary and the drawing."""
    cases = proofs.everything(EVIL)
    for case in cases.values():
        for one in (*case["calls"], *case.get("arrivals", ())):
            one |= {"caller": EVIL, "operation": EVIL, "dependency": EVIL, "error": EVIL}
    cases["retry"]["proof"]["attempts"][0] |= {"outcome": EVIL, "method": EVIL}
    cases["law"]["proof"] |= {"test": EVIL, "best": EVIL}
    cases["slots"]["proof"]["lanes"][-1] |= {"end": EVIL}
    cases["leak"]["proof"] |= {"what": EVIL, "counts": {EVIL: [1, 2, 3, 4, 5, 6]}}
    render(proofs.report(tmp_path, cases))
    page, summary = (tmp_path / "report.html").read_text(), (tmp_path / "summary.md").read_text()
    found = Elements(page)
    assert not {"script", "img"} & found.names()
    assert not any(name.startswith("on") or name == "style" for _, a in found.found for name in a)
    assert page.count('class="drawing') == 6
    for text in (page, summary):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in summary
    assert "<img" not in summary


def test_two_hundred_promises_of_all_kinds_fit(tmp_path: Path) -> None:
    """Under 5 MB, each with its drawing, its timeline and bad texts."""
    kinds = proofs.everything("<b>&\"'`|" * 100)
    kinds["breaker"]["proof"]["points"] = [
        each for n in range(200) for each in failing(1, n * 100, n)
    ]
    cases = {f"{name}{number}": case for number in range(29) for name, case in kinds.items()}
    render(proofs.report(tmp_path, cases))
    assert len(cases) > 200
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_lanes_without_places_lie_by_time() -> None:
    """A file that does not say after which point a state ended."""
    values = proofs.breaker()
    values["proof"]["lanes"] = [lane(0, 61_000, None, "closed"), lane(61_000, 61_000, None, "open")]
    bars = [bar for bar in strip(values).bars if bar.height == 22]
    assert [bar.kind for bar in bars] == ["closed"]
