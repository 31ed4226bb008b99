"""Contracts at random, simulated services in every manner, and the verdicts on them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from harness.contract.model import Dependency, Operation
from harness.plan import Trial
from harness.promises.base import Surroundings, TrialResult
from harness.promises.circuit_breaker.kind import CircuitBreakerKind
from harness.promises.circuit_breaker.numbers import rules_of
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.seeds import Seed
from harness.units import NS_PER_MS, NS_PER_S
from harness.verdict import Status, Verdict
from tests.promises.circuit_breaker.breakers import Breaker, Manner, Meaning, serve
from tests.promises.simulator import Simulator

KIND: Final = CircuitBreakerKind()
REAL_MEAN_NS: Final = 20 * NS_PER_MS
Words = dict[str, Any]


def promise(**words: Any) -> CircuitBreaker:
    """A promise on operation ``find`` that calls ``search``."""
    given: Words = {
        "id": "breaker",
        "kind": "circuit_breaker",
        "operation": "find",
        "dependency": "search",
        "counts": ["5xx", "timeout", "connection"],
        "recovery": "60s",
        "half_open": {"permits": 1, "successes": 1},
        "trips": {"consecutive": 3},
    }
    said = {key: value for key, value in (given | words).items() if value is not None}
    return CircuitBreaker.model_validate_json(json.dumps(said))


def around(words: CircuitBreaker, rng: Random, *, frozen: bool = True) -> Surroundings:
    """A contract with a witness, and with nothing beside the breaker."""
    operation = Operation.model_validate_json(json.dumps({"call": "GET /find", "uses": "search"}))
    witness = Dependency(kind="witness")
    return Surroundings(
        promises=(words,),
        ok={},
        frozen=frozen,
        can_call_from=lambda _: True,
        rng=rng,
        serving=1,
        operations={"find": operation},
        dependencies={"search": witness},
    )


@dataclass(slots=True)
class Result:
    """What came of one contract.

    Attributes:
        calls, virtual_ns: how much was played.
        steps: of the search, in the trial that took most.
    """

    verdict: Verdict
    results: list[TrialResult] = field(default_factory=list)
    calls: int = 0
    virtual_ns: int = 0


Make = Callable[[], Simulator]


def verify(words: CircuitBreaker, seed: Seed, make: Make, *, frozen: bool = True) -> Result:
    """All trials, each on a service just started, until one is broken."""
    scene = around(words, seed.stream("plans"), frozen=frozen)
    result = Result(Verdict.unknown("nothing was played"))
    for trial in KIND.trials(words, scene):
        found = _play(words, scene, trial, make(), result)
        result.results.append(found)
        if found.verdict.status is Status.BROKEN:
            result.verdict = found.verdict
            return result
    result.verdict = KIND.conclude(words, result.results)
    return result


def _play(
    words: CircuitBreaker, scene: Surroundings, trial: Trial, world: Simulator, result: Result
) -> TrialResult:
    if trial.cannot is not None:
        return TrialResult(trial=trial, verdict=Verdict.unknown(trial.cannot))
    began_ns = world.now_ns
    history, played = world.play(trial)
    result.calls += len(history.calls)
    result.virtual_ns += world.now_ns - began_ns
    return KIND.judge(words, scene, history, trial, played)


def world(
    words: CircuitBreaker,
    manner: Manner,
    rng: Random,
    *,
    defect: str = "",
    frozen: bool = True,
    tokens: bool = True,
) -> Make:
    """Simulators of services with such a breaker."""
    closes_after = rng.randint(1, 4)
    no_half_open = words.half_open is None and rng.random() < 0.5

    def make() -> Simulator:
        rules = rules_of(words)
        if rules.trials is not None and rules.trials.successes is None:
            # How many good trials close it is left open: this one needs as many as it has drawn.
            rules = replace(rules, trials=replace(rules.trials, successes=closes_after))
        if no_half_open:
            rules = replace(rules, trials=None)
        breaker = Breaker(rules, manner, rng, defect)
        mean_ns = None if frozen else REAL_MEAN_NS
        return Simulator(serve(breaker), words.operation, rng, mean_ns=mean_ns, tokens=tokens)

    return make


# -- contracts ------------------------------------------------------------------------------------


def drawn(rng: Random) -> tuple[CircuitBreaker, Manner]:
    """A contract, and an honest breaker for it."""
    manner = Manner.by(rng)
    trips = _trips(rng)
    half = _half_open(rng)
    recovery_s = rng.choice((1, 2, 5, 10, 30, 60, 120, 600, 3600))
    recovery: Words = {"after": f"{recovery_s}s"}
    words: Words = {"trips": trips, "recovery": recovery, "half_open": half}
    if rng.random() < 0.3:
        recovery["resolution"] = "exact"
        manner = replace(manner, coarse=False)
    if any(trip.get("window") for trip in trips) and manner.window == "tumbling":
        manner = replace(manner, window="sliding")
    if rng.random() < 0.2:
        words["call_timeout"] = f"{rng.choice((1, 5, 30))}s"
    if rng.random() < 0.15:
        recovery |= {"growth": 2, "cap": f"{4 * recovery_s}s", "jitter": rng.choice((0, 0.1))}
        manner = replace(manner, coarse=False)
    if rng.random() < 0.15:
        words["counts"] = None  # left out
    if rng.random() < 0.05:
        words |= {"recovery": None, "recovers_within": f"{2 * recovery_s}s"}
    return promise(**words), manner


def _half_open(rng: Random) -> Any:
    permits, successes = rng.randint(1, 10), rng.randint(1, 5)
    shape = rng.random()
    if shape < 0.08:
        return "none"
    if shape < 0.16:
        return {"trials": rng.randint(2, 10), "rate": rng.choice((0.25, 0.5, 0.75))}
    if shape < 0.24:
        return {"permits": permits}
    return None if shape < 0.28 else {"permits": permits, "successes": successes}


def _trips(rng: Random) -> list[Words]:
    failures = rng.randint(2, 10)
    rate: Words = {
        "rate": rng.choice((0.25, 0.3, 0.4, 0.5, 0.6, 0.75)),
        "minimum": rng.randint(4, 20),
    }
    within = f"{rng.choice((10, 30, 60, 300))}s"
    rolling: Words = {"window": "rolling"} if rng.random() < 0.5 else {}
    shapes: list[list[Words]] = [
        [{"consecutive": failures}],
        [{"failures": failures, "within": within, **rolling}],
        [{**rate, "over": within, **rolling}],
        [{**rate, "over": f"{rng.choice((20, 30, 50))} calls"}],
        [{"consecutive": failures}, {**rate, "over": within, **rolling}],
        [{"failures": failures}],
    ]
    return rng.choice(shapes)


# -- defects --------------------------------------------------------------------------------------

ROW: Final = [{"consecutive": 5}]
RATE: Final = [{"rate": 0.5, "minimum": 10, "over": "60s", "window": "rolling"}]
WITHIN: Final = [{"failures": 5, "within": "60s", "window": "rolling"}]
DEFECTS: Final[dict[str, Sequence[list[Words]]]] = {
    "never opens": (ROW, RATE, WITHIN),
    "F - 1": (ROW, RATE, WITHIN),
    "F + 1": (ROW, RATE, WITHIN),
    "minimum ignored": (RATE,),
    "rate x 0.7": (RATE,),
    "rate x 1.5": (RATE,),
    "4xx counted": (ROW, RATE, WITHIN),
    "timeouts not counted": (ROW, RATE, WITHIN),
    "resets not counted": (ROW, RATE, WITHIN),
    "refused connections not counted": (ROW, RATE, WITHIN),
    "success does not reset": (ROW,),
    "no expiry": (RATE, WITHIN),
    "half a window": (RATE, WITHIN),
    "racy count": (ROW, RATE, WITHIN),
    "calls while open": (ROW, RATE, WITHIN),
    "each fifth call while open": (ROW, RATE, WITHIN),
    "T x 0.9": (ROW, RATE, WITHIN),
    "T x 1.15": (ROW, RATE, WITHIN),
    "milliseconds": (ROW, RATE, WITHIN),
    "never recovers": (ROW, RATE, WITHIN),
    "T doubles": (ROW, RATE, WITHIN),
    "first probe refused": (ROW, RATE, WITHIN),
    "refusal restarts T": (ROW, RATE, WITHIN),
    "herd": (ROW, RATE, WITHIN),
    "K + 1": (ROW, RATE, WITHIN),
    "racy permits": (ROW, RATE, WITHIN),
    "no permit after the second opening": (ROW, RATE, WITHIN),
    "permit lost on uncounted": (ROW, RATE, WITHIN),
    "permit lost on cancel": (ROW, RATE, WITHIN),
    "permit lost on ok": (ROW, RATE, WITHIN),
    "S ignored": (ROW, RATE, WITHIN),
    "S + 1": (ROW, RATE, WITHIN),
    "S carried over": (ROW, RATE, WITHIN),
    "trial failure ignored": (ROW, RATE, WITHIN),
    "trial failure closes": (ROW, RATE, WITHIN),
    "trial failure keeps the clock": (ROW, RATE, WITHIN),
    "opens only once": (ROW, RATE, WITHIN),
    "wedged after closing": (ROW, RATE, WITHIN),
    "late success closes": (ROW, RATE, WITHIN),
    "late trial closes": (ROW, RATE, WITHIN),
    "late result undecided": (ROW, RATE, WITHIN),
    "uncounted trial keeps the count": (ROW,),
}


def drawn_defect(name: str, rng: Random) -> tuple[CircuitBreaker, Manner]:
    """A contract that can show a defect, and the manner of the breaker that has it."""
    trips = rng.choice(list(DEFECTS[name]))
    manner = replace(Manner.by(rng), lease=False, quota=False)
    if any("window" in trip for trip in trips):
        manner = replace(manner, window=rng.choice(("sliding", "buckets")))
    if name in {"half a window", "no expiry"}:
        manner = replace(manner, window="sliding")
    if name == "permit lost on cancel":
        manner = replace(manner, cancelled="ignored")
    if name in {"permit lost on uncounted", "uncounted trial keeps the count"}:
        means: Meaning = "ok" if name.startswith("uncounted") else "ignored"
        manner = replace(manner, uncounted="ignored", trial_uncounted=means)
    if name in {"K + 1", "racy permits", "late trial closes"}:
        manner = replace(manner, fewer=False)
    recovery_s = rng.choice((20, 30, 60, 120, 600))
    successes = rng.randint(2, 5)
    most = (
        successes - 1 if name == "permit lost on ok" else 4
    )  # as many permits as successes hide it
    permits = rng.randint(1, most)
    words: Words = {
        "trips": trips,
        "recovery": f"{recovery_s}s",
        "half_open": {"permits": permits, "successes": successes},
    }
    if name == "timeouts not counted":
        words["call_timeout"] = "5s"
    halves: dict[str, Words] = {
        "late trial closes": {"permits": permits + 1, "successes": successes},
        "late result undecided": {"trials": successes, "rate": 0.5},
        "uncounted trial keeps the count": {"permits": permits, "successes": 1},
    }
    words["half_open"] = halves.get(name, words["half_open"])
    return promise(**words), manner


# -- many -----------------------------------------------------------------------------------------


def healthy(count: int, *, frozen: bool = True, first: int = 0) -> Counter[str]:
    """How honest breakers were judged; whoever was not kept is printed."""
    found: Counter[str] = Counter()
    for number in range(first, first + count):
        seed = Seed(number)
        words, manner = drawn(seed.stream("contract"))
        rng = seed.stream("service")
        result = verify(words, seed, world(words, manner, rng, frozen=frozen), frozen=frozen)
        found[result.verdict.status] += 1
        found["calls"] += result.calls
        found["virtual_s"] += result.virtual_ns // NS_PER_S
        if result.verdict.status is not Status.KEPT:
            print(number, result.verdict.status, result.verdict.reason)
            print("  ", words.model_dump(exclude_none=True, exclude={"id", "kind"}), manner)
    return found


def defective(name: str, count: int, *, first: int = 0) -> Counter[str]:
    """How breakers with a defect were judged; whoever was not broken is printed."""
    found: Counter[str] = Counter()
    for number in range(first, first + count):
        seed = Seed(number)
        words, manner = drawn_defect(name, seed.stream("contract", name))
        rng = seed.stream("service", name)
        result = verify(words, seed, world(words, manner, rng, defect=name))
        found[result.verdict.status] += 1
        found[result.results[-1].trial.name] += 1
        if result.verdict.findings:
            found[result.verdict.findings[0].half] += 1
        if result.verdict.status is not Status.BROKEN:
            print(name, number, result.verdict.status, result.verdict.reason)
            print("  ", words.model_dump(exclude_none=True, exclude={"id", "kind"}), manner)
    return found
