"""The other commands: plan, schema, doctor, help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from harness.cli.plan import faults
from harness.faults.process import DiskFull, ProcessPaused
from harness.plan import Answering, Cut, Inject, Kill, Reaching, Step, Trial
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


def test_plan_names_each_witness(stormproof: Stormproof, tmp_path: Path) -> None:
    """A scripted dependency is told from a real store."""
    path = tmp_path / "contract.yaml"
    path.write_text(
        "contract: 1\nservice: s\ntarget: {command: [serve, '{port}', '{search.url}']}\n"
        "dependencies: {search: {kind: witness}}\noperations: {get: {call: GET /}}\npromises: []\n"
    )
    ran = stormproof("plan", path)
    assert ran.code == 0, ran.err
    assert "a witness for search, which the service calls in place of the real one" in ran.out


def test_plan_says_what_becomes_of_a_witness() -> None:
    """Scripts, unreachable dependencies, killed workers and restarts are told with their end."""
    told = "\n".join(
        faults(
            [
                trial(Answering(dependency="search"), Kill("a"), fresh="restart"),
                trial(Reaching("model", "black_hole"), Reaching("search", "open")),
            ]
        )
    )
    for words in (
        "search (a witness) fails, is late, holds",
        "model (a witness) cannot be connected to; undone",
        "a worker process of the service is killed",
        "restarts the service, with its dependencies, before 1 trial where",
    ):
        assert words in told
    assert "search (a witness) cannot" not in told


def test_plan_says_what_each_fault_touches() -> None:
    """Once each, and how it is undone."""
    lines = list(
        faults(
            [
                trial(Cut("redis"), Inject("a", ProcessPaused("target"))),
                trial(Cut("redis"), Inject("b", DiskFull("redis"))),
            ]
        )
    )
    first, second, third = lines
    assert first == "faults   redis is killed; undone by a restart on the same port, empty"
    assert second.startswith(
        "faults   redis is started with its private folder on a disk of 4,194,304"
    )
    assert "; undone by removing the file that fills it" in second
    assert third.startswith("faults   the service is paused (SIGSTOP)")
    assert third.endswith("; undone by SIGCONT to each of them")


def trial(*steps: Step, fresh: Literal["quiet", "restart"] = "quiet") -> Trial:
    return Trial(name="T1", purpose="", steps=steps, fresh=fresh)


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
        "limits",
        "small disks",
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
