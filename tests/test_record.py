"""The run record: what it holds, and what becomes of it when something goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import record
from harness.cli.verify import exit_code
from harness.errors import UsageError
from harness.record import PromiseRecord, VerdictWord
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import simulate, simulated_loaded

CONTRACT = simulated_loaded(limit="5/10s")


def promise(verdict: VerdictWord, service: str = "a", *, ran: bool = True) -> PromiseRecord:
    return PromiseRecord(
        service=service,
        id="p",
        kind="rate_limit",
        says=None,
        verdict=verdict,
        reason="",
        ran=ran,
        clock="frozen",
        evidence={},
        trials=(),
        counterexample=None,
        notes=(),
        duration_s=0.0,
    )


@pytest.mark.parametrize(
    ("promises", "selected", "code"),
    [
        ([promise("kept")], 1, 0),
        ([promise("kept"), promise("broken")], 2, 1),
        ([promise("unknown"), promise("broken"), promise("unknown", "b", ran=False)], 3, 1),
        ([promise("kept"), promise("unknown", "b", ran=False)], 2, 3),
        ([promise("unknown"), promise("kept")], 2, 2),
        ([promise("kept")], 2, 2),
        ([], 1, 3),
    ],
)
def test_the_worst_decides_the_exit_code(
    promises: list[PromiseRecord], selected: int, code: int
) -> None:
    """Broken first, then a contract without a trial, then unknown or missing."""
    assert exit_code(tuple(promises), selected) == code


def test_a_part_holds_the_verdict_and_its_counterexample(tmp_path: Path) -> None:
    """What a worker writes is what the controller reads, in the order of the contracts."""
    result = simulate(Log(6, 10 * NS_PER_S), Seed(1), limit="5/10s", shrink_s=60.0)
    record.prepare(tmp_path)
    record.write_part(tmp_path, CONTRACT, 1, result)
    (part,) = record.read_parts(tmp_path, [("other", "p"), ("simulated", "p")])
    assert part.verdict == "broken"
    assert part.trials[0].worlds == 3
    assert part.counterexample is not None
    found = json.loads((tmp_path / part.counterexample).read_text())
    assert found["format"] == "stormproof-counterexample"
    assert found["promise"]["limit"] is not None
    assert {call["index"] for call in found["calls"]} >= set(found["witness"])
    assert [(step["step"], step["times"]) for step in found["plan"]] == [("Send", 6)]


def test_a_torn_part_is_left_out(tmp_path: Path) -> None:
    """A part that is no record loses nothing else."""
    record.prepare(tmp_path)
    result = simulate(Log(5, 10 * NS_PER_S), Seed(1), limit="5/10s")
    record.write_part(tmp_path, CONTRACT, 1, result)
    (tmp_path / ".parts" / "torn.json").write_text('{"service": "a", "id"')
    assert len(record.read_parts(tmp_path, [("simulated", "p")])) == 1


def test_a_new_run_takes_out_the_old_ones_files_only(tmp_path: Path) -> None:
    """What is not ours stays where it is."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "counterexamples").mkdir()
    (tmp_path / "counterexamples" / "old.json").write_text("{}")
    record.prepare(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "run.json").exists()
    assert not list((tmp_path / "counterexamples").iterdir())


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """With its name, and what to do."""
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match=r"out cannot be used: .*--report"):
        record.prepare(tmp_path / "out")
