"""The file of a counterexample: whatever happened to it, it is read right or refused with a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.contract.load import load
from harness.counterexample import VERSION, read, to_json
from harness.errors import UsageError
from harness.promises import words
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.flight_facts import TRIAL, playing
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import simulate, simulated_loaded

STORE = {"dependency": "store", "when_down": "open"}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """A file's values."""
    result = simulate(Log(6, 10 * NS_PER_S), Seed(1), limit="5/10s", store=STORE)
    assert result.counterexample is not None
    return to_json(
        simulated_loaded(limit="5/10s"),
        result.promise,
        result.counterexample,
        seed=1,
        clock="frozen",
        repeats=(3, 3),
        versions={"stormproof": "0"},
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A file with just this in it."""

    def written(text: str | bytes) -> Path:
        path = tmp_path / "found.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


Written = Callable[[str | bytes], Path]


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        read(path, words())
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_what_was_written_is_read(values: dict[str, Any], written: Written) -> None:
    """Promise, plan and proof come back as they were."""
    saved = read(written(json.dumps(values)), words())
    assert saved.promise.model_dump()["store"] == STORE
    assert saved.finding.half == "upper"
    assert (saved.broken_in, saved.worlds) == (3, 3)
    assert saved.trial.calls == 14
    assert str(saved.contract) == "/nowhere/contract.yaml"


def test_what_a_witness_saw_comes_back(written: Written) -> None:
    """Steps, the world that they need, and each arrival; a damaged one is refused."""
    result = simulate(Log(6, 10 * NS_PER_S), Seed(1), limit="5/10s", store=STORE)
    made = to_json(
        simulated_loaded(limit="5/10s"),
        result.promise,
        playing(),
        seed=1,
        clock="frozen",
        repeats=(3, 3),
        versions={},
    )
    saved = read(written(json.dumps(made)), words())
    assert saved.trial.steps == TRIAL.steps
    assert saved.trial.fresh == "restart"
    assert saved.arrivals == playing().history.arrivals
    made["arrivals"][1]["state"] = "lost"
    assert "1.state" in refused(written(json.dumps(made)))


@pytest.mark.parametrize("name", ["amodels", "sum"])
def test_the_words_of_real_promises_come_back(name: str, contracts: dict[str, Path]) -> None:
    """As they are written in a file, they say the same."""
    for promise in load(contracts[name], words()).contract.promises:
        written = promise.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert type(promise).model_validate_json(json.dumps(written)) == promise


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "stormproof-run"}, "the record of a run; name one of the files under"),
        ({"format": "har"}, "is no counterexample of stormproof"),
        ({"version": VERSION - 1}, "an older stormproof (version 2"),
        ({"version": VERSION + 1}, "update stormproof"),
        ({"version": "2"}, "its version is no number"),
        ({"version": True}, "its version is no number"),
        ({"clock": "cuckoo"}, "clock: "),
        ({"extra": 1}, "extra: "),
        ({"worlds": 0}, "worlds: "),
        ({"contract_sha256": "f"}, "contract_sha256: "),
        ({"plan": []}, "at least one"),
        ({"plan": [{"step": "Send", "caller": "a", "times": 10**9}]}, "step 1 (Send): times"),
        ({"promise": {"kind": "speed"}}, "there is no kind 'speed'; known are rate_limit"),
        ({"promise": {"kind": ["x"]}}, "there is no kind"),
        ({"promise": {"kind": "rate_limit"}}, "id: "),
    ],
)
def test_wrong_values_are_refused(
    change: dict[str, Any], said: str, values: dict[str, Any], written: Written
) -> None:
    """With the file, what is wrong, and what to do."""
    told = refused(written(json.dumps({**values, **change})))
    assert said in told
    assert "verify" in told or "update" in told or "name" in told or "no counterexample" in told


def test_every_key_is_needed(values: dict[str, Any], written: Written) -> None:
    """A file that lacks one is refused by that name."""
    for name in values:
        left = {key: value for key, value in values.items() if key != name}
        assert name in refused(written(json.dumps(left)))


def test_a_truncated_file_is_told_as_one(values: dict[str, Any], written: Written) -> None:
    """Wherever it was cut."""
    text = json.dumps(values, indent=1)
    for length in range(1, len(text) - 1, max(1, len(text) // 97)):
        assert "damaged" in refused(written(text[:length]))
    assert "was it cut off?" in refused(written(text[: len(text) // 2]))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x01", b"\xff\xfe{}", b"[]", b"3", b"{" * 5_000, b"[" * 200_000, b'{"a": NaN}'],
)
def test_foreign_bytes_are_refused(content: bytes, written: Written) -> None:
    """No traceback, whatever the file holds."""
    refused(written(content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, and nothing at all."""
    assert "no plain file" in refused(tmp_path)
    assert "is not there" in refused(tmp_path / "none.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_one_changed_value_is_read_or_refused(
    data: st.DataObject, values: dict[str, Any], written: Written
) -> None:
    """Somewhere in the file, something else stands: nothing but a UsageError is ever raised."""
    changed = json.loads(json.dumps({**values, "calls": values["calls"][:1], "events": []}))
    place: Any = changed
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    junk = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.just({}),
        st.just([]),
        st.just([[]]),
    )
    place[key] = data.draw(junk)
    said = "found.json"
    try:
        read(written(json.dumps(changed)), words())
    except UsageError as error:
        said = str(error)
    assert "found.json" in said
