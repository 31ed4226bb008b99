"""What a counterexample's file gives a drawing: readings of calls, and what happened around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.counterexample import to_json
from harness.history import FaultBegan, FaultEnded, History
from harness.render.case import Case
from harness.render.timeline import timeline
from harness.runner.verify import PromiseResult
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.promises.rate_limit.simulated import Log
from tests.runner.simulated_world import simulate, simulated_loaded

BEGAN = FaultBegan(seq=0, at_ns=0, target_ns=0, dependency="store", fault="killed", effect=2)
ENDED = FaultEnded(seq=0, at_ns=0, target_ns=0, dependency="store", data_kept=False)


def simulated() -> PromiseResult:
    return simulate(Log(6, 10 * NS_PER_S), Seed(1), limit="5/10s")


def written(result: PromiseResult, *before: FaultBegan | FaultEnded) -> dict[str, Any]:
    """The file of its counterexample, as if these had happened before its first call."""
    found = result.counterexample
    assert found is not None
    return to_json(
        simulated_loaded(limit="5/10s"),
        result.promise,
        replace(found, history=History((*before, *found.history.events))),
        seed=1,
        clock="frozen",
        repeats=(3, 3),
        versions={},
    )


def test_a_real_file_can_be_drawn() -> None:
    """Six of five are admitted at one instant, and each call says how it is read."""
    values = written(simulated())
    assert {call["reading"] for call in values["calls"]} <= {"admitted", "refused"}
    line = timeline(Case.model_validate(values))
    assert sum(column.count("admitted", proof=True) for column in line.columns) == 6


def test_a_fault_that_had_begun_before_belongs_to_it() -> None:
    """A store that was down already is drawn; one that was healed again is not."""
    result = simulated()
    (outage,) = timeline(Case.model_validate(written(result, BEGAN))).outages
    assert (outage.whom, outage.counted, outage.to_ns) == (
        "store",
        "its effect was counted 2 times",
        None,
    )
    assert timeline(Case.model_validate(written(result, BEGAN, ENDED))).outages == ()
