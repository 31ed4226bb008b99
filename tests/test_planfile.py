"""Plans are read back as they were written, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.plan import (
    Cut,
    Expect,
    Heal,
    Mark,
    Phase,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
    step_to_json,
)
from harness.planfile import step_from_json, steps_from_json
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


STEPS: st.SearchStrategy[Step] = st.one_of(
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
        ([CALL] * 20_001, "at most 20000"),
    ],
)
def test_bounds_are_told(plan: list[Any], said: str) -> None:
    """No million calls, no wait backwards, no step or setting that nobody knows."""
    with pytest.raises(UsageError) as raised:
        steps_from_json(plan)
    assert said in str(raised.value)
