"""Trials of what opens the breaker: mixed outcomes, windows, volume and rate (7, 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby

from harness.models.breaker.rules import Consecutive, Counted, Rules, Timed
from harness.models.breaker.state import Mode
from harness.plan import Trial
from harness.promises.circuit_breaker.numbers import under
from harness.promises.circuit_breaker.plans import Phase, Plan, foretold
from harness.promises.circuit_breaker.scene import Scene, left_out

_RESULTS_MOST = 400
_LONG = "it takes more calls than trials are made of; a smaller minimum would settle it"


def thresholds(scene: Scene) -> Iterator[Trial]:
    """The trials that the declared trips make meaningful."""
    rules = scene.rules
    counts = [trip for trip in rules.trips if _is_count(trip)]
    if counts:
        yield scene.trial(
            "T7 mixed outcomes",
            "successes between failures count as declared",
            lambda plan: _mixed(plan, rules),
        )
    windows = [trip for trip in rules.trips if isinstance(trip, Timed)]
    if windows:
        longest = max(windows, key=lambda trip: trip.within_ns)
        yield scene.trial(
            "T8 expiry",
            "results that are too old count no more",
            lambda plan: _expiry(plan, rules, longest),
            long=True,
        )
        if longest.rolling:
            yield scene.trial(
                "T8 rolling",
                "results within the window still count",
                lambda plan: _rolling(plan, rules, longest),
                long=True,
            )
    for trip in rules.trips:
        if isinstance(trip, Timed | Counted) and trip.rate is not None:
            yield from _rates(scene, trip, trip.rate)
            break


def _rates(scene: Scene, trip: Timed | Counted, rate: Fraction) -> Iterator[Trial]:
    if trip.minimum > _RESULTS_MOST:
        yield left_out("T9 rate", "rate and volume as declared", _LONG)
        return
    yield scene.trial(
        "T9 volume",
        "too few results open nothing",
        lambda plan: _then_opens(plan, [*_almost(plan.n.rules, trip.minimum - 1), "ok"]),
    )
    total = max(trip.minimum, 10)
    if isinstance(trip, Counted):
        total = min(total, trip.last)
    bad = under(rate, total)
    yield scene.trial(
        "T9 rate",
        "a rate just under the declared one opens nothing",
        lambda plan: _then_opens(plan, _last(plan.n.rules, bad, total - bad)),
    )


def _is_count(trip: object) -> bool:
    return isinstance(trip, Consecutive) or (isinstance(trip, Timed) and trip.failures is not None)


def _in_a_row(rules: Rules) -> int:
    """So many failures in a row are one too few for `consecutive`; many where that is not said."""
    rows = [trip.failures for trip in rules.trips if isinstance(trip, Consecutive)]
    return min(rows, default=_RESULTS_MOST) - 1


def _mixed(plan: Plan, rules: Rules) -> None:
    """Trial 7: failures with successes between, then failures alone."""
    rows = [trip for trip in rules.trips if isinstance(trip, Consecutive)]
    if rows:
        row = ["failed"] * (min(trip.failures for trip in rows) - 1)
        almost = [*row, "ok", *row, "ok"]
        for more in range(0, 61, 4):
            outcomes = ["ok"] * more + almost
            if _surely_closed(rules, outcomes):
                break
        _then_opens(plan, outcomes)
        return
    counts = [trip.failures for trip in rules.trips if isinstance(trip, Timed) and trip.failures]
    _write(plan, ["failed"] * (min(counts) - 1) + ["ok"] * 3 + ["failed"])


def _then_opens(plan: Plan, outcomes: Sequence[str]) -> None:
    _write(plan, outcomes)
    plan.opens()


def _almost(rules: Rules, results: int) -> list[str]:
    """So many results, as many failures among them as open nothing by being in a row."""
    row = _in_a_row(rules)
    outcomes = [
        "ok" if row == 0 or place % (row + 1) == row else "failed" for place in range(results)
    ]
    if outcomes and any(isinstance(trip, Consecutive) for trip in rules.trips):
        outcomes[-1] = "ok"
    return outcomes


def _last(rules: Rules, bad: int, good: int) -> list[str]:
    """Failures as late as they can be without being in a row for too long."""
    row = max(1, _in_a_row(rules))
    outcomes: list[str] = []
    while bad:
        some = min(bad, row)
        outcomes += ["failed"] * some
        bad -= some
        if bad and good:
            outcomes.append("ok")
            good -= 1
        elif bad:
            break
    return ["ok"] * good + outcomes[::-1]


def _expiry(plan: Plan, rules: Rules, trip: Timed) -> None:
    """Trial 8: all but one of what is needed, then later one more."""
    outcomes = _almost(rules, _needed(trip) - 1)
    _write(plan, outcomes)
    plan.forget()
    after = [0] * len(outcomes) + [plan.n.forgotten_ns] * 2
    is_closed = _surely_closed(rules, [*outcomes, "failed", "ok"], after)
    plan.bad(Phase.PASSES if is_closed else Phase.ANY, 1)
    plan.good(Phase.PASSES if is_closed else Phase.ANY, 1)
    plan.opens()


def _rolling(plan: Plan, rules: Rules, trip: Timed) -> None:
    outcomes = _almost(rules, _needed(trip) - 1)
    _write(plan, outcomes)
    later_ns = trip.within_ns * 8 // 10
    plan.wait(later_ns)
    plan.bad(Phase.PASSES, 1)
    at_ns = [0] * len(outcomes) + [later_ns]
    states = foretold(rules, [*outcomes, "failed"], at_ns).states
    is_open = all(state.mode is Mode.OPEN for state in states)
    plan.good(Phase.REFUSED if is_open else Phase.ANY, 1)
    plan.opens()


def _needed(trip: Timed) -> int:
    return trip.minimum if trip.failures is None else trip.failures


def _write(plan: Plan, outcomes: Sequence[str]) -> None:
    """Calls with these outcomes, each let through if it surely is; then one more if that is sure."""
    rules = plan.n.rules
    found = foretold(rules, outcomes)
    # Two moments a call: it begins, it ends. It surely passes if all before it left the breaker closed.
    closed = [moment.modes == {Mode.CLOSED} for moment in found.moments]
    place = 0
    for outcome, run in groupby(outcomes):
        times = len(list(run))
        is_sure = all(closed[: 2 * (place + times) - 1])
        phase = Phase.PASSES if is_sure else Phase.ANY
        if outcome == "ok":
            plan.good(phase, times)
        else:
            plan.bad(phase, times)
        place += times
    if all(state.mode is Mode.OPEN for state in found.states):
        plan.good(Phase.REFUSED, 1)


def _surely_closed(
    rules: Rules, outcomes: Sequence[str], at_ns: Sequence[int] | None = None
) -> bool:
    found = foretold(rules, outcomes, at_ns)
    return all(moment.modes == {Mode.CLOSED} for moment in found.moments)
