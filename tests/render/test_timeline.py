"""Thousands of calls in few columns, and what decides stays apart."""

from __future__ import annotations

from typing import Any

from harness.render.case import Case
from harness.render.figure import figure
from harness.render.timeline import COLUMNS_MOST, Timeline, timeline
from harness.units import NS_PER_MS
from tests.render import records
from tests.render.records import ORIGIN_NS, calls, counterexample, upper


def case(values: dict[str, Any]) -> Case:
    return Case.model_validate(values)


def starts_ms(line: Timeline) -> list[float]:
    return [column.from_ns / NS_PER_MS for column in line.columns]


def test_calls_of_one_instant_are_one_column() -> None:
    """A frozen clock puts 31 calls at 0.000 s: one column that counts them."""
    line = timeline(case(upper(calls((31, 0, "admitted")), range(31), 30)))
    (column,) = line.columns
    assert column.count("admitted", proof=True) == 31
    assert column.answers == {"200": 31}
    assert line.window == (0, 0)


def test_two_instants_two_ms_apart_stay_apart() -> None:
    """At the end of a minute as well, in their columns, places and words."""
    made = calls((30, 0, "admitted"), (1, 59_998, "admitted"), (1, 60_000, "refused"))
    values = upper(made, range(31), 30)
    values["witness"].append(31)
    found = case(values)
    line = timeline(found)
    assert starts_ms(line) == [0, 59_998, 60_000]
    drawn = figure(found, line)
    assert [spot.time for spot in drawn.spots] == [("0.000 s",), ("59.998 s",), ("60.000 s",)]
    xs = [spot.x for spot in drawn.spots]
    assert xs[2] - xs[1] > 15, "percent of the width"
    assert [gap.text for gap in drawn.gaps] == ["+ 59.998 s", "+ 0.002 s"]


def test_what_came_after_the_proof_is_counted_and_not_drawn() -> None:
    """The picture ends with the call that completed the proof."""
    made = calls((3, 0, "admitted"), (7, 10, "refused"))
    line = timeline(case(upper(made, range(3), 2)))
    assert starts_ms(line) == [0]
    assert line.later == 7


def test_many_instants_become_few_columns() -> None:
    """None is lost, the edges of the window keep their own, and order stays."""
    made = [records.call(n, n * 10) for n in range(5_000)]
    line = timeline(case(upper(made, range(1_000, 4_000), 30)))
    assert len(line.columns) <= COLUMNS_MOST
    assert sum(column.calls.total() for column in line.columns) == 4_000
    assert starts_ms(line) == sorted(starts_ms(line))
    edges = {column.from_ns for column in line.columns if column.from_ns == column.to_ns}
    assert set(line.window) <= edges


def test_a_fault_lies_on_the_axis() -> None:
    """From the kill to the answer, or to the end where it did not come back."""
    made = calls((1, 0, "admitted"), (1, 50, "refused"))
    began = {
        "event": "FaultBegan",
        "target_ns": ORIGIN_NS + 20 * NS_PER_MS,
        "dependency": "redis",
        "fault": "killed",
        "effect": 3,
    }
    ended = {
        "event": "FaultEnded",
        "target_ns": ORIGIN_NS + 40 * NS_PER_MS,
        "dependency": "redis",
    }
    values = counterexample(made, [1], half="store", proof={"origin_ns": ORIGIN_NS})
    (open_end,) = timeline(case(values | {"events": [began]})).outages
    assert open_end.to_ns is None
    line = timeline(case(values | {"events": [began, ended]}))
    assert [(o.from_ns, o.to_ns) for o in line.outages] == [(20 * NS_PER_MS, 40 * NS_PER_MS)]
    drawn = figure(case(values), line)
    assert drawn.outages[0].text == "redis killed"
    assert 0 < drawn.outages[0].from_x < drawn.outages[0].to_x < drawn.spots[1].x


def test_two_faults_of_one_service_lie_side_by_side() -> None:
    """Each ends by its own name; what it was, what was seen of it and what it does now are told."""

    def event(kind: str, ms: int, name: str, **more: str) -> dict[str, object]:
        at = {"target_ns": ORIGIN_NS + ms * NS_PER_MS, "dependency": "target", "name": name}
        return {"event": kind, **at, **more}

    made = calls((1, 0, "admitted"), (1, 50, "refused"))
    values = counterexample(made, [1], half="store", proof={"origin_ns": ORIGIN_NS})
    events = [
        event("FaultBegan", 10, "a", fault="paused", said="its process stands still"),
        event("FaultBegan", 20, "b", fault="short of memory"),
        event("FaultEnded", 30, "a", said="runs again", doubt="it computed 2 ms meanwhile"),
        event("FaultEnded", 40, "b", said="may take memory again"),
    ]
    found = timeline(case(values | {"events": events})).outages
    assert [(o.fault, o.from_ns, o.to_ns) for o in found] == [
        ("paused", 10 * NS_PER_MS, 30 * NS_PER_MS),
        ("short of memory", 20 * NS_PER_MS, 40 * NS_PER_MS),
    ]
    assert {o.whom for o in found} == {"the service"}
    assert found[0].counted == "its process stands still"
    assert (found[0].after, found[0].doubted) == ("runs again", "it computed 2 ms meanwhile")
    assert found[1].after == "may take memory again"


def test_the_bars_climb_over_the_bound() -> None:
    """Each begins where the last one ended; what is beyond the bound is a bar of its own."""
    made = calls((20, 0, "admitted"), (20, 1_000, "admitted"))
    found = case(upper(made, range(40), 30))
    drawn = figure(found, timeline(found))
    first, second = drawn.spots
    assert [bar.kind for bar in first.bars] == ["counted"]
    assert [bar.kind for bar in second.bars] == ["counted", "excess"]
    assert [label.text for label in second.labels] == ["+20 = 40"]
    counted, excess = second.bars
    assert excess.decisive
    assert not counted.decisive
    assert drawn.bound_y is not None
    assert abs(counted.top - drawn.bound_y) < 0.1, "it ends at the line"
    assert abs(excess.top + excess.height - drawn.bound_y) < 0.1, "and there the rest begins"


def test_one_too_many_is_one_bar_of_its_own() -> None:
    """31 of 30 at one instant: thirty counted, and the one that should not be."""
    found = case(upper(calls((31, 0, "admitted")), range(31), 30))
    (spot,) = figure(found, timeline(found)).spots
    assert [(bar.kind, bar.decisive) for bar in spot.bars] == [("counted", False), ("excess", True)]
    assert round(spot.bars[0].height / spot.bars[1].height) == 30


def test_no_word_stands_on_the_line_of_the_bound() -> None:
    """29 of 30 used: the number is moved above the dashes."""
    made = calls((29, 0, "admitted"), (1, 0, "refused"))
    values = upper(made, range(30), 29) | {"half": "lower"}
    found = case(values)
    drawn = figure(found, timeline(found))
    assert drawn.bound_text == "limit 30"
    assert drawn.bound_y is not None
    label = drawn.spots[0].labels[0]
    assert label.text == "29"
    assert label.y <= drawn.bound_y - 5


def test_no_call_at_all_is_no_error() -> None:
    """A file that holds nothing draws nothing."""
    found = case(counterexample([], []))
    line = timeline(found)
    assert line.columns == ()
    assert figure(found, line).spots == ()
