"""Plans are read back as they were written, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.faults.process import (
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.plan import (
    Answering,
    CountResources,
    Cut,
    Expect,
    Fire,
    Heal,
    Inject,
    Jump,
    Kill,
    Leave,
    Lift,
    Mark,
    Phase,
    Reaching,
    Release,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
    step_to_json,
)
from harness.planfile import step_from_json, steps_from_json
from harness.script import Answer, Rule
from harness.units import NS_PER_S

NAMES = st.text("abcXYZ019_.-", min_size=1, max_size=12)
SPANS = st.integers(0, 86_400 * NS_PER_S)
EXPECTS = st.integers(0, 50).flatmap(
    lambda least: st.builds(Expect, st.just(least), st.integers(least, 60))
)


def sends(times: st.SearchStrategy[int]) -> st.SearchStrategy[Send]:
    return st.builds(
        Send,
        caller=NAMES,
        times=times,
        together=st.booleans(),
        connection=NAMES,
        forwarded=st.none() | st.sampled_from(["*", "@a", "*, @x", "@a, *, *"]),
        via_proxy=st.booleans(),
        per_caller=st.none() | st.integers(1, 99),
        expect=st.none() | EXPECTS,
    )


PAIRS = st.tuples(NAMES, st.text("abc ;=/\xe4", max_size=9))
ANSWERS = st.builds(
    Answer,
    status=st.integers(100, 999),
    headers=st.lists(PAIRS, max_size=2).map(tuple),
    body=st.none() | st.text(max_size=9),
    content_type=st.none() | st.just("text/plain"),
    delay_ns=SPANS,
    hold=st.booleans(),
    trickle_ns=SPANS,
    trickle=st.sampled_from(["all", "body"]),
    cut=st.none() | st.sampled_from(["before", "within", "after"]),
    cut_by=st.sampled_from(["reset", "close"]),
    length_off=st.integers(-9, 9),
    close=st.booleans(),
)
RULES = st.builds(
    Rule,
    answers=st.lists(ANSWERS, min_size=1, max_size=3).map(tuple),
    then=st.none() | ANSWERS,
    per=st.sampled_from(["all", "call", "path"]),
    method=st.none() | st.just("POST"),
    path=st.none() | st.just("/items/7"),
)
COUNTS = st.integers(1, 99)
GROUPS = st.sampled_from(["a", "429 1", "round 10, after", "any-0", "GET 503 -> 200"])
FLIGHTS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Answering, dependency=NAMES, script=st.lists(RULES, max_size=3).map(tuple)),
    st.builds(
        Fire,
        group=GROUPS,
        caller=NAMES,
        times=COUNTS,
        together=st.booleans(),
        until=st.none() | st.sampled_from(["rejected", "admitted"]),
        operation=st.none() | NAMES,
        fresh=st.booleans(),
        connection=NAMES,
        part=st.sampled_from(["whole", "half"]),
        slow=st.booleans(),
    ),
    st.builds(
        Release,
        dependency=NAMES,
        answer=ANSWERS.map(lambda answer: replace(answer, hold=False)),
        times=st.none() | COUNTS,
        order=st.sampled_from(["oldest", "newest", "random"]),
        group=st.none() | GROUPS,
    ),
    st.builds(Leave, group=GROUPS, times=st.none() | COUNTS, waiting=st.none() | st.booleans()),
    st.builds(Jump, SPANS),
    st.builds(Reaching, NAMES, st.sampled_from(["open", "refuse", "black_hole"])),
    st.builds(CountResources),
    st.builds(Kill, GROUPS),
)
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(ProcessPaused, NAMES),
    st.builds(ProcessKilled, NAMES, st.booleans()),
    st.builds(DescriptorsExhausted, NAMES, COUNTS),
    st.builds(MemoryLimited, NAMES, st.integers(1 << 20, 1 << 40)),
    st.builds(
        DiskFull, NAMES, st.integers(1 << 16, 1 << 30), st.sampled_from(["", "/", "/var/b c"])
    ),
    st.builds(ClockStepped, st.just("target"), SPANS.filter(bool)),
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    FLIGHTS,
    st.builds(Inject, NAMES, FAULTS),
    st.builds(Lift, NAMES),
    sends(st.integers(1, 1_000)),
    st.builds(Until, send=sends(st.just(1)), most=st.integers(1, 1_000)),
    st.builds(Mark, NAMES),
    st.builds(Wait, ns=SPANS, since=NAMES),
    st.builds(Phase, st.integers(0, NS_PER_S - 1)),
    st.builds(WaitAdvised, SPANS, SPANS),
    st.builds(Cut, NAMES),
    st.builds(Heal, NAMES),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@given(STEPS)
def test_what_is_written_is_read(step: Step) -> None:
    """Through JSON and back, every step is itself."""
    assert step_from_json(json.loads(json.dumps(step_to_json(step))), "step 1") == step


@given(STEPS, st.data())
def test_a_damaged_step_is_refused_with_its_place(step: Step, data: st.DataObject) -> None:
    """Whatever one setting becomes, the step is read or refused by name; nothing else is raised."""
    values = step_to_json(step)
    name = data.draw(st.sampled_from([*values, "unknown"]))
    values[name] = data.draw(ANYTHING)
    try:
        said = f"step 7: {type(step_from_json(values, 'step 7')).__name__}"
    except UsageError as error:
        said = str(error)
    assert said.startswith("step 7")
    assert len(said) < 600


@given(ANYTHING)
def test_anything_else_is_no_plan(value: Any) -> None:
    """Only lists of steps are."""
    with pytest.raises(UsageError):
        steps_from_json(value)


CALL = {"step": "Send", "caller": "a"}
FIRE = {"step": "Fire", "group": "a"}
PAUSED = {"fault": "ProcessPaused", "subject": "target"}
SET = {"fault": "ClockStepped"}
HELD = {"hold": True}


def answering(*rules: Any) -> dict[str, Any]:
    return {"step": "Answering", "dependency": "d", "script": list(rules)}


def injecting(fault: Any) -> dict[str, Any]:
    return {"step": "Inject", "name": "f", "fault": fault}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([], "at least one"),
        ([{**CALL, "times": 1_000_000}], "times must be a whole number from 1 to 100000"),
        ([{**CALL, "times": 0}], "from 1 to"),
        ([{**CALL, "times": True}], "whole number"),
        ([{**CALL, "times": 60_000}, {**CALL, "times": 60_000}], "makes 120000 calls"),
        ([CALL, {"step": "Wait", "ns": -1}], "step 2 (Wait): ns must be"),
        ([CALL, {"step": "Wait", "ns": 1.5}], "step 2 (Wait): ns must be"),
        ([CALL, {"step": "Wait"}], "step 2 (Wait) lacks 'ns'"),
        ([CALL, *[{"step": "Wait", "ns": 300 * 86_400 * NS_PER_S}] * 2], "366 days"),
        ([{"step": "Phase", "ns": NS_PER_S}, CALL], "below 1000000000"),
        ([{"step": "Sent", "caller": "a"}], "no step 'Sent'; known are Send, "),
        ([{"step": "Sent", "caller": "a"}], "did you mean 'Send'"),
        ([{**CALL, "time": 3}], "no setting 'time'"),
        ([{**CALL, "caller": "a b"}], "must be a text such as 'a'"),
        ([{**CALL, "forwarded": "10.0.0.1"}], "'*, @a'"),
        ([{**CALL, "expect": {"least": 3, "most": 2}}], "from 3 to"),
        ([{"step": "Until", "send": {**CALL, "times": 2}, "most": 3}], "must be 1, got 2"),
        ([{"step": "Until", "send": {"step": "Cut", "dependency": "x"}, "most": 3}], "be a Send"),
        ([{"step": "Cut", "dependency": "redis"}], "makes 0 calls"),
        (["Send"], "must be an object"),
        ([{"step": "Jump", "most_ns": 1}], "makes 0 calls"),
        ([FIRE, {"step": "Jump", "most_ns": 400 * 86_400 * NS_PER_S}], "most_ns must be"),
        ([FIRE, *[{"step": "Jump", "most_ns": 300 * 86_400 * NS_PER_S}] * 2], "366 days"),
        ([{**FIRE, "group": "a\nb"}], "group must be a text such as 'round 1, after'"),
        ([{**FIRE, "group": ""}], "group must be a text"),
        ([{**FIRE, "times": None}], "times must be a whole number"),
        ([{**FIRE, "until": "ended"}], "must be one of rejected, admitted"),
        ([{**FIRE, "part": "tail"}], "must be one of whole, half"),
        ([{**FIRE, "times": 60_000}, {**FIRE, "times": 60_000}], "makes 120000 calls"),
        ([{"step": "Release", "dependency": "d", "times": 0}, FIRE], "times must be"),
        ([{"step": "Release", "dependency": "d", "answer": HELD}, FIRE], "hold must be false"),
        ([{"step": "Release", "dependency": "d", "answer": 503}, FIRE], "must be an object"),
        (
            [{"step": "Reaching", "dependency": "d", "how": "shut"}, FIRE],
            "open, refuse, black_hole",
        ),
        ([answering({}), FIRE], "script, number 1 needs answers"),
        ([answering({"answers": [{"status": 99}]}), FIRE], "answers, number 1: status must be"),
        ([answering({"then": {"stats": 503}}), FIRE], "did you mean 'status'"),
        ([answering({"then": {"headers": [["A b", "c"]]}}), FIRE], "number 1: name must be"),
        ([answering({"then": {"headers": [["A", "b\r\nC: d"]]}}), FIRE], "one line of Latin-1"),
        ([answering({"then": {"headers": [["A"]]}}), FIRE], "a name and a value"),
        ([answering({"then": {"body": 7}}), FIRE], "must be a text"),
        ([answering({"then": HELD, "per": "caller"}), FIRE], "must be one of all, call, path"),
        ([answering({"then": HELD, "path": "items"}), FIRE], "must be a text such as '/items'"),
        ([answering(*[{"then": HELD}] * 1_001), FIRE], "of at most 1000"),
        ([{**answering(), "script": {"then": HELD}}, FIRE], "must be a list"),
        ([CALL] * 20_001, "at most 20000"),
        ([injecting({}), CALL], "there is no fault None; known are ProcessPaused, "),
        ([injecting({**PAUSED, "fault": "ProcessPause"}), CALL], "did you mean 'ProcessPaused'"),
        ([injecting({**PAUSED, "subject": "../x"}), CALL], "subject must be a text"),
        ([injecting({"fault": "ProcessPaused"}), CALL], "fault lacks 'subject'"),
        ([injecting("paused"), CALL], "an object with a key 'fault'"),
        (
            [injecting({**SET, "by_ns": 0}), CALL],
            "step 1 (Inject): fault: ClockStepped needs by_ns",
        ),
        ([injecting({**SET, "subject": "redis"}), CALL], "needs the subject 'target'"),
        ([injecting({**SET, "by_ns": 400 * 86_400 * NS_PER_S}), CALL], "by_ns must be"),
        ([injecting({**PAUSED, "fault": "DiskFull", "folder": "x"}), CALL], "'/var/cache'"),
        ([injecting({**PAUSED, "fault": "DiskFull", "size_bytes": 9}), CALL], "from 65,536"),
        ([injecting({**PAUSED, "fault": "MemoryLimited", "headroom_bytes": 1}), CALL], "1,048,576"),
    ],
)
def test_bounds_are_told(plan: list[Any], said: str) -> None:
    """No million calls, no wait backwards, no step or setting that nobody knows."""
    with pytest.raises(UsageError) as raised:
        steps_from_json(plan)
    assert said in str(raised.value)
