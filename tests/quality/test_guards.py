"""A sample of the released breakers and retry libraries; ``make prove`` judges all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixtures.strangers._guards import Guard, Side
from fixtures.strangers.breakers import BREAKERS
from fixtures.strangers.retries import RETRIES
from harness.seeds import Seed
from harness.verdict import Status
from tests.quality.guards import GUARDS, foretold, judged, shown_again, told
from tests.quality.strangers import why_not

_DRAWN = Seed(5)
_SHOWN = [guard for guard in GUARDS if guard.shown]


def _sample(guards: Sequence[Guard], count: int) -> list[Guard]:
    return _DRAWN.stream("guards").sample(guards, count)


def _name(value: Guard | str) -> str:
    return value if isinstance(value, str) else f"{value.folder}-{value.name}"


@pytest.mark.parametrize(
    ("guard", "side"),
    [
        *((guard, "documented") for guard in BREAKERS if guard.name == "circuitbreaker"),
        *((guard, side) for guard in _sample(RETRIES, 1) for side in ("documented", "other")),
    ],
    ids=_name,
)
def test_a_released_library_is_judged_as_foretold(guard: Guard, side: Side) -> None:
    """It keeps what its documentation claims, or not where its code denies that; other words it breaks."""
    reason = why_not(guard)
    if reason is not None:
        pytest.skip(reason)
    result = judged(guard, side)
    assert foretold(guard.promised[side], result), f"{result.verdict.status}: {told(result)}"


@pytest.mark.parametrize("guard", _sample(_SHOWN, 3), ids=_name)
def test_a_kept_counterexample_shows_the_defect_again(guard: Guard) -> None:
    """The small plan that is kept proves that the library breaks its own documentation."""
    reason = why_not(guard)
    if reason is not None:
        pytest.skip(reason)
    verdict = shown_again(guard)
    assert verdict.status is Status.BROKEN, verdict.reason
