"""The timeline of calls that stay under way: one line for what many have in common, in its order."""

from __future__ import annotations

from typing import Any

from harness.render.case import Case
from harness.render.happened import Line, lines
from harness.render.story import rows_of
from harness.units import NS_PER_MS
from tests.render import proofs
from tests.render.proofs import REAL_NS, arrival, made, moved, of_kind, rested
from tests.render.records import ORIGIN_NS


def told(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(line.time, line.what) for line in rows_of(Case.model_validate(values))]


def test_a_breakers_story() -> None:
    """Five with one fate are one line, sequential or not; the clock's move stands between."""
    assert told(proofs.breaker()) == [
        ("0.000 s", "5 calls of list: begun, reached search, answered 503 there, got 502"),
        ("0.000 s", "1 call of list: begun, got 503"),
        ("+ 61.000 s", "the clock is moved"),
        ("61.000 s", "2 calls of list: begun, reached search"),
    ]


def test_each_attempt_has_its_line() -> None:
    """At the instant at which it came."""
    assert told(proofs.retry()) == [
        ("0.000 s", "1 call of list: begun, reached search, answered 503 there"),
        ("+ 0.100 s", "the clock is moved"),
        ("0.100 s", "1 call of list: reached search, answered 503 there"),
        ("+ 0.100 s", "the clock is moved"),
        ("0.200 s", "1 call of list: reached search, answered 503 there"),
        ("+ 0.100 s", "the clock is moved"),
        ("0.300 s", "1 call of list: reached search, answered 503 there, got 502"),
    ]


def test_it_ends_at_the_rest_that_completes_the_proof() -> None:
    """What the player ended afterwards is not told; calls that came later are counted."""
    values = proofs.slots()
    values["calls"].append(made(50, 0, 80, ended=(0, 81)))
    assert told(values) == [
        ("0.000 s", "5 calls of list: begun, reached search"),
        ("0.000 s", "2 calls of list: begun"),
        ("0.000 s", "1 call of list: begun, got 429"),
        ("0.000 s", "at rest: the proof is complete"),
        ("…", "1 later call"),
    ]
    never = proofs.deadline(ended_s=300.0, idle_s=300.0)
    never["arrivals"][0]["ended_ns"] = REAL_NS + 85 * NS_PER_MS
    assert told(never)[-1] == ("300.000 s", "at rest: the proof is complete")


def test_faults_and_counts_have_lines() -> None:
    """In the order of the machine's clock."""
    at = {"target_ns": ORIGIN_NS, "dependency": "search"}
    events = [
        {"event": "FaultBegan", "at_ns": REAL_NS, "fault": "refused", "effect": 2, **at},
        {"event": "Resources", "at_ns": REAL_NS + 1, "threads": 9, "pids": [1], **at},
        rested(50, 0),
        {"event": "FaultEnded", "at_ns": REAL_NS + 60 * NS_PER_MS, **at},
    ]
    values = of_kind("tea", [made(0, 0, 10, ended=(0, 20))], {}, events=events)
    found = lines(Case.model_validate(values))
    assert [(line.what, line.detail) for line in found] == [
        ("search: refused", "its effect was counted 2 times"),
        ("counted", "9 threads, 0 descriptors, 0 connections, 1 process"),
        ("1 call of list: begun, got 200", "key-1; the proof"),
    ]


def test_a_fault_of_the_service_is_told_in_its_own_words() -> None:
    """What was seen of it stands beside it, and what it does once that is undone."""
    at = {"target_ns": ORIGIN_NS, "dependency": "target", "name": "f"}
    events = [
        {"event": "FaultBegan", "at_ns": REAL_NS, "fault": "paused", "said": "it stands", **at},
        {"event": "FaultEnded", "at_ns": REAL_NS + 1, "said": "runs again", **at},
        rested(50, 0),
    ]
    values = of_kind("tea", [made(0, 0, 10, ended=(0, 20))], {}, events=events)
    found = lines(Case.model_validate(values))
    assert [(line.what, line.detail) for line in found][:2] == [
        ("the service: paused", "it stands"),
        ("the service: runs again", ""),
    ]


