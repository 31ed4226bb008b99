"""The exit code, whatever was asked for: 1 what fails, else 3, else 2, else 0."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from harness.cli.verify import exit_code
from harness.gate.baseline import Known, VerdictWord, standing
from harness.record import BaselineRecord, PromiseRecord

DAY = date(2026, 3, 31)
ENTRY = Known(service="a", promise="p", until=DAY, because="SHOP-7")
CASES = {
    "kept": ("kept", None),
    "broken": ("broken", None),
    "unknown": ("unknown", None),
    "kept, in the baseline": ("kept", DAY),
    "broken, excused": ("broken", DAY),
    "broken, no more excused": ("broken", date(2026, 4, 1)),
    "unknown, in the baseline": ("unknown", DAY),
}
FAIL = {"broken", "kept, in the baseline", "broken, no more excused"}


def promise(
    verdict: VerdictWord, today: date | None, *, ran: bool = True, smoke: bool = False
) -> PromiseRecord:
    known = None
    if today is not None:
        stands = standing(ENTRY, verdict, today, "known.yaml", smoke=smoke)
        known = BaselineRecord(
            file="known.yaml",
            line=1,
            until=DAY,
            because=ENTRY.because,
            state=stands.state,
            said=stands.said,
            fails=stands.fails,
        )
    return PromiseRecord(
        service="a",
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
        baseline=known,
    )


@pytest.mark.parametrize("names", list(product(CASES, repeat=2)), ids=" + ".join)
def test_every_pair_of_outcomes(names: tuple[str, str]) -> None:
    """What fails decides; nothing that is unknown is ever green, baseline or not."""
    found = tuple(promise(*CASES[name]) for name in names)  # type: ignore[arg-type]
    unknown = any(name.startswith("unknown") for name in names)
    assert exit_code(found, 2) == (1 if FAIL & set(names) else 2 if unknown else 0)
    assert exit_code(found, 3) == (1 if FAIL & set(names) else 2)


def test_a_service_that_ran_nothing_is_3_in_spite_of_a_baseline() -> None:
    """Could not run is unknown, and stays what it is."""
    assert exit_code((promise("unknown", DAY, ran=False),), 1) == 3


def test_a_smoke_run_does_not_ask_for_a_removal() -> None:
    """It looks at too little to say that what was broken is kept."""
    assert exit_code((promise("kept", DAY, smoke=True),), 1) == 0
    assert exit_code((promise("broken", DAY, smoke=True),), 1) == 0
