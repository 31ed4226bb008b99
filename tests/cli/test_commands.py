"""The other commands: plan, schema, doctor, help."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Stormproof


def test_plan_starts_nothing_and_says_what_would_be(
    stormproof: Stormproof, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """Each process, fault and trial is named, with how it is undone."""
    ran = stormproof("plan", contracts["amodels"])
    assert ran.code == 0, ran.err
    for word in ("valkey", "fixtures.targets.amodels", "is killed; undone by", "T9 store", "am-ip"):
        assert word in ran.out
    assert list(tmp_path.iterdir()) == []


def test_schema_is_the_committed_one(stormproof: Stormproof, repository: Path) -> None:
    """What is printed is what the repository publishes."""
    ran = stormproof("schema")
    committed = repository / "harness" / "schemas" / "contract.schema.json"
    assert json.loads(ran.out) == json.loads(committed.read_text())


def test_doctor_tells_each_ability(stormproof: Stormproof) -> None:
    """A line for each, and for each lack what it costs."""
    ran = stormproof("doctor")
    assert ran.code == 0, ran.err
    for name in (
        "Python",
        "held clock",
        "valkey",
        "source addresses",
        "docker",
        "node",
        "chromium",
    ):
        assert name in ran.out


def test_help_shows_an_example(stormproof: Stormproof) -> None:
    """Help is where people look first."""
    ran = stormproof("verify", "--help")
    assert ran.code == 0
    assert "Example" in ran.out
    assert "--budget" in ran.out


def test_no_words_at_all_is_bad_input(stormproof: Stormproof) -> None:
    """And the commands are listed."""
    ran = stormproof()
    assert ran.code == 4
    assert "verify" in ran.out + ran.err


def test_the_record_schema_is_up_to_date(repository: Path) -> None:
    """It is generated from the types that write the record."""
    from harness.record import run_schema

    committed = repository / "harness" / "schemas" / "run.schema.json"
    assert json.loads(committed.read_text()) == run_schema()