def test_requests_of_no_known_call_are_told_apart() -> None:
    """Nobody says whose they are."""
    values = of_kind(
        "tea",
        [made(0, 0, 10, ended=(0, 40))],
        {},
        arrivals=[arrival(n, 0, (0, 20), (0, 30), token=None) for n in (1, 2)],
        events=[rested(35, 0), rested(50, 0)],
    )
    whats = [what for _, what in told(values)]
    assert whats == [
        "1 call of list: begun",
        "2 requests of no known call: reached search, answered 503 there",
        "1 call of list: got 200",
    ]


def test_a_call_that_waits_may_end_without_an_answer() -> None:
    """Left, cut off, given up: each has its word."""
    calls = [
        made(0, 0, 1, ended=(0, 30), status=None, error="left"),
        made(1, 0, 2, ended=(0, 31), status=None, error="reset"),
        made(2, 0, 3, ended=(0, 32), status=200, error="closed"),
    ]
    arrivals = [
        arrival(1, 0, (0, 5), (0, 33), state="gone", status=None),
        arrival(2, 1, (0, 6), (0, 29), state="cut"),
    ]
    values = of_kind("tea", calls, {}, arrivals=arrivals, events=[rested(50, 0)])
    assert [what for _, what in told(values)] == [
        "1 call of list: begun, reached search, left by its client, given up there",
        "1 call of list: begun, reached search, cut off there, ended without an answer (reset)",
        "1 call of list: begun, got 200 (closed)",
    ]


def test_a_long_story_is_cut_in_the_middle() -> None:
    """The beginning, the end, and how many lines are between."""
    calls = [made(n, n * 1_000, 10 * n, ended=(n * 1_000, 10 * n + 1)) for n in range(300)]
    events = [moved(10 * n + 5, n * 1_000, n * 1_000 + 1_000) for n in range(300)]
    found = lines(Case.model_validate(of_kind("tea", calls, {}, events=events)))
    assert len(found) < 60
    what = "272 more lines, with the clock's moves between"
    assert found[31] == Line(time="…", what=what, detail="in the file", kind="move")
    assert found[32].time == "+ 273.000 s", "from the last line that is told"
    assert found[-1].time == "299.000 s"


def test_two_instants_are_two_lines_also_without_a_border() -> None:
    """A clock that was moved in many small steps, of which one line tells."""
    calls = [made(0, 0, 10, ended=(5_100, 40))]
    values = of_kind("tea", calls, {}, events=[moved(20, 0, 5_100)])
    values["arrivals"] = [arrival(1, 0, (0, 15), (5_000, 30), state="gone", status=None)]
    assert told(values)[1:] == [
        ("+ 5.000 s", "the clock is moved"),
        ("5.000 s", "1 call of list: given up there"),
        ("+ 0.100 s", "the clock is moved"),
        ("5.100 s", "1 call of list: got 200"),
    ]


def test_on_a_clock_that_runs_pauses_part_the_lines() -> None:
    """Nobody writes down rests there; what comes close together is one instant."""
    calls = [made(n, n, n, ended=(600 + n, 600 + n)) for n in (0, 1)]
    arrivals = [arrival(n + 1, n, (5 + n, 5 + n), (600, 600 + n)) for n in (0, 1)]
    values = of_kind("tea", calls, {}, arrivals=arrivals, clock="real")
    assert told(values) == [
        ("0.000 s", "2 calls of list: begun, reached search"),
        ("+ 0.600 s", "time passes"),
        ("0.600 s", "2 calls of list: got 200, answered 503 there"),
    ]


def test_the_proof_is_marked() -> None:
    """Also where only some of the calls of a line are of it."""
    values = proofs.breaker(witness=[0, 1, 7])
    found = lines(Case.model_validate(values))
    assert [(line.detail, line.decisive) for line in found if line.kind == "calls"] == [
        ("key-1; 2 of them are of the proof", True),
        ("key-1", False),
        ("key-1; 1 of them are of the proof", True),
    ]
