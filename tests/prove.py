"""``make prove``: the proofs that take long. Each prints what it counted; any failure ends with 1."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from fixtures.mutants import MUTANTS
from harness.verdict import Status
from tests.promises.rate_limit import brute_force
from tests.quality.examine import busy_cores, examine, reference, slow_client
from tests.quality.matrix import Row, healthy_rows, markdown, mutant_rows
from tests.runner.test_simulated import HONEST
from tests.runner.test_simulated import main as simulated

RUNS = int(os.environ.get("STORMPROOF_PROVE_RUNS", "200"))
SETS = int(os.environ.get("STORMPROOF_PROVE_SETS", "50"))
CASES = int(os.environ.get("STORMPROOF_PROVE_CASES", "4000"))


def matrix() -> bool:
    """Healthy targets and every planted defect, all promises."""
    rows: list[Row] = []
    for row in _all_rows():
        rows.append(row)
        print(".", end="", flush=True)
    print()
    for line in markdown(rows):
        print(line)
    missed = sum(bool(row.missed) for row in rows)
    accused = sum(bool(row.accused) for row in rows)
    unkept = sum(row.kept != row.results.keys() for row in rows if row.mutant is None)
    print(
        f"{len(MUTANTS)} defects: {len(MUTANTS) - missed} caught, {missed} missed; "
        f"{accused} wrongly accused; healthy targets not kept: {unkept}"
    )
    return not missed and not accused and not unkept


def _all_rows() -> Iterator[Row]:
    yield from healthy_rows()
    yield from mutant_rows(thorough=False)


def loaded_machine() -> bool:
    """Healthy targets on a quiet machine, with busy cores, and with a slow client: never accused."""
    counts: dict[str, dict[str, int]] = {}
    loads: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "quiet": nullcontext,
        "busy cores": busy_cores,
        "slow client": slow_client,
    }
    for number in range(RUNS):
        name = list(loads)[number % len(loads)]
        target = ("sum", "amodels")[number // len(loads) % 2]
        with loads[name]():
            results = examine(reference(target), seed=number)
        for result in results.values():
            row = counts.setdefault(f"{target}, {name}", dict.fromkeys(Status, 0))
            row[result.verdict.status] += 1
            if result.verdict.status is not Status.KEPT:
                print(f"run {number} {target} {name}: {result.promise.id} {result.verdict}")
        print(".", end="", flush=True)
    print()
    for name, row in sorted(counts.items()):
        print(f"{name}: " + ", ".join(f"{count} {status}" for status, count in row.items()))
    return not any(row[Status.BROKEN] for row in counts.values())


def simulations() -> bool:
    """Player, trials and conclusion against simulated limiters, many parameter sets each."""
    good = True
    for name, row in simulated(SETS).items():
        wanted = Status.KEPT if name in HONEST else Status.BROKEN
        good &= row[wanted] == SETS if wanted is Status.BROKEN else row[Status.BROKEN] == 0
        print(f"{name}: " + ", ".join(f"{count} {status}" for status, count in row.items()))
    return good


def placements() -> bool:
    """The decision procedures against all placements on a small grid."""
    brute_force.main(CASES)
    return True


PROOFS: dict[str, Callable[[], bool]] = {
    "matrix": matrix,
    "simulations": simulations,
    "placements": placements,
    "loaded machine": loaded_machine,
}


def main(names: list[str]) -> int:
    """Run the proofs named, or all of them."""
    failed = []
    for name, proof in PROOFS.items():
        if names and name not in names:
            continue
        print(f"== {name}: {(proof.__doc__ or '').strip()}", flush=True)
        began_s = time.monotonic()
        if not proof():
            failed.append(name)
        print(f"== {name}: {time.monotonic() - began_s:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all proved")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
