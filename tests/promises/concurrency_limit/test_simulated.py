"""Trials, reading and judge against simulated limiters: honest ones are kept, defects are broken.

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
from harness.plan import Trial
from harness.promises.base import Surroundings, TrialResult
from harness.promises.concurrency_limit.kind import ConcurrencyLimitKind
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.units import NS_PER_MS, NS_PER_S, format_duration
from harness.verdict import Status, Verdict
from tests.promises.concurrency_limit.services import Limiter, Order, Policy
from tests.promises.flights import World

KIND: Final = ConcurrencyLimitKind()
SAMPLE: Final = 2
OPERATIONS: Final = {
    name: Operation.model_validate({"call": f"GET /{name}", "uses": ["model"]}, strict=False)
    for name in ("export", "control")
}
DEPENDENCIES: Final = {"model": Dependency(kind="witness")}


def promise(**words: Any) -> ConcurrencyLimit:
    """A promise of these words."""
    given = {"id": "p", "kind": "concurrency_limit", "operation": "export", **words}
    return ConcurrencyLimit.model_validate_json(json.dumps(given))


def around(made: ConcurrencyLimit, rng: Random, *, control: bool = True) -> Surroundings:
    """A contract of two operations, one of them without a limit."""
    names = OPERATIONS if control else {"export": OPERATIONS["export"]}
    return Surroundings(
        promises=(made,),
        ok={},
        frozen=True,
        can_call_from=lambda _: True,
        rng=rng,
        serving=made.workers,
        operations=names,
        dependencies=DEPENDENCIES,
    )


def verify(
    made: ConcurrencyLimit,
    policy: Policy,
    rng: Random,
    *,
    control: bool = True,
    until_broken: bool = True,
) -> tuple[Verdict, list[TrialResult]]:
    """All trials of a promise, played and judged, as a verification does."""
    where = around(made, rng, control=control)
    world = World(Limiter(policy), rng, processes=made.workers)
    results = []
    for trial in KIND.trials(made, where):
        result = _tried(made, where, world, trial)
        results.append(result)
        if result.verdict.status is Status.BROKEN and until_broken:
            return result.verdict, results
        world.pass_by(KIND.quiet_ns(made))
    return KIND.conclude(made, results), results


def _tried(made: ConcurrencyLimit, where: Surroundings, world: World, trial: Trial) -> TrialResult:
    if trial.cannot is not None:
        return TrialResult(trial=trial, verdict=Verdict.unknown(trial.cannot))
    played = world.play(trial)
    return KIND.judge(made, where, world.history(), trial, played)


def honest(rng: Random) -> tuple[ConcurrencyLimit, Policy]:
    """An honest limiter and the words that it keeps."""
    declared = rng.random() < 0.8
    queue = rng.randrange(9)
    order: Order = rng.choice(("fifo", "lifo", "random"))
    workers = rng.choice((1, 1, 2))
    per_process = workers == 2 and rng.random() < 0.5
    wait_ns = rng.choice((0, 0, 5 * NS_PER_S)) if queue else 0
    policy = Policy(
        limit=rng.randrange(1, 13),
        queue=queue if declared else rng.choice((queue, None)),
        order=order,
        notices=rng.random() < 0.5,
        leaver=rng.choice(("out", "passed", "runs")),
        timeout_ns=rng.choice((0, 30) if wait_ns else (0, 2, 30)) * NS_PER_S,
        holds_on=rng.random() < 0.3,
        queue_timeout_ns=wait_ns,
        by_key=rng.random() < 0.4,
        per_process=per_process,
        again_ns=rng.choice((0, 0, 200 * NS_PER_MS)),
    )
    words: dict[str, Any] = {"limit": policy.limit, "workers": workers, "rejected": {"status": 429}}
    words |= {"queue": queue} if declared else {}
    words |= {"key": "org"} if policy.by_key else {}
    words |= {"scope": "process"} if per_process else {}
    if queue and declared:
        words |= {"order": "fifo"} if order == "fifo" and not per_process else {}
        words |= {"queue_timeout": format_duration(wait_ns)} if wait_ns else {}
    return promise(**words), policy


def base(rng: Random) -> tuple[ConcurrencyLimit, Policy]:
    """A plain limiter that a defect is planted in."""
    limit, queue = rng.randrange(2, 9), rng.randrange(1, 6)
    policy = Policy(
        limit=limit,
        queue=queue,
        notices=rng.random() < 0.5,
        leaver=rng.choice(("out", "passed", "runs")),
        by_key=True,
    )
    words = {"limit": limit, "queue": queue, "key": "org", "rejected": {"status": 429}}
    return promise(**words), policy


Defect = Callable[[Policy, Random], Policy]
DEFECTS: Final[Mapping[str, Defect]] = {
    "no limit": lambda p, _: replace(p, limit=10_000),
    "one more": lambda p, _: replace(p, limit=p.limit + 1),
    "one less": lambda p, _: replace(p, limit=p.limit - 1),
    "queue one more": lambda p, _: replace(p, queue=(p.queue or 0) + 1),
    "queue one less": lambda p, _: replace(p, queue=(p.queue or 0) - 1),
    "no queue": lambda p, _: replace(p, queue=0),
    "endless queue": lambda p, _: replace(p, queue=None),
    "global for each key": lambda p, _: replace(p, by_key=False),
    "key is the connection": lambda p, _: replace(p, by_connection=True),
    "race": lambda p, _: replace(p, racing=True),
    "refusal waits": lambda p, _: replace(p, late=True),
    "slot lost on ok": lambda p, _: replace(p, leaks=("ok",)),
    "slot lost on error": lambda p, _: replace(p, leaks=("error",)),
    "slot lost on reset": lambda p, _: replace(p, leaks=("reset",)),
    "slot lost on timeout": lambda p, _: replace(p, leaks=("timeout",)),
    "slot lost on client gone": lambda p, _: replace(p, leaks=("left",)),
    "twice on error": lambda p, _: replace(p, twice=("error",)),
    "twice on client gone": lambda p, _: replace(p, twice=("left",)),
    "not work-conserving": lambda p, _: replace(p, idle=True),
    "place of one who left": lambda p, _: replace(p, leaver_keeps=True),
}


def more_words(made: ConcurrencyLimit, **words: Any) -> ConcurrencyLimit:
    """The same promise with further words."""
    return made.model_copy(update=words)


SPECIAL: Final[Mapping[str, tuple[Defect, dict[str, Any]]]] = {
    "lifo for fifo": (lambda p, _: replace(p, order="lifo"), {"order": "fifo"}),
    "random for fifo": (lambda p, _: replace(p, order="random"), {"order": "fifo"}),
    "counts per process": (lambda p, _: replace(p, per_process=True), {"workers": 2}),
    "slot lost on kill": (lambda p, _: replace(p, leaks=("kill",)), {"workers": 2}),
    "no queue timeout": (lambda p, _: p, {"queue_timeout": 5 * NS_PER_S}),
    "queue timeout too short": (
        lambda p, _: replace(p, queue_timeout_ns=4 * NS_PER_S),
        {"queue_timeout": 5 * NS_PER_S},
    ),
    "given up, still there": (
        lambda p, _: replace(p, holds_on=True),
        {"counts": "arrivals"},
    ),
}


def planted(name: str, rng: Random) -> tuple[ConcurrencyLimit, Policy]:
    """A limiter with the defect, and the words that it breaks."""
    made, policy = base(rng)
    if name in DEFECTS:
        if name == "queue one less" and policy.queue == 1:
            policy = replace(policy, queue=2)
            made = more_words(made, queue=2)
        return made, DEFECTS[name](policy, rng)
    defect, words = SPECIAL[name]
    if "fifo" in words.values():
        policy, words = replace(policy, queue=4), {**words, "queue": 4}
    return more_words(made, **words), defect(policy, rng)


@pytest.mark.parametrize("number", range(12))
def test_honest_limiters_are_kept(number: int) -> None:
    """Whatever honest ones differ in: every needed trial is conclusive, and nobody is accused."""
    rng = Random(number)
    made, policy = honest(rng)
    verdict, _ = verify(made, policy, rng)
    assert verdict.status is Status.KEPT, (made, policy, verdict)


@pytest.mark.parametrize("name", [*DEFECTS, *SPECIAL])
def test_defects_are_broken(name: str) -> None:
    """Each of the defects is proved, by its own half where one is named after it."""
    for number in range(SAMPLE):
        rng = Random(f"{name}{number}")
        made, policy = planted(name, rng)
        verdict, _ = verify(made, policy, rng)
        assert verdict.status is Status.BROKEN, (made, policy, verdict)


def main(sets: int) -> dict[str, dict[str, int]]:
    """How honest limiters (ten times as many) and each defect were judged over ``sets`` sets."""
    counts: dict[str, Counter[str]] = {"honest": Counter()}
    for number in range(10 * sets):
        rng = Random(number)
        made, policy = honest(rng)
        counts["honest"][verify(made, policy, rng)[0].status] += 1
    for name in (*DEFECTS, *SPECIAL):
        counts[name] = Counter()
        for number in range(sets):
            rng = Random(f"{name}{number}")
            counts[name][verify(*planted(name, rng), rng)[0].status] += 1
    return {name: dict(each) for name, each in counts.items()}
