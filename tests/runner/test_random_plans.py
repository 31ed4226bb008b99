"""Whole plans drawn by Hypothesis, played against simulated limiters, judged against a reference.

An honest limiter is never accused, whatever the plan. A limiter that lies at random is accused exactly
where the definition, written down once more and by brute force, says so. ``make prove`` draws more
(``STORMPROOF_PLANS``).
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, cast

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.client import Request
from harness.history import Call, TargetStarted
from harness.plan import Cut, Heal, Mark, Phase, Send, Step, Trial, Until, Wait, WaitAdvised
from harness.promises.base import TrialResult
from harness.promises.rate_limit.words import RateLimit
from harness.runner.stage import Stage
from harness.runner.world import World
from harness.seeds import Seed
from harness.units import NS_PER_MS, NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.notation import EPOCH_NS
from tests.promises.rate_limit.simulated import All, Bucket, Fixed, Limiter, Log, TwoBuckets
from tests.runner.simulated_world import SimulatedWorld, simulated_contract

EXAMPLES = int(os.environ.get("STORMPROOF_PLANS", "60"))
_G = NS_PER_MS
_many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="STORMPROOF_PLANS" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True, slots=True)
class Setup:
    """Words of a promise, the limiter that keeps them, and the numbers that matter to a plan."""

    words: dict[str, Any]
    honest: Callable[[], Limiter]
    cap: int
    window_ns: int
    each_ns: int
    slack_ns: int = _G


@st.composite
def setups(draw: st.DrawFn, kinds: Sequence[str]) -> Setup:
    """A set of words with numbers, and its honest algorithm."""
    count = draw(st.integers(2, 9))
    each = draw(st.sampled_from([250, 1_000, 1_500, 4_000])) * NS_PER_MS
    window = count * each
    phase = draw(st.integers(0, window - 1))
    size = draw(st.integers(1, 2 * count))
    tokens = draw(st.integers(1, size))
    limit = f"{count}/{window}ns"
    made: dict[str, tuple[dict[str, Any], Callable[[], Limiter]]] = {
        "limit": ({}, lambda: Log(count, window, closed=bool(phase % 2))),
        "limit in ms": ({}, lambda: Log(count, window, stamp=NS_PER_MS)),
        "fixed": ({"window": "fixed"}, lambda: Fixed(count, window, phase)),
        "first call": ({"window": "fixed"}, lambda: Fixed(count, window, None)),
        "approximate": ({"window": "approximate"}, lambda: TwoBuckets(count, window, phase)),
        "bucket": ({"burst": size}, lambda: Bucket(size, count, window)),
        "steps": (
            {"burst": size, "refill": f"{tokens * each}ns"},
            lambda: Bucket(size, count, window, step=tokens * each, phase=phase),
        ),
        "refusals count": (
            {"refused_count": True},
            lambda: Log(count, window, counts_refusals=True),
        ),
        "seconds": (
            {"granularity": f"{NS_PER_S}ns"},
            lambda: Log(count, window, stamp=NS_PER_S),
        ),
        "several": (
            {"limit": [limit, f"{2 * count}/{5 * window}ns"]},
            lambda: All([Log(count, window), Log(2 * count, 5 * window)]),
        ),
        "open": (
            {"store": {"dependency": "store", "when_down": "open"}},
            lambda: Log(count, window),
        ),
        "closed": (
            {"burst": size, "store": {"dependency": "store", "when_down": "closed"}},
            lambda: Bucket(size, count, window),
        ),
    }
    name = draw(st.sampled_from([kind for kind in kinds if kind != "seconds" or window >= 4e9]))
    words, honest = made[name]
    event(name)
    cap = words.get("burst", count)
    slack = NS_PER_S if name == "seconds" else _G
    return Setup({"limit": limit, **words}, honest, cap, window, each, slack)


@st.composite
def plans(draw: st.DrawFn, setup: Setup) -> Trial:
    """Any plan: calls in turn and at once, waits on, before and after every border, faults."""
    others = [setup.each_ns, setup.window_ns // 2, setup.cap * setup.each_ns]
    if len(setup.words["limit"]) == 2:
        others.append(5 * setup.window_ns)
    spans = st.one_of(st.just(setup.window_ns), st.sampled_from(others))
    g = setup.slack_ns
    near = st.sampled_from([-2 * g, -g - 1, -g, -1, 0, 1, g, g + 1, 2 * g])
    waits = st.one_of(
        st.builds(lambda span, by: max(0, span + by), spans, near),
        st.builds(lambda span, by: max(0, span + by), spans, near),
        st.integers(0, 2 * setup.window_ns),
    )
    callers = st.sampled_from("ab")
    calls = st.builds(
        Send,
        caller=callers,
        times=st.integers(1, setup.cap + 2),
        together=st.booleans(),
        connection=st.sampled_from(["new", "kept"]),
        per_caller=st.sampled_from([None, None, None, 2]),
    )
    steps: list[st.SearchStrategy[Step]] = [
        calls,
        calls,
        st.builds(Wait, ns=waits, since=st.sampled_from(["now", "now", "m", "admitted"])),
        st.builds(Wait, ns=waits),
        st.builds(Until, send=st.builds(Send, caller=callers), most=st.integers(1, setup.cap + 2)),
        st.just(Mark("m")),
        st.builds(Phase, ns=st.integers(0, NS_PER_S - 1)),
        st.just(WaitAdvised(2 * setup.slack_ns, 3 * setup.window_ns)),
    ]
    if "store" in setup.words:
        steps += [st.just(Cut("store")), st.just(Heal("store"))]
    at_border = st.tuples(
        st.just(Mark("m")),
        st.builds(
            Send, caller=st.just("a"), times=st.integers(max(1, setup.cap - 1), setup.cap + 1)
        ),
        st.builds(Wait, ns=waits, since=st.sampled_from(["m", "admitted"])),
        st.builds(Send, caller=st.just("a"), times=st.integers(1, setup.cap + 1)),
    )
    chunks = st.one_of(st.tuples(st.one_of(steps)), at_border)
    drawn = draw(st.lists(chunks, min_size=1, max_size=10))
    steps_of_all = _faults_in_turn(step for chunk in drawn for step in chunk)
    return Trial(name="drawn", purpose="whatever comes", steps=steps_of_all)


def _faults_in_turn(steps: Iterable[Step]) -> tuple[Step, ...]:
    """A store is cut only while it is there, and healed only while it is cut."""
    kept: list[Step] = []
    cut = False
    for step in steps:
        if isinstance(step, (Cut, Heal)):
            if isinstance(step, Cut) is cut:
                continue
            cut = not cut
        kept.append(step)
    return tuple(kept)


@dataclass
class WideWorld(SimulatedWorld):
    """Time runs: each call takes effect somewhere between its two ends, and some answers are lost."""

    lost: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.time.mode = "real"
        started = cast("TargetStarted", self._events[0])
        self._events[0] = replace(started, clock="real")

    def exchange(self, requests: Sequence[Request], *, together: bool) -> list[int]:
        first = len(self._calls)
        groups = [requests] if together else [[request] for request in requests]
        for group in groups:
            self._overlapping(group)
        return list(range(first, len(self._calls)))

    def _overlapping(self, requests: Sequence[Request]) -> None:
        starts = sorted(self.now_ns + self._width() for _ in requests)
        ends = [start + self._width() for start in starts]
        effects = [self.rng.randint(a, b) for a, b in zip(starts, ends, strict=True)]
        answers: dict[int, bool] = {}
        for place in sorted(range(len(requests)), key=lambda place: (effects[place], place)):
            self.now_ns = effects[place]
            answers[place] = self._answer(requests[place])
        written = [self._next() for _ in requests]
        for place in sorted(range(len(requests)), key=lambda place: ends[place]):
            self.now_ns = ends[place]
            self._record(requests[place], written[place], self._next(), admitted=answers[place])
            self._put_back(starts[place])

    def _put_back(self, start: int) -> None:
        """Let the call that was recorded last begin when it did; perhaps its answer is lost."""
        call = replace(self._calls[-1], sent_target_ns=start, sent_wall_ns=EPOCH_NS + start)
        if self.rng.random() < self.lost:
            call = replace(
                call,
                answered_seq=None,
                first_byte_ns=None,
                last_byte_ns=None,
                answered_target_ns=None,
                answered_wall_ns=None,
                status=None,
                error="timeout",
            )
        self._calls[-1] = self._events[-1] = call

    def _width(self) -> int:
        return self.rng.randint(0, self.widest_ns)


@dataclass
class Liar:
    """Answers as an honest limiter does, but for the calls at which it lies.

    Args:
        honest: the limiter that it asks.
        rng: decides when it lies.
        share: of the calls, in [0, 1].
        generous: it lies to those only whom the honest one refuses.
    """

    honest: Limiter
    rng: Random
    share: float
    generous: bool

    def admits(self, key: str, now: int) -> bool:
        said = self.honest.admits(key, now)
        lies = self.rng.random() < self.share
        return said or lies if self.generous else said != lies


@st.composite
def liars(draw: st.DrawFn, setup: Setup) -> Limiter:
    """The honest limiter, its window or its number a little off, or lying now and then."""
    honest: Any = setup.honest()
    g = setup.slack_ns
    off = draw(st.sampled_from([-2 * g, -g - 1, -g, -g // 2, 0, 0, g // 2, g, g + 1, 2 * g]))
    honest = replace(honest, window=setup.window_ns + off)
    name = "size" if isinstance(honest, Bucket) else "count"
    by = draw(st.sampled_from([0, 0, 0, 1, -1]))
    honest = replace(honest, **{name: max(1, getattr(honest, name) + by)})
    share = draw(st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.5]))
    rng = Random(draw(st.integers(0, 1 << 30)))
    return Liar(honest, rng, share, draw(st.booleans()))


def verdict_on(world: SimulatedWorld, trials: Iterable[Trial]) -> list[TrialResult]:
    """Play plans one after another in the same world, and judge each."""
    stage = Stage(cast("World", world), world.contract.promises[0])
    results = []
    for trial in trials:
        world.move_to(world.now_ns + stage.quiet_ns())
        played = stage.play(trial, time.monotonic() + 600)
        results.append(stage.judge(trial, played))
    return results


HONEST = (
    "limit",
    "limit in ms",
    "fixed",
    "first call",
    "approximate",
    "bucket",
    "steps",
    "refusals count",
    "seconds",
    "several",
    "open",
    "closed",
)


@_many
@given(st.data(), setups(HONEST), st.integers(0, 1 << 30))
def test_no_plan_accuses_an_honest_limiter(data: st.DataObject, setup: Setup, seed: int) -> None:
    """On a held clock, whatever is called when: each kind of promise, two plans in one world."""
    trials = [data.draw(plans(setup)) for _ in range(2)]
    world = SimulatedWorld(
        simulated_contract(**setup.words),
        setup.honest(),
        Seed(seed),
        when_down=setup.words.get("store", {}).get("when_down"),
    )
    for result in verdict_on(world, trials):
        assert result.verdict.status is not Status.BROKEN, result.verdict.reason
        assert "please report" not in result.verdict.reason


@_many
@given(
    st.data(),
    setups(HONEST[:-2]),
    st.integers(0, 1 << 30),
    st.sampled_from([0, 1, 100]),
    st.sampled_from([0.0, 0.1]),
)
def test_no_plan_accuses_an_honest_limiter_while_time_runs(
    data: st.DataObject, setup: Setup, seed: int, percent: int, lost: float
) -> None:
    """Calls up to a whole window wide, and a tenth of all answers lost."""
    world = WideWorld(
        simulated_contract(**setup.words),
        setup.honest(),
        Seed(seed),
        widest_ns=setup.window_ns * percent // 100,
        lost=lost,
    )
    for result in verdict_on(world, [data.draw(plans(setup))]):
        assert result.verdict.status is not Status.BROKEN, result.verdict.reason
        assert "please report" not in result.verdict.reason


@_many
@given(
    st.data(),
    setups(("limit", "fixed", "approximate", "bucket", "refusals count")),
    st.integers(0, 1 << 30),
)
def test_a_liar_is_accused_exactly_where_the_definition_says_so(
    data: st.DataObject, setup: Setup, seed: int
) -> None:
    """On a held clock no interval nests, so nothing is missed either, in both halves."""
    world = SimulatedWorld(simulated_contract(**setup.words), data.draw(liars(setup)), Seed(seed))
    [result] = verdict_on(world, [data.draw(plans(setup))])
    said = {finding.half for finding in result.verdict.findings}
    promise = cast("RateLimit", world.contract.promises[0])
    meant = broken_halves(promise, world.history().calls)
    event(f"broken: {sorted(meant)}")
    assert said == meant, result.verdict.reason


# -- the definition once more -------------------------------------------------------------------


def broken_halves(promise: RateLimit, calls: Sequence[Call]) -> set[str]:
    """Section 1 of the semantics for points in time, one key after another, in the plainest way."""
    by_key: dict[int | None, list[Call]] = defaultdict(list)
    for call in calls:
        by_key[call.identity].append(call)
    found = set()
    for group in by_key.values():
        admitted = [call for call in group if call.status == 200]
        used = group if promise.refused_count else admitted
        if not upper_holds(promise, sorted(call.sent_target_ns for call in admitted)):
            found.add("upper")
        if any(owed(promise, call, used) for call in group if call.status != 200):
            found.add("lower")
    return found


def upper_holds(promise: RateLimit, at: Sequence[int]) -> bool:
    """At most N in each [t, t+W-g); or B + (N/W)(y-x+g) in each [x, y]; or some borders explain it."""
    rate, g = promise.limit[0], promise.granularity
    if promise.burst is not None:
        return all(
            (j - i + 1 - promise.burst) * rate.window_ns <= (at[j] - at[i] + g) * rate.count
            for i in range(len(at))
            for j in range(i, len(at))
        )
    if promise.window is None:
        return all(
            later - earlier >= rate.window_ns - g
            for earlier, later in zip(at, at[rate.count :], strict=False)
        )
    return explained(at, rate.count, rate.window_ns - g)


def explained(at: Sequence[int], count: int, length: int) -> bool:
    """Whether borders ``length`` or more apart leave at most ``count`` between neighbours.

    Each border can be moved to the right until it meets a call, or the border after it.
    """
    span = at[-1] - at[0] if at else 0
    borders = sorted({t - k * length for t in at for k in range(span // length + 2)})
    reached: list[int] = []
    for border in borders:
        before = sum(t < border for t in at)
        ways = [r for r in reached if border - r >= length]
        if before <= count or any(before - sum(t < r for t in at) <= count for r in ways):
            reached.append(border)
    return len(at) <= count or any(sum(t >= border for t in at) <= count for border in reached)


def owed(promise: RateLimit, call: Call, used: Sequence[Call]) -> bool:
    """Whether the budget must have had room for a refused call."""
    rate, g, e = promise.limit[0], promise.granularity, call.sent_target_ns
    before = [
        other.sent_target_ns
        for other in used
        if other is not call and not _after(other, call) and other.sent_target_ns <= e
    ]
    if promise.burst is not None:
        return all(
            (sum(t >= x for t in before) + 1 - promise.burst) * rate.window_ns
            <= (e - x - g) * rate.count
            for x in before
        )
    memory = rate.window_ns * (2 if promise.window == "approximate" else 1) + g
    return sum(t >= e - memory for t in before) < rate.count


def _after(other: Call, call: Call) -> bool:
    return call.answered_seq is not None and call.answered_seq < other.written_seq
