"""Other promises of the contract that speak of the same calls: breakers, limits, deadlines."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from harness.contract.words import Promise
from harness.plan import Fire
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.promises.deadline.words import Deadline
from harness.promises.retry.kind import RetryKind
from harness.promises.retry.law_trials import looks_of
from harness.promises.retry.rules import Case, broken
from harness.promises.retry.sharing import ALONE, Sharing, sharing
from harness.promises.retry.waits import outside
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.retry.notation import backoff, judged, promise, tries, waits
from tests.promises.retry.services import Policy, S, Service, contract
from tests.promises.retry.simulated import Ask, Doing, Told, World, around, verify

METHODS = {"fetch": "GET", "send": "POST"}
RECOVERY_NS = 60 * NS_PER_S


def breaker(consecutive: int = 5, **more: Any) -> CircuitBreaker:
    """So many failures in a row open it for a minute."""
    words = {
        "id": "guard",
        "kind": "circuit_breaker",
        "operation": ["fetch", "send"],
        "dependency": "upstream",
        "counts": ["4xx", "5xx", "timeout", "connection"],
        "recovery": "60s",
        "trips": {"consecutive": consecutive},
        "half_open": {"permits": 1, "successes": 2},
    }
    return CircuitBreaker.model_validate_json(json.dumps(words | more))


def deadline(within: str = "5s", **more: Any) -> Deadline:
    """Answered so soon."""
    words = {"id": "soon", "kind": "deadline", "operation": "fetch", "within": within}
    return Deadline.model_validate_json(json.dumps(words | more))


def limit(**more: Any) -> ConcurrencyLimit:
    """Two at once."""
    words = {"id": "few", "kind": "concurrency_limit", "operation": "fetch", "limit": 2}
    return ConcurrencyLimit.model_validate_json(json.dumps(words | more))


class Breaker:
    """Opens for a minute after so many failures in a row; two successes close it."""

    def __init__(self, consecutive: int) -> None:
        self.consecutive, self.failures, self.until_ns, self.good = consecutive, 0, 0, 0

    def refuses(self, now_ns: int) -> bool:
        return now_ns < self.until_ns

    def note(self, told: Told, now_ns: int) -> None:
        if isinstance(told.outcome, int) and told.outcome < 400:
            self.good += 1
            if not self.until_ns or self.good >= 2:
                self.until_ns = self.failures = 0
            return
        self.good, self.failures = 0, self.failures + 1
        if self.until_ns or self.failures >= self.consecutive:
            self.until_ns = now_ns + RECOVERY_NS


def guarded(policy: Policy, consecutive: int, *, again: bool) -> Callable[[], World]:
    """One world for all trials, in which a breaker stands before each attempt.

    Args:
        again: a refused attempt is tried again, as a failed one; else the call ends.
    """
    inner, guard = Service(policy, Random(1)), Breaker(consecutive)

    def service(method: str, world: World, left: Callable[[], bool]) -> Doing:
        doing, told = inner(method, world, left), None
        while True:
            try:
                wanted = doing.send(told)
            except StopIteration as done:
                return int(done.value)
            if isinstance(wanted, Ask) and guard.refuses(world.now_ns):
                told = Told(503)
                if not again:
                    return 503
                continue
            told = yield wanted
            if isinstance(wanted, Ask) and told is not None and told.outcome != "refused":
                guard.note(told, world.now_ns)

    world = World(service, METHODS, Random(2), timeout_ns=policy.timeout_ns)

    def made() -> World:
        world.now_ns += 2 * RECOVERY_NS  # as between promises all is forgotten
        return world

    return made


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("jitter", ["none", "full"])
def test_calls_are_paced_so_that_a_breaker_stays_closed(jitter: str, again: bool) -> None:
    """It recovers and forgets before the failures of another call would open it."""
    policy = Policy(jitter=jitter)
    verdict, _ = verify(contract(policy), guarded(policy, 5, again=again), others=[breaker()])
    assert verdict.status is Status.KEPT, verdict


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("consecutive", [1, 3])
@pytest.mark.parametrize("jitter", ["none", "full"])
def test_a_breaker_that_opens_in_the_midst_of_a_call_is_no_defect(
    jitter: str, consecutive: int, again: bool
) -> None:
    """Fewer attempts arrive than are made: unknown, and the reason names who may have refused them."""
    policy = Policy(jitter=jitter)
    make = guarded(policy, consecutive, again=again)
    verdict, _ = verify(contract(policy), make, others=[breaker(consecutive)])
    assert verdict.status is Status.UNKNOWN
    assert "guard may have refused" in verdict.reason


@pytest.mark.parametrize("defect", ["one more", "retries 400", "POST", "initial doubled"])
def test_behind_a_breaker_defects_still_show(defect: str) -> None:
    """What it cannot explain is told."""
    policy = Policy(jitter="none", defect=defect)
    make = guarded(policy, 9, again=True)
    verdict, _ = verify(contract(policy), make, others=[breaker(9)])
    assert verdict.status is Status.BROKEN


def test_where_somebody_may_refuse_few_attempts_prove_nothing() -> None:
    """Nor do long waits between those that are seen; where all are seen, none was refused."""
    beside = Sharing(refusing=("guard",))
    few, long = waits("100"), waits("100 600")
    assert judged(promise(), few)[0] == judged(promise(), long)[0] == "broken"
    for each in (few, long):
        case = Case(promise(), (each,), sharing=beside)
        assert not list(broken(case))
        assert outside(case) is None
    assert outside(Case(promise(), (waits("100 200 900"),), sharing=beside)) is not None


def test_who_may_refuse() -> None:
    """A breaker of the same calls, or of the whole dependency; a limit of the same calls."""

    def refusing(other: Promise, operation: str = "fetch") -> tuple[str, ...]:
        words = promise(operation=operation)
        return sharing(words, "upstream", around(words, METHODS, others=[other])).refusing

    assert refusing(breaker()) == refusing(breaker(operation="other")) == ("guard",)
    assert refusing(breaker(operation="other", scope="operation")) == ()
    assert refusing(breaker(dependency="other")) == ()
    assert refusing(limit()) == ("few",)
    assert refusing(limit(), "send") == refusing(deadline()) == ()
    assert sharing(promise(), "upstream", around(promise(), METHODS)) == ALONE


def test_looks_count_the_calls_of_waves_alone() -> None:
    """Good calls that close a breaker are none of the sample."""
    words = promise(operation="fetch", backoff=backoff(jitter="full"))
    known = around(words, METHODS, others=[breaker()])
    found = [t for t in RetryKind().trials(words, known) if t.name.startswith("T5 48")]
    assert [looks_of(trial) for trial in found] == [(12, 24, 48)] * 2
    fired = [step.group for step in found[0].steps if isinstance(step, Fire)]
    assert fired.count("200") > 48


# -- deadlines ---------------------------------------------------------------------------------


def hurried(policy: Policy) -> Callable[[], World]:
    """It makes no attempt that would begin after its total, of which its contract says nothing."""
    return lambda: World(
        Service(policy, Random(3)), METHODS, Random(4), timeout_ns=policy.timeout_ns
    )


@pytest.mark.parametrize("jitter", ["none", "full"])
def test_who_must_answer_in_time_may_give_up(jitter: str) -> None:
    """Timeouts of 2 s and waits of 1 s and 2 s leave room for two attempts in 5 s, and that is kept."""
    policy = Policy(jitter=jitter, initial=S, timeout_ns=2 * NS_PER_S, total=5 * S)
    words = contract(policy, total=None, call_timeout="2s", operation="fetch")
    verdict, _ = verify(words, hurried(policy), others=[deadline("5s")])
    assert verdict.status is not Status.BROKEN, verdict
    assert verify(words, hurried(policy))[0].status is Status.BROKEN
    if jitter == "none":
        assert verdict.status is Status.KEPT, verdict


def test_giving_up_long_before_the_deadline() -> None:
    """Is no other than without one; an attempt that would have had too little time need not be made."""
    policy = Policy(jitter="none", defect="one less")
    words = contract(policy, operation="fetch")
    assert verify(words, hurried(policy), others=[deadline("60s")])[0].status is Status.BROKEN
    seen = tries("GET 503", "+100 GET 503", deadline_ns=12 * NS_PER_S)
    assert judged(promise(), seen)[0] == "broken"
    beside = Sharing(within_ns=2 * NS_PER_S, attempt_ns=2 * NS_PER_S)
    assert not list(broken(Case(promise(), (seen,), sharing=beside)))


def test_a_deadline_alone_does_not_make_few_attempts_right() -> None:
    """Where no wait is declared nobody knows whether another attempt would have fitted: unknown."""
    policy = Policy(jitter="none", defect="one less")
    words = contract(policy, operation="fetch", backoff=None)
    verdict, _ = verify(words, hurried(policy), others=[deadline("60s")])
    assert verdict.status is Status.UNKNOWN


def test_a_total_that_leaves_no_time_for_a_repeat() -> None:
    """Whoever gives up at once after a refused connection was right, too; that is no proof."""
    policy = Policy(jitter="none", total=0.05 * S)
    verdict, _ = verify(contract(policy), hurried(policy))
    assert verdict.status is Status.UNKNOWN
