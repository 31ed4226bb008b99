"""Random plans of all kinds: healthy services are never accused, planted defects are found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from harness.verdict import Status
from tests.plans.drawn import KINDS
from tests.plans.finding import CHOSEN, Found, find
from tests.plans.playing import Outcome, play_all, shares

STEPS_MOST: Final = 8
"""Of shrunk plans, in the median."""
_SHARE: Final = 16
_FIND_IN: Final = 60
WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    "circuit_breaker": (
        "calls refused",
        "refused, then admitted",
        "refused, then three admitted",
        "refused, admitted, refused",
        "calls left",
    ),
    "retry": ("calls tried again", "calls tried four times", "calls left", "arrivals torn"),
    "deadline": ("arrivals gone", "arrivals cut", "calls answered well", "calls left"),
    "concurrency_limit": ("counted full", "counted waited", "counted refused", "calls left"),
}
"""By kind, the states that plans must reach to tell anything."""


def healthy(number: int, count: int, workers: int = 1) -> Iterator[tuple[str, list[Outcome]]]:
    """``count`` plans of each kind on the services that keep its promises, by kind."""
    for kind, promises in KINDS.items():
        each = -(-count // len(promises))
        wanted = list(shares(promises, number, each, _SHARE))
        yield kind, [one for _, found in play_all(wanted, workers) for one in found][:count]


def reached(outcomes: Iterable[Outcome]) -> Counter[str]:
    """All that was reached, in how many plans."""
    return Counter(name for one in outcomes for name, times in one.states.items() if times)


def defects(number: int, names: Iterable[str]) -> Iterator[Found]:
    """Planted defects, each by plans of a seed."""
    for name in names:
        with TemporaryDirectory() as folder:
            yield find(name, number, _FIND_IN, Path(folder))


def main(count: int, number: int = 1, workers: int = 1) -> bool:
    """Play ``count`` plans on healthy services, a quarter of each kind, and plans on planted defects."""
    print(f"plans are drawn from seed {number}")
    good = True
    for kind, outcomes in healthy(number, -(-count // len(KINDS)), workers):
        good &= _told(kind, outcomes)
    for kind, names in CHOSEN.items():
        found = list(defects(number, names))
        good &= _found(kind, found)
    return good


def _told(kind: str, outcomes: list[Outcome]) -> bool:
    said = Counter(one.status for one in outcomes)
    states = reached(outcomes)
    steps = median(len(one.trial.steps) for one in outcomes)
    print(
        f"{kind}: {len(outcomes)} plans of {steps:.0f} steps in the median: "
        + ", ".join(f"{said[status]} {status}" for status in Status)
    )
    print(f"  reached: {', '.join(f'{name} in {n}' for name, n in sorted(states.items()))}")
    for one in outcomes:
        if one.status is Status.BROKEN:
            print(f"  {one.trial.name}: {one.said}")
    missing = [name for name in WANTED[kind] if not states[name]]
    if missing:
        print(f"  never reached: {', '.join(missing)}")
    return not said[Status.BROKEN] and not missing


def _found(kind: str, found: list[Found]) -> bool:
    for one in found:
        shown = one.result.counterexample
        plan = "no plan" if shown is None else shown.trial.name
        print(
            f"{kind}: {one.mutant.name}: {one.result.verdict.status} by {plan}, "
            f"{one.steps} steps, replay says {one.replayed}: {one.result.verdict.reason}"
        )
    steps = median(one.steps for one in found)
    print(f"{kind}: {steps:.0f} steps in the median after shrinking")
    return all(one.is_right for one in found) and steps <= STEPS_MOST
