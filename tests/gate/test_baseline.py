"""The baseline file: what it may say, how it is refused, and what it makes of a verdict."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from harness.contract.load import LoadedContract, load
from harness.errors import BaselineError
from harness.gate.baseline import Baseline, Known, VerdictWord, load_baseline, standing
from harness.promises import words

DAY = date(2026, 3, 31)
ENTRY = Known(service="shop", promise="rate", until=DAY, because="SHOP-7")
GOOD = """\
baseline: 1
known:
  - service: sum-platform
    promise: sum-rate
    until: 2026-03-31
    because: "one counter a worker: SHOP-7"
"""


@pytest.fixture
def loaded(contracts: dict[str, Path]) -> LoadedContract:
    """A contract with the one promise ``sum-rate``."""
    return load(contracts["sum"], words())


def read(folder: Path, text: str, loaded: LoadedContract) -> Baseline:
    path = folder / "known.yaml"
    path.write_text(text)
    return load_baseline(path, [loaded])


@pytest.mark.parametrize(
    ("verdict", "days_after", "smoke", "state", "fails"),
    [
        ("broken", -1, False, "known", False),
        ("broken", 0, False, "known", False),
        ("broken", 1, False, "expired", True),
        ("broken", 0, True, "known", False),
        ("broken", 1, True, "expired", True),
        ("kept", -1, False, "kept_now", True),
        ("kept", 1, False, "kept_now", True),
        ("kept", 0, True, "unseen", False),
        ("unknown", -1, False, "open", False),
        ("unknown", 1, False, "open", False),
    ],
)
def test_what_becomes_of_a_known_promise(
    verdict: VerdictWord, days_after: int, smoke: bool, state: str, fails: bool
) -> None:
    """Broken is excused up to its day, kept must leave the file, unknown is never touched."""
    found = standing(ENTRY, verdict, DAY + timedelta(days_after), "known.yaml", smoke=smoke)
    assert (found.state, found.fails) == (state, fails)
    assert "known broken until 2026-03-31, because SHOP-7" in found.said


def test_the_words_say_what_to_do() -> None:
    """Who reads only this line knows which file to change, and how."""
    kept = standing(ENTRY, "kept", DAY, "ci/known.yaml")
    assert kept.said.startswith("is kept now: remove it from ci/known.yaml")
    late = standing(ENTRY, "broken", DAY + timedelta(1), "ci/known.yaml")
    assert "that day has passed" in late.said
    assert "a later day in ci/known.yaml" in late.said


@pytest.mark.parametrize("indent", [None, 2, "\t"], ids=["one line", "spaces", "tabs"])
def test_yaml_and_json_say_the_same(
    loaded: LoadedContract, tmp_path: Path, indent: int | str | None
) -> None:
    """Either form can be written by hand or by a program."""
    values = {
        "service": "sum-platform",
        "promise": "sum-rate",
        "until": "2026-03-31",
        "because": "one counter a worker: SHOP-7",
    }
    known, line = read(tmp_path, GOOD, loaded).entries["sum-platform", "sum-rate"]
    assert known.model_dump(mode="json") == values
    assert line == 3
    text = json.dumps({"baseline": 1, "known": [values]}, indent=indent)
    assert read(tmp_path, text, loaded).entries["sum-platform", "sum-rate"][0] == known


def test_an_entry_past_its_day_is_no_error_of_the_file(
    loaded: LoadedContract, tmp_path: Path
) -> None:
    """It is the promise that fails again, in its own words; and the last entry may go."""
    text = GOOD.replace("2026-03-31", "1999-12-31")
    (known, _), *_ = read(tmp_path, text, loaded).entries.values()
    assert known.until.year == 1999
    assert read(tmp_path, "baseline: 1\nknown: []\n", loaded).entries == {}


TWICE = GOOD + GOOD.partition("known:\n")[2]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "1:1", "a baseline begins with `baseline: 1`"),
        ("- 1\n", "1:1", "begins with `baseline: 1`, not a list"),
        (GOOD.replace("baseline: 1", "baseline: 2"), "1:11", "version 2 is not supported"),
        (GOOD.replace("baseline: 1", "baseline: one"), "1:11", "a whole number is needed"),
        ("baseline: 1\n", "1:1", "`known` is missing"),
        ("baseline: 1\nknown: yes\n", "2:8", "a list is needed"),
        (GOOD.replace("until", "untill"), "5:5", "unknown key `untill`; did you mean `until`?"),
        (GOOD.replace("    until: 2026-03-31\n", ""), "3:5", "`until` is missing: the last day"),
        (GOOD.replace("2026-03-31", "soon"), "5:12", '"soon" is no day: write year, month'),
        (GOOD.replace("2026-03-31", "2026-02-30"), "5:12", "2026-02-30 is no day of the cal"),
        (GOOD.replace("2026-03-31", "20260331"), "5:12", "20260331 is no day: write year"),
        (GOOD.replace("2026-03-31", ""), "5:5", "`until` has no value"),
        (GOOD.replace('"one counter a worker: SHOP-7"', "' '"), "6:14", "say why it is broken"),
        (GOOD.replace("sum-rate", "sum-rat"), "4:14", "no promise `sum-rat`; did you mean"),
        (GOOD.replace("sum-platform", "sun"), "3:14", "no contract of this run is of service"),
        (TWICE, "7:5", "sum-rate of sum-platform stands in line 3 already"),
        (GOOD.replace("promise: sum", "service: sum"), "4:5", "duplicate key `service`"),
    ],
)
def test_a_file_that_says_nothing_clear_is_refused(
    loaded: LoadedContract, tmp_path: Path, text: str, place: str, said: str
) -> None:
    """File, line, column, what was meant and what is allowed; as for a contract."""
    with pytest.raises(BaselineError) as caught:
        read(tmp_path, text, loaded)
    at = f"{tmp_path / 'known.yaml'}:{place}: "
    lines = caught.value.lines()
    assert any(line.startswith(at) and said in line for line in lines), lines


def test_a_file_that_is_not_there_is_named(loaded: LoadedContract, tmp_path: Path) -> None:
    """And so is a folder in its place."""
    with pytest.raises(BaselineError, match=r"none\.yaml: there is no such file"):
        load_baseline(tmp_path / "none.yaml", [loaded])
    with pytest.raises(BaselineError, match=r"folder; name the baseline in it"):
        load_baseline(tmp_path, [loaded])
