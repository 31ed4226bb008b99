"""``make prove``: runs are ended at drawn moments, and nothing of them is left."""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tests.kill.ending import ASKED, KILLED, Ending, Point, end, moments, undisturbed
from tests.kill.run import (
    BORDERS,
    PRICES,
    RATES_OF_BOTH,
    RATES_OF_SUM,
    SHOP,
    STORE,
    TWO_WORKERS,
    Place,
    Scenario,
)

SEED: Final = 6
LIMIT_S: Final = 2.0
QUIET: Final = 2.0
"""The load below which a clean-up that takes longer than ``LIMIT_S`` counts as a failure."""
SCENARIOS: Final = (SHOP, TWO_WORKERS, BORDERS, PRICES, RATES_OF_SUM, RATES_OF_BOTH, STORE)


def main(count: int, endings: Sequence[Ending] = KILLED) -> bool:
    """End so many runs; after each tenth the next one is let to its end, in the same folders."""
    points: list[Point] = []
    wrong: list[str] = []
    usual_s: dict[Scenario, float] = {}
    with tempfile.TemporaryDirectory(prefix="killed-") as home:
        place = Place(Path(home))
        drawn = islice(moments(random.Random(SEED), SCENARIOS, endings), count)
        for number, moment in enumerate(drawn):
            scenario = moment.scenario
            if scenario not in usual_s or number % 10 == 0:
                usual_s[scenario], why = undisturbed(place, scenario)
                wrong += [f"before {number}, undisturbed, {scenario}: {word}" for word in why]
            point = end(place, moment, usual_s[scenario])
            points.append(point)
            if point.wrong or (is_late(point) and point.load < QUIET):
                wrong.append(f"{number}: {point}")
            print("!" if point.wrong else ".", end="", flush=True)
    print()
    for line in (*told(points), *wrong):
        print(line)
    return not wrong


def is_late(point: Point) -> bool:
    """Whether the clean-up took too long; ``sweep`` comes later, and waits for others on the machine."""
    return point.clean_s > LIMIT_S and point.moment.ending is not Ending.REAPERS


def told(points: Sequence[Point]) -> list[str]:
    """What was met, and how soon all was clean."""
    clean = sum(not point.wrong for point in points)
    quiet = sum(point.load < QUIET for point in points)
    phases = Counter(point.phase for point in points)
    endings = Counter(point.moment.ending.value for point in points)
    swept = [point for point in points if point.moment.ending is Ending.REAPERS]
    return [
        f"{clean} of {len(points)} clean; the load was below {QUIET:g} at {quiet} of them",
        *clean_ups("clean-up", [point for point in points if point not in swept]),
        *clean_ups("clean-up by sweep, its start included", swept),
        f"{sum(map(is_late, points))} took more than {LIMIT_S:g} s without sweep",
        "ended by: " + ", ".join(f"{name} {n}" for name, n in sorted(endings.items())),
        "ended while: " + ", ".join(f"{name} {n}" for name, n in sorted(phases.items())),
    ]


def clean_ups(name: str, points: Sequence[Point]) -> list[str]:
    """The usual one, and the slowest."""
    if not points:
        return []
    seconds = sorted(point.clean_s for point in points)
    slowest = max(points, key=lambda point: point.clean_s)
    return [f"{name}: median {seconds[len(points) // 2]:.2f} s; slowest: {slowest}"]


def asked(count: int) -> bool:
    """The same with Ctrl-C, Ctrl-C twice, SIGTERM and SIGHUP."""
    return main(count, ASKED)


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]), ASKED if "asked" in sys.argv else KILLED))
