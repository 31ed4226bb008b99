"""Retry policies to be judged: honest ones drawn at random, and the same with one planted defect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from itertools import count
from math import ceil, floor, inf
from random import Random
from typing import Any, Literal

from harness.promises.retry.words import Retry
from harness.units import NS_PER_MS, NS_PER_S
from tests.promises.retry.notation import promise
from tests.promises.retry.simulated import Ask, Doing, Told, World

PASSING = (429, 500, 502, 503, 504)
IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
S = float(NS_PER_S)
_METHODS = {"fetch": "GET", "send": "POST"}


@dataclass(frozen=True)
class Policy:
    """How a service repeats; spans in ns. ``defect`` names what is wrong with it."""

    attempts: int = 4
    initial: float = 0.1 * S
    factor: float = 2.0
    cap: float = inf
    jitter: str = "full"
    number: float = 0.0
    cap_after: bool = False
    rounding: Literal["threads", "asyncio", "libuv"] = "threads"
    total: float = inf
    cuts_wait: bool = False
    budget: float | None = None
    keyed: bool = False
    own_key: bool = True
    respects: Literal["exact", "max", "sum", "gives up", ""] = ""
    dates: Literal["fraction", "floor", "ceiling"] = "fraction"
    timeout_ns: int = 3 * NS_PER_S
    passes_on: bool = True
    keeps_alive: bool = False
    defect: str = ""


@dataclass
class Service:
    """All calls of one service: what it remembers between them."""

    policy: Policy
    rng: Random
    spent: list[tuple[int, bool]] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def __call__(self, method: str, world: World, left: Callable[[], bool]) -> Doing:
        policy, defect, now_ns = self.policy, self.policy.defect, world.now_ns
        self.spent.append((now_ns, False))
        rng, began_ns, before, slept = self._stream(world), now_ns, policy.initial, 0.0
        key = f"k{next(self.numbers)}"
        told: Told | None = Told(504)
        for number in count(1):
            key = f"k{next(self.numbers)}" if defect == "new key" else key
            sends_key = policy.keyed and defect != "no key"
            told = yield Ask(method, {"Idempotency-Key": key} if sends_key else {})
            assert told is not None
            if self._ends(method, told, number) or not self._affords(world.now_ns):
                break
            before = drawn = self._drawn(number, before, rng)
            seen = min(drawn, policy.cap) if policy.jitter == "decorrelated" else drawn
            spent = slept if defect == "total counts sleeps" else world.now_ns - began_ns
            wait = self._fitting(self._advised(told, self._waited(seen), world), spent)
            if wait is None:
                break
            slept += wait
            yield max(0, round(wait))
            if left() and defect != "client gone":
                return 499
        return told.outcome if told and isinstance(told.outcome, int) else 504

    def _ends(self, method: str, told: Told, number: int) -> bool:
        """Whether this attempt is the last."""
        if isinstance(told.outcome, int) and told.outcome < 400:
            return self.policy.defect != "success repeated" or number > 1
        return not self._repeats(method, told) or self._last(number)

    def _fitting(self, wait: float | None, spent: float) -> float | None:
        """The wait as the total leaves room for it."""
        policy = self.policy
        if wait is None or policy.defect == "total ignored" or spent + wait <= policy.total:
            return wait
        return policy.total - spent if policy.cuts_wait and spent < policy.total else None

    def _affords(self, now_ns: int) -> bool:
        """Whether the budget of the last minute has room for one more."""
        ratio = self.policy.budget
        if ratio is None or self.policy.defect == "budget ignored":
            return True
        self.spent = [each for each in self.spent if each[0] > now_ns - 60 * NS_PER_S]
        repeated = sum(again for _, again in self.spent)
        if repeated + 1 > (ratio - 1) * (len(self.spent) - repeated) + 10:
            return False
        self.spent.append((now_ns, True))
        return True

    def _stream(self, world: World) -> Random:
        match self.policy.defect:
            case "fixed seed":
                return Random(42)
            case "seed by the second":
                return Random(world.wall_ns // NS_PER_S)
        return self.rng

    def _last(self, number: int) -> bool:
        n, defect = self.policy.attempts, self.policy.defect
        if defect == "for ever":
            return False
        wanted = {"one more": n + 1, "one less": n - 1, "never": 1, "layers": n * n}.get(defect, n)
        return number >= wanted

    def _repeats(self, method: str, told: Told) -> bool:
        defect, outcome = self.policy.defect, told.outcome
        if outcome == "refused":
            return defect != "not connections"
        passing = outcome in PASSING or outcome in ("timeout", "connection")
        if defect == "retries 400" and outcome == 400:
            passing = True
        if defect == "retries 4xx" and isinstance(outcome, int) and outcome < 500:
            passing = True
        if (defect, outcome) in (
            ("not 429", 429),
            ("not connections", "connection"),
            ("not timeouts", "timeout"),
        ):
            passing = False
        safe = method in IDEMPOTENT or self.policy.keyed or defect == "POST"
        safe |= defect == "POST after timeout" and outcome == "timeout"
        return passing and safe

    def _nominal(self, number: int) -> float:
        policy, defect = self.policy, self.policy.defect
        factor = policy.factor * {"factor + 10 %": 1.1, "factor - 10 %": 0.9}.get(defect, 1.0)
        initial = policy.initial * (2 if defect == "initial doubled" else 1)
        if defect == "linear":
            return initial * number
        if defect == "fixed":
            return initial
        if defect == "first at once":
            return 0.0 if number == 1 else initial * factor ** (number - 2)
        return float(initial * factor ** (number - 1))

    def _drawn(self, number: int, before: float, rng: Random) -> float:
        policy, defect = self.policy, self.policy.defect
        cap = {"no cap": inf, "cap doubled": 2 * policy.cap}.get(defect, policy.cap)
        jitter, p = policy.jitter, policy.number
        if defect in ("no jitter", "swapped", "triangular", "a fifth"):
            jitter = {"no jitter": "none", "swapped": "equal" if jitter == "full" else "full"}.get(
                defect, jitter
            )
        if jitter == "decorrelated":
            state = before if policy.cap_after else min(cap, before)
            base = policy.initial * (2 if defect == "initial doubled" else 1)
            return min(rng.uniform(base, 3 * max(base, state)), inf if policy.cap_after else cap)
        x = self._nominal(number)
        y = x if policy.cap_after else min(cap, x)
        low, high = {
            "none": (y, y),
            "full": (0.0, y),
            "equal": (y / 2, y),
            "proportional": ((1 - p) * y, (1 + p) * y),
            "additive": (y, y + p),
            "upward": (y, (1 + p) * y),
        }[jitter]
        if defect == "a fifth":
            middle = (low + high) / 2
            low, high = middle - (high - low) / 10, middle + (high - low) / 10
        u = (rng.random() + rng.random()) / 2 if defect == "triangular" else rng.random()
        drawn = low + u * (high - low)
        return min(cap, drawn) if policy.cap_after else drawn

    def _waited(self, wait: float) -> float:
        match self.policy.rounding:
            case "asyncio":
                return wait + self.rng.uniform(0, 2 * NS_PER_MS)
            case "libuv":
                return max(1, round(wait / NS_PER_MS)) * NS_PER_MS if wait else 0.0
        return wait

    def _advised(self, told: Told, wait: float, world: World) -> float | None:
        policy, defect = self.policy, self.policy.defect
        value = told.headers.get("retry-after")
        if value is None or not policy.respects or defect == "Retry-After ignored":
            return wait
        if value.isdigit():
            advised = float(value) * (NS_PER_MS if defect == "milliseconds" else S)
        elif defect == "date ignored":
            return wait
        else:
            now = world.wall_ns / S
            seen = {"fraction": now, "floor": float(floor(now)), "ceiling": float(ceil(now))}
            advised = max(0.0, parsedate_to_datetime(value).timestamp() - seen[policy.dates]) * S
        if defect == "early":
            return max(0.0, advised - S)
        if defect == "late":
            return advised + 2 * (advised + 30 * S)
        if defect == "cut to the cap":
            return min(advised, policy.cap if policy.cap < inf else 5 * S)
        if defect == "min":
            return min(advised, wait)
        if policy.respects == "gives up" and advised > 5 * S:
            return None
        return {"max": max(advised, wait), "sum": advised + wait}.get(policy.respects, advised)


# -- policies and their contracts ----------------------------------------------------------------


def drawn(rng: Random) -> tuple[Policy, Retry]:
    """An honest policy at random, and what its documentation says."""
    jitter = rng.choice(
        ("none", "full", "equal", "proportional", "additive", "upward", "decorrelated")
    )
    initial = rng.choice((0.1, 0.2, 0.25, 0.5, 1.0, 2.0))
    numbers = {"proportional": rng.choice((0.1, 0.2, 0.3, 0.5)), "upward": rng.choice((0.2, 0.5))}
    numbers["additive"] = rng.choice((0.1, 0.5, 1.0)) * S
    policy = Policy(
        attempts=rng.randint(2, 6),
        initial=initial * S,
        factor=rng.choice((1.5, 2.0, 2.0, 3.0)),
        cap=rng.choice((inf, inf, 3.0, 5.0, 10.0)) * S,
        jitter=jitter,
        number=numbers.get(jitter, 0.0),
        cap_after=rng.random() < 0.3,
        rounding=rng.choice(("threads", "asyncio", "libuv")),
        total=rng.choice((inf, inf, 30.0, 60.0)) * S,
        cuts_wait=rng.random() < 0.3,
        budget=rng.choice((None, None, None, 1.1, 1.2)),
        keyed=rng.random() < 0.3,
        respects=rng.choice(("", "exact", "max", "sum", "gives up")),
        dates=rng.choice(("fraction", "floor", "ceiling")),
        passes_on=rng.random() < 0.8,
        keeps_alive=rng.random() < 0.3,
    )
    return policy, contract(policy, **loosened(policy, rng))


def loosened(policy: Policy, rng: Random) -> dict[str, Any]:
    """Words that promise less than the policy does."""
    more = policy.attempts + rng.randint(0, 2)
    found: dict[str, Any] = rng.choice(
        (
            {},
            {},
            {},
            {"attempts": {"max": more}},
            {"retry_on": None, "never_on": [400, 404]},
            {"attempts": None, "retry_on": None},
            {"methods": dict.fromkeys(("GET", "PUT"), "all")} if not policy.keyed else {},
            {"call_timeout": f"{policy.timeout_ns // NS_PER_MS}ms"},
        )
    )
    return found


def drawn_some(rng: Random, name: str) -> tuple[Policy, Retry]:
    """A policy whose documentation says no more than "with jitter", and the name of what it does."""
    initial = {"wide": 1.0, "narrow": 0.3}.get(name, 0.1) * S
    jitter, number = {
        "full": ("full", 0.0),
        "proportional 5 %": ("proportional", 0.05),
        "proportional 10 %": ("proportional", 0.1),
        "range 5 ms": ("additive", 0.005 * S),
        "none": ("none", 0.0),
        "wide": ("full", 0.0),
        "narrow": ("full", 0.0),
    }[name]
    spread = {"spread": {"share": 0.5, "within": "250ms"}} if name in ("wide", "narrow") else {}
    policy = Policy(
        initial=initial,
        jitter=jitter,
        number=number,
        rounding=rng.choice(("threads", "asyncio", "libuv")) if name != "none" else "asyncio",
        passes_on=rng.random() < 0.5,
    )
    return policy, contract(policy, backoff={"jitter": "some", **spread})


SOME = {
    "full": "kept",
    "proportional 5 %": "kept",
    "proportional 10 %": "kept",
    "range 5 ms": "kept",
    "wide": "kept",
    "none": "broken",
    "narrow": "broken",
}


def contract(policy: Policy, **words: Any) -> Retry:
    """What the documentation of a policy says."""
    jitter: Any = policy.jitter
    if jitter in ("proportional", "upward"):
        jitter = {jitter: policy.number}
    elif jitter == "additive":
        jitter = {jitter: _span(policy.number)}
    backoff: dict[str, Any] = {"initial": _span(policy.initial), "jitter": jitter}
    if policy.jitter != "decorrelated":
        backoff["factor"] = policy.factor
    if policy.cap < inf:
        backoff["cap"] = _span(policy.cap)
    said: dict[str, Any] = {
        "operation": list(_METHODS),
        "attempts": policy.attempts,
        "backoff": backoff,
    }
    if policy.keyed:
        said |= {"idempotency_key": "Idempotency-Key", "methods": [*IDEMPOTENT, "POST"]}
    if policy.respects:
        said["respects_retry_after"] = True
    if policy.total < inf:
        said["total"] = _span(policy.total)
    if policy.budget is not None:
        said["budget"] = {"ratio": policy.budget, "over": "60s"}
    return promise(**said | words)


def _span(ns: float) -> str:
    return f"{round(ns / NS_PER_MS)}ms"


def worlds(policy: Policy, rng: Random) -> Callable[[], World]:
    """A fresh world of the service each time."""

    def made() -> World:
        return World(
            Service(policy, Random(rng.random())),
            _METHODS,
            rng,
            timeout_ns=policy.timeout_ns,
            passes_on=policy.passes_on,
            keeps_alive=policy.keeps_alive,
        )

    return made


def _for(policy: Policy, defect: str) -> Policy | None:
    """The policy with a defect that its words can show; None where they cannot."""
    jitters = ("full", "equal")
    needs: dict[str, dict[str, Any]] = {
        "no cap": {"cap": 3 * S, "initial": 1 * S, "attempts": 5, "factor": 2.0},
        "cap doubled": {"cap": 3 * S, "initial": 1 * S, "attempts": 6, "factor": 2.0},
        "total ignored": {"total": 20 * S, "attempts": 5, "timeout_ns": 60 * NS_PER_S},
        "budget ignored": {"budget": 1.1, "attempts": 4},
        "new key": {"keyed": True},
        "no key": {"keyed": True},
        "POST": {"keyed": False},
        "POST after timeout": {"keyed": False},
        "one less": {"attempts": max(3, policy.attempts)},
        "success repeated": {"attempts": max(3, policy.attempts)},
        "client gone": {"attempts": 5, "keyed": False},
        "cut to the cap": {"cap": 5 * S},
        "min": {"cap": 5 * S},
        "fixed": {"attempts": 5},
        "linear": {"attempts": 5, "factor": 3.0},
        "first at once": {"attempts": 4, "jitter": "none" if policy.jitter == "full" else "equal"},
        "factor + 10 %": {"attempts": 5},
        "factor - 10 %": {"attempts": 5},
    }
    made = replace(policy, defect=defect, budget=None, total=inf, cap=inf, cap_after=False)
    if defect in (
        "Retry-After ignored",
        "date ignored",
        "milliseconds",
        "cut to the cap",
        "min",
        "early",
        "late",
    ):
        made = replace(made, respects="exact")
    if defect in (
        "no jitter",
        "swapped",
        "triangular",
        "a fifth",
        "fixed seed",
        "seed by the second",
        "fixed",
        "linear",
        "initial doubled",
        "factor + 10 %",
        "factor - 10 %",
    ):
        made = replace(made, jitter=jitters[policy.attempts % 2], number=0.0)
    if defect == "seed by the second":
        made = replace(made, passes_on=True)
    if policy.jitter == "decorrelated" and made.jitter == "decorrelated":
        made = replace(made, jitter="full")
    return replace(made, **needs.get(defect, {}))


DEFECTS = (
    "one more", "one less", "for ever", "never", "layers", "fixed", "no cap", "cap doubled",
    "retries 400", "retries 4xx", "not 429", "not connections", "not timeouts", "POST",
    "POST after timeout", "Retry-After ignored", "date ignored", "milliseconds", "cut to the cap",
    "min", "early", "late", "no jitter", "swapped", "triangular", "a fifth", "fixed seed",
    "seed by the second", "factor + 10 %", "factor - 10 %", "initial doubled", "linear",
    "first at once", "success repeated", "new key", "no key", "client gone", "total ignored",
    "total counts sleeps", "budget ignored",
)  # fmt: skip


def spoiled(rng: Random, defect: str) -> tuple[Policy, Retry]:
    """A policy at random with one defect, and the contract that it breaks."""
    policy, _ = drawn(rng)
    made = _for(policy, defect)
    assert made is not None
    if defect == "total counts sleeps":
        made = replace(made, total=20 * S, attempts=5, timeout_ns=60 * NS_PER_S)
    words = {"client_gone": "stops"} if defect == "client gone" else {}
    return made, contract(made, **words)
