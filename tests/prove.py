"""``make prove``: the proofs that take long. Each prints what it counted; any failure ends with 1."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from subprocess import run

from fixtures.mutants import MUTANTS
from fixtures.strangers import STRANGERS
from harness.verdict import Status
from tests.plans.proof import main as drawn_plans
from tests.promises.circuit_breaker.test_simulated import main as simulated_breakers
from tests.promises.concurrency_limit.test_simulated import main as simulated_slots
from tests.promises.deadline.test_simulated import main as simulated_deadlines
from tests.promises.rate_limit import brute_force
from tests.promises.retry.test_simulated import main as simulated_retries
from tests.proxy.api.test_model import main as proxy_histories
from tests.proxy.data.test_random import main as proxy_schedules
from tests.quality.examine import busy_cores, examine, reference, slow_client
from tests.quality.guards import all_judged, guards_markdown
from tests.quality.matrix import Row, by_trial, healthy_rows, markdown, mutant_rows
from tests.quality.strangers import pairs, strangers_markdown, why_not
from tests.runner.test_simulated import WANTED
from tests.runner.test_simulated import main as simulated
from tests.witness.test_random import main as witness_rounds

RUNS = int(os.environ.get("STORMPROOF_PROVE_RUNS", "200"))
SETS = int(os.environ.get("STORMPROOF_PROVE_SETS", "50"))
PLANS = int(os.environ.get("STORMPROOF_PROVE_PLANS", "1000"))
SEED = int(os.environ.get("STORMPROOF_PROVE_SEED", "1"))
WORKERS = int(os.environ.get("STORMPROOF_PROVE_WORKERS", "2"))
CASES = int(os.environ.get("STORMPROOF_PROVE_CASES", "4000"))


def matrix(*, thorough: bool = False) -> bool:
    """Healthy targets and every planted defect, all promises; each stranger under both contracts."""
    rows: list[Row] = []
    for row in _all_rows(thorough=thorough):
        rows.append(row)
        print(".", end="", flush=True)
    print()
    for line in (*markdown(rows), *(("", *by_trial(rows)) if thorough else ())):
        print(line)
    missed = sum(bool(row.missed) for row in rows)
    accused = sum(bool(row.accused) for row in rows)
    unkept = sum(row.kept != row.results.keys() for row in rows if row.mutant is None)
    print(
        f"{len(MUTANTS)} defects: {len(MUTANTS) - missed} caught, {missed} missed; "
        f"{accused} wrongly accused; healthy targets not kept: {unkept}"
    )
    return _strangers() and not missed and not accused and not unkept


def every_trial() -> bool:
    """The matrix once more, each trial played on each defect: which of them shows what."""
    return matrix(thorough=True)


def _all_rows(*, thorough: bool) -> Iterator[Row]:
    yield from healthy_rows()
    yield from mutant_rows(thorough=thorough)


def _strangers() -> bool:
    found = list(pairs())
    for line in strangers_markdown(found):
        print(line)
    missing = [f"{each.name}: {why}" for each in STRANGERS if (why := why_not(each)) is not None]
    for line in missing:
        print(f"not examined: {line}")
    wrong = [pair.stranger.name for pair in found if not pair.as_expected]
    print(f"{len(found)} strangers, otherwise than foretold: {', '.join(wrong) or 'none'}")
    return not wrong


def loaded_machine() -> bool:
    """Healthy targets on a quiet machine, with busy cores, and with a slow client: never accused.

    The rate limits are verified in each run, the other kinds, which take longer, in every twentieth.
    """
    counts: dict[str, dict[str, int]] = {}
    loads: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "quiet": nullcontext,
        "busy cores": busy_cores,
        "slow client": slow_client,
    }
    for number in range(RUNS):
        name = list(loads)[number % len(loads)]
        target = ("sum", "amodels")[number // len(loads) % 2]
        loaded = reference(target)
        rates = {each.id for each in loaded.contract.promises if each.kind == "rate_limit"}
        with loads[name]():
            results = examine(loaded, None if number % 20 == 0 else rates, seed=number)
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
        wanted = WANTED[name]
        good &= row[wanted] == SETS if wanted is not Status.KEPT else row[Status.BROKEN] == 0
        print(f"{name}: " + ", ".join(f"{count} {status}" for status, count in row.items()))
    return good


def dependencies() -> bool:
    """The kinds about a failing dependency, against simulated services that are honest or lie."""
    good = simulated_breakers(10 * SETS)
    told = simulated_retries(10 * SETS, max(1, SETS // 10))
    for found in (simulated_slots(SETS), simulated_deadlines(SETS)):
        told |= {
            f"{name}, to be {'kept' if name == 'honest' else 'broken'}": row
            for name, row in found.items()
        }
    for name, row in told.items():
        print(f"{name}: " + ", ".join(f"{count} {status}" for status, count in row.items()))
        never = Status.BROKEN if name.endswith("kept") else Status.KEPT
        good &= not row.get(never)
    return good


def witness() -> bool:
    """Random answers and clients that leave: each ended as foreseen, at the instant foreseen."""
    return witness_rounds(4 * SETS)


def libraries() -> bool:
    """Released breakers and retry libraries, each under the contracts that it keeps and cannot keep."""
    found = list(all_judged())
    for line in guards_markdown(found):
        print(line)
    wrong = [one.guard.name for one in found if not one.as_foretold]
    print(f"{len(found)} libraries, otherwise than foretold: {', '.join(wrong) or 'none'}")
    return not wrong


def placements() -> bool:
    """The decision procedures against all placements on a small grid."""
    brute_force.main(CASES)
    return True


def random_plans() -> bool:
    """Plans drawn by Hypothesis, more of them than in the tests: limiters, then all that a witness sees."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/runner/test_random_plans.py"]
    environment = {**os.environ, "STORMPROOF_PLANS": str(PLANS)}
    good = run(command, check=False, env=environment).returncode == 0
    return drawn_plans(PLANS, SEED, WORKERS) and good


def proxy() -> bool:
    """Random calls of its API beside a model; random toxics under traffic, and not a byte other."""
    proxy_histories(4 * SETS)
    return proxy_schedules(4 * SETS)


PROOFS: dict[str, Callable[[], bool]] = {
    "matrix": matrix,
    "libraries": libraries,
    "simulations": simulations,
    "dependencies": dependencies,
    "witness": witness,
    "placements": placements,
    "random plans": random_plans,
    "proxy": proxy,
    "loaded machine": loaded_machine,
}


def main(names: list[str]) -> int:
    """Run the proofs named, or all of them; ``matrix --trials`` plays every trial on each defect."""
    failed = []
    proofs = dict(PROOFS)
    if "--trials" in names:
        names = [name for name in names if name != "--trials"]
        proofs["matrix"] = every_trial
    for name, proof in proofs.items():
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
