"""Trials, reading and judge against simulated services: honest ones are kept, defects are broken.

``make prove`` plays many parameter sets, the tests a seeded sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest

from harness.contract.model import Dependency, Operation
from harness.promises.base import NOT_NEEDED, Surroundings, TrialResult
from harness.promises.deadline.kind import DeadlineKind
from harness.promises.deadline.words import Deadline
from harness.units import NS_PER_MS, NS_PER_S, format_duration
from harness.verdict import Status, Verdict
from tests.promises.deadline.services import Policy, Timed, bounded
from tests.promises.flights import World

KIND: Final = DeadlineKind()
SAMPLE: Final = 2
OPERATION: Final = Operation.model_validate({"call": "GET /search", "uses": ["model"]})


def promise(**words: Any) -> Deadline:
    """A promise of these words."""
    given = {"id": "p", "kind": "deadline", "operation": "search", **words}
    return Deadline.model_validate_json(json.dumps(given))


def around(made: Deadline, rng: Random, *, uses: tuple[str, ...] = ("model",)) -> Surroundings:
    """A contract of one operation."""
    return Surroundings(
        promises=(made,),
        ok={},
        frozen=True,
        can_call_from=lambda _: True,
        rng=rng,
        operations={"search": OPERATION.model_copy(update={"uses": uses})},
        dependencies=dict.fromkeys(uses, Dependency(kind="witness")),
    )


def verify(made: Deadline, policy: Policy, rng: Random) -> tuple[Verdict, list[TrialResult]]:
    """All trials of a promise, played and judged, as a verification does."""
    where = around(made, rng)
    world = World(Timed(policy), rng, operations=("search",))
    results: list[TrialResult] = []
    for trial in KIND.trials(made, where):
        marks = {mark for result in results for mark in result.marks}
        cannot = NOT_NEEDED if trial.unless & marks else trial.cannot
        if cannot is not None:
            spared = replace(trial, cannot=cannot, needed=trial.needed and cannot != NOT_NEEDED)
            results.append(TrialResult(trial=spared, verdict=Verdict.unknown(cannot)))
            continue
        played = world.play(trial)
        results.append(KIND.judge(made, where, world.history(), trial, played))
        if results[-1].verdict.status is Status.BROKEN:
            return results[-1].verdict, results
        world.pass_by(KIND.quiet_ns(made))
    return KIND.conclude(made, results), results


def honest(rng: Random) -> tuple[Deadline, Policy]:
    """An honest service and the words that it keeps."""
    d_ns = rng.choice((1, 2, 3, 5, 10, 30)) * NS_PER_S
    attempts = rng.randrange(1, 5)
    backoff_ns = rng.randrange(1, 500) * NS_PER_MS if attempts > 1 else 0
    per_attempt = rng.random() < 0.5
    attempt_ns = (d_ns - (attempts - 1) * backoff_ns) // attempts
    both = rng.random() < 0.3
    if attempt_ns < NS_PER_MS or both or not per_attempt:
        attempt_ns = rng.choice((0, d_ns // 3)) if not both else d_ns // 2
        total_ns = d_ns
    else:
        total_ns = 0
    policy = Policy(
        total_ns=total_ns,
        attempt_ns=attempt_ns,
        connect_ns=rng.choice((0, d_ns // 5)) if total_ns else 0,
        attempts=attempts,
        backoff_ns=backoff_ns,
        stops_before=rng.random() < 0.5,
        rounding_ns=rng.choice((0, NS_PER_MS, 2 * NS_PER_MS)),
        half_ns=rng.choice((0, 7 * NS_PER_S)),
        warm=rng.choice((0, 0, 10, 40)),
        hands=rng.choice((0, 0, 1, 2, 5, 25, 40)),
    )
    words: dict[str, Any] = {"within": format_duration(d_ns)}
    if policy.half_ns:
        words["slow_client"] = "7s"
    if rng.random() < 0.5:
        words["answer"] = {"status": 504}
    return promise(**words), policy


Defect = Callable[[Policy, int], Policy]
DEFECTS: Final[Mapping[str, Defect]] = {
    "no timeout": lambda p, d: replace(p, total_ns=0),
    "per attempt only": lambda p, d: replace(p, total_ns=0, attempt_ns=d * 8 // 10, attempts=3),
    "connect only": lambda p, d: replace(p, total_ns=0, connect_ns=d // 2),
    "between bytes only": lambda p, d: replace(p, total_ns=0, read_ns=d // 2, connect_ns=d // 2),
    "no connect timeout": lambda p, d: replace(p, total_from_connect=True),
    "a tenth longer": lambda p, d: replace(p, total_ns=d * 11 // 10),
    "unit wrong": lambda p, d: replace(p, total_ns=d * 1_000),
    "backoff outside the bound": lambda p, d: replace(
        p, waits_outside=True, attempts=3, attempt_ns=d * 4 // 10, backoff_ns=d * 4 // 10
    ),
    "closes instead": lambda p, d: replace(p, closes=True),
    "wrong status": lambda p, d: replace(p, status=500),
    "half requests held": lambda p, d: replace(p, half_ns=0),
    "leaks a thread a call": lambda p, d: replace(p, leak=(100, 0)),
    "leaks half a thread a call": lambda p, d: replace(p, leak=(50, 0)),
    "leaks a descriptor in four": lambda p, d: replace(p, leak=(0, 25)),
    "leaks until the dependency lets go": lambda p, d: replace(p, leak=(0, 100), lets_go=True),
    "leaks on clients that leave": lambda p, d: replace(p, gone_leak=(0, 100)),
    "a hand lost each time": lambda p, d: replace(p, hands=30, hands_leak=True),
    "gives up on calls too early": lambda p, d: replace(p, attempt_ns=d // 4),
    "uses what comes too late": lambda p, d: replace(p, attempt_ns=d),
}


def planted(name: str, rng: Random) -> tuple[Deadline, Policy]:
    """A service with the defect, and the words that it breaks."""
    d_ns = rng.choice((2, 5, 10, 30)) * NS_PER_S
    words: dict[str, Any] = {"within": format_duration(d_ns), "answer": {"status": 504}}
    policy = replace(bounded(d_ns), half_ns=5 * NS_PER_S)
    if name == "half requests held":
        words["slow_client"] = "5s"
    if "too" in name:
        words["call_timeout"] = format_duration(d_ns // 2)
    return promise(**words), DEFECTS[name](policy, d_ns)


@pytest.mark.parametrize("number", range(10))
def test_honest_services_are_kept(number: int) -> None:
    """Total, per attempt or both, with waits, rounding and pools: nobody is accused."""
    rng = Random(number)
    made, policy = honest(rng)
    verdict, _ = verify(made, policy, rng)
    assert verdict.status is Status.KEPT, (made, policy, verdict)


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_broken(name: str) -> None:
    """Each of the defects is proved."""
    for number in range(SAMPLE):
        rng = Random(f"{name}{number}")
        made, policy = planted(name, rng)
        verdict, _ = verify(made, policy, rng)
        assert verdict.status is Status.BROKEN, (made, policy, verdict)


def main(sets: int) -> dict[str, dict[str, int]]:
    """How honest services (ten times as many) and each defect were judged over ``sets`` sets."""
    counts: dict[str, Counter[str]] = {"honest": Counter()}
    for number in range(10 * sets):
        rng = Random(number)
        counts["honest"][verify(*honest(rng), rng)[0].status] += 1
    for name in DEFECTS:
        counts[name] = Counter()
        for number in range(sets):
            rng = Random(f"{name}{number}")
            counts[name][verify(*planted(name, rng), rng)[0].status] += 1
    return {name: dict(each) for name, each in counts.items()}
