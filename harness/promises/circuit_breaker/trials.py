"""The trials of the semantics, section 3, as plans. Those that fit follow one another in one world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.models.breaker.rules import Rules
from harness.models.breaker.state import Mode
from harness.plan import Reaching, Trial
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.counting import counting
from harness.promises.circuit_breaker.neighbours import concurrent, neighbours
from harness.promises.circuit_breaker.numbers import Numbers, reaching, rules_of
from harness.promises.circuit_breaker.plans import (
    RESET,
    Phase,
    Plan,
    foretold,
    uncounted,
)
from harness.promises.circuit_breaker.random_plans import random_plans
from harness.promises.circuit_breaker.scene import Scene
from harness.promises.circuit_breaker.thresholds import thresholds
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.script import HOLD, USUAL
from harness.units import NS_PER_MS

_POLLS = 12
_REAL_POLLS = 6


def trials(promise: CircuitBreaker, around: Surroundings) -> Sequence[Trial]:
    """All trials that the words make meaningful."""
    dependency = around.dependencies.get(promise.dependency)
    n = Numbers(rules_of(promise, frozen=around.frozen), frozen=around.frozen)
    if dependency is not None and dependency.kind != "witness":
        why = (
            f"{promise.dependency} is no witness, so nobody sees what reaches it; a dependency of "
            "kind `witness` in its place would settle it"
        )
        return [Trial(name="T1 opens", purpose="opens", steps=(), cannot=why)]
    scene = Scene(promise, around, n)
    found = list(_all(scene))
    if promise.scope == "process" and around.serving is None:
        why = "the processes that serve cannot be seen; a target started by its command would settle it"
        return [replace(trial, steps=(), cannot=why) for trial in found]
    return found


def _all(scene: Scene) -> Iterator[Trial]:
    rules = scene.rules
    if scene.workers > 1:
        yield counting(scene.promise, scene.n, scene.workers)
    yield scene.trial(
        "T2 opens and recovers",
        "opens at the threshold, lets nothing through for its time, and closes again, twice",
        lambda plan: _opens_and_recovers(plan, scene.around.frozen),
    )
    if rules.trials is not None:
        yield scene.trial(
            "T3 permits",
            "no more trials at once than permitted, and their permits come back",
            _permits,
            together=True,
        )
        yield scene.trial("T4 failing trials", "a failing trial opens it anew", _failing_trials)
    yield from thresholds(scene)
    yield from _outcomes(scene)
    yield scene.trial(
        "T11 hanging trials",
        "a trial that hangs, however it ends, does not keep it open for ever",
        _hanging,
        together=True,
        long=True,
    )
    yield scene.trial(
        "T12 at once and late",
        "failures at once are all counted; late results change nothing that they should not",
        lambda plan: _at_once_and_late(plan, rules),
        together=True,
    )
    yield from concurrent(scene)
    yield from neighbours(scene)
    for number in (1, 2):
        yield scene.trial(
            f"T16 random {number}",
            "whatever else the words forbid",
            lambda plan, number=number: random_plans(  # type: ignore[misc]
                plan, scene.around.rng, uncounted(scene.promise), number
            ),
            together=True,
            long=True,
        )


def _opens_and_recovers(plan: Plan, frozen: bool) -> None:
    """Trials 1 and 2."""
    polls = _POLLS if frozen else _REAL_POLLS
    is_known = plan.n.rules.recovery.after_ns is not None
    for _ in range(2):
        plan.opens()
        plan.good(Phase.REFUSED, 3)
        for number in range(1, polls + 1):
            spread_ns = plan.n.early_ns() * number // polls
            at_ns = spread_ns if number == polls else spread_ns // NS_PER_MS * NS_PER_MS
            plan.wait(at_ns, plan.opened)
            plan.fire(Phase.REFUSED if is_known else Phase.ANY)
        plan.recover()
        plan.closed()


def _tries(plan: Plan) -> tuple[int, bool]:
    """So many failing trials open it anew, and whether they surely do."""
    trials = plan.n.rules.trials
    if trials is not None and trials.rate is not None:
        return trials.successes or 1, True
    return 1, not plan.n.rules.half_open_seen


def _permits(plan: Plan) -> None:
    """Trials 3 and 6."""
    refused = Phase.REFUSED if _tries(plan)[1] else Phase.ANY
    plan.opens()
    plan.due()
    plan.held(Phase.SOME, plan.n.burst)
    plan.fire(Phase.ANY)
    plan.release(USUAL, then=USUAL)
    plan.settle()
    plan.closed()
    plan.forget()
    plan.opens()
    for _ in range(2):
        plan.due()
        plan.held(Phase.SOME, plan.n.burst)
        plan.release(plan.fail, then=plan.fail)
        plan.level += 1
        plan.mark()
        plan.good(refused, 1)
    plan.due()
    plan.held(Phase.SOME, plan.n.burst)
    plan.release(plan.fail, 1, then=USUAL)
    plan.release(USUAL)  # trials that end well after another has opened it: they change nothing
    plan.good(Phase.ANY, 1)
    plan.level += 1
    plan.settle()


def _failing_trials(plan: Plan) -> None:
    """Trials 4 and 5."""
    times, is_sure = _tries(plan)
    refused = Phase.REFUSED if is_sure else Phase.ANY
    declared = plan.n.rules.trials is not None and plan.n.rules.trials.successes is not None
    before = plan.n.successes - 1 if declared and times == 1 else 0

    def fails(good: int) -> None:
        plan.due()
        plan.good(Phase.PASSES, good)
        plan.bad(Phase.PASSES, times)
        plan.level += 1
        plan.mark()
        plan.good(refused, 1)

    plan.opens()
    for _ in range(2):
        fails(0)
        if plan.n.rules.recovery.after_ns is not None:
            plan.early()
            plan.good(refused, 1)
    plan.recover()
    plan.closed()
    if not before:
        return
    plan.forget()
    plan.opens()
    fails(before)
    fails(before)
    plan.due()
    plan.good(Phase.PASSES, before)
    if not plan.pinned:
        plan.held(Phase.SOME, plan.n.burst)
        plan.release(USUAL, then=USUAL)
    plan.settle()


def _outcomes(scene: Scene) -> Iterator[Trial]:
    """Trials 10 and 14: outcomes that count for nothing, and each kind that counts."""
    if uncounted(scene.promise) is not None:
        yield scene.trial(
            "T10 uncounted outcomes",
            "what is no failure opens nothing and keeps no permit",
            _uncounted,
        )
    if scene.promise.call_timeout is not None or "connection" in scene.promise.counted:
        yield scene.trial(
            "T14 kinds of failure", "timeouts and resets count as declared", _kinds, together=True
        )
    if "connection" in scene.promise.counted:
        refused = scene.trial(
            "T14 refused connections", "connections that are refused count", _refused, long=True
        )
        yield replace(refused, needed=False)


def _uncounted(plan: Plan) -> None:
    answer = uncounted(plan.promise) or USUAL
    declared = plan.promise.counts is not None
    plan.answering(answer)
    plan.fire(Phase.PASSES if declared else Phase.ANY, 2 * plan.n.fill + 2)
    plan.fine += 2 * plan.n.fill + 2
    plan.opens()
    plan.due()
    plan.answering(answer)
    plan.fire(Phase.SOME if declared else Phase.ANY, 2 * plan.n.permits + 1)
    if not plan.pinned:  # where they have closed it, it begins to count anew
        plan.held(Phase.ANY, plan.n.burst)
        plan.release(plan.fail, 1, then=USUAL)
        plan.good(Phase.ANY, 1)
        plan.release(USUAL)
    plan.level += 1
    plan.settle()
    plan.good(plan.passes, 1)


def _kinds(plan: Plan) -> None:
    timeout_ns = plan.promise.call_timeout
    if timeout_ns is not None and "timeout" in plan.promise.counted:
        calls = plan.n.fill
        plan.held(plan.some, calls)
        plan.jump((calls + 1) * (timeout_ns + 2 * plan.n.rules.recovery.guard_ns))
        plan.mark()
        plan.good(Phase.REFUSED, 1)
        plan.recover()
        plan.forget()
    if "connection" in plan.promise.counted:
        plan.opens(RESET)
        plan.recover()


def _refused(plan: Plan) -> None:
    """So many calls as open it while nobody listens; one that comes on an older connection is reset."""
    plan.answering(RESET)
    plan.steps.append(Reaching(plan.dependency, "refuse"))
    plan.fire(Phase.ANY, plan.n.fill)
    plan.steps.append(Reaching(plan.dependency, "open"))
    plan.mark()
    plan.good(Phase.REFUSED, 1)
    plan.recover()


def _hanging(plan: Plan) -> None:
    """Trial 11, for each way in which a held trial ends."""
    base_ns = plan.n.rules.recovery.base_ns
    for end, spans in (("reset", (1, 3, 5)), ("gone", (2,)), ("ok", (2,))):
        plan.opens()
        plan.due()
        group = plan.held(Phase.SOME, plan.n.permits)
        plan.mark()
        for times in spans:
            plan.wait(times * base_ns, plan.opened)
            plan.good(Phase.ANY, 1)
        if end == "gone":
            plan.leave(group)
        plan.release(RESET if end == "reset" else USUAL, then=USUAL)
        plan.level += 2
        plan.settle()
        plan.closed()
        plan.forget()


def _at_once_and_late(plan: Plan, rules: Rules) -> None:
    """Trials 12 and 13."""
    n = plan.n
    plan.held(plan.some, n.fill)
    plan.release(plan.fail, then=plan.fail)
    plan.mark()
    plan.good(Phase.REFUSED if _opens_by(rules, n.fill) else Phase.ANY, 1)
    plan.settle()
    plan.closed()
    plan.forget()
    plan.held(plan.some, n.fill + 4)
    plan.release(plan.fail, then=plan.fail)
    plan.good(Phase.ANY, 1)
    plan.level += 1
    plan.settle()
    plan.closed()
    plan.forget()
    _late(plan, rules)


def _opens_by(rules: Rules, failures: int) -> bool:
    """Whether so many pure failures surely open a fresh breaker."""
    states = foretold(rules, ["failed"] * failures).states
    return all(state.mode is Mode.OPEN for state in states)


def _late(plan: Plan, rules: Rules) -> None:
    """Calls that end after the opening: late successes and a late failure."""
    base_ns = rules.recovery.base_ns
    rates = [rate for trip in rules.trips if (rate := getattr(trip, "rate", None)) is not None]
    needed = max([plan.n.fill, *(reaching(rate, 3) for rate in rates)])
    if needed > plan.n.most:
        return
    group = plan.held(plan.some, needed + 3)
    for _ in range(needed):
        plan.release(plan.fail, 1, then=plan.fail)
    plan.mark()
    plan.release(USUAL, 1)
    plan.good(Phase.ANY, 1)
    plan.wait(base_ns // 3)
    plan.release(plan.fail, 1)
    plan.good(Phase.ANY, 1)
    later_ns, timeout_ns = 2 * base_ns, rules.call_timeout_ns
    if timeout_ns is not None and base_ns // 3 + later_ns >= timeout_ns:
        later_ns += timeout_ns  # those held fail meanwhile, each of which may restart the recovery
    plan.wait(later_ns)
    wanted = rules.trials.successes if rules.trials is not None else None
    plan.good(Phase.ANY, (wanted or 1) - 1)  # the late one comes where the last trial would decide
    plan.answering(HOLD)
    plan.fire(Phase.SOME)
    plan.release(USUAL, 1, group=group)
    plan.release(USUAL, then=USUAL)
    plan.level += 1
    plan.settle()
    plan.closed()
