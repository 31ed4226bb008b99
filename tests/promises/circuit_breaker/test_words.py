"""What a contract may say of a breaker, and what it is told otherwise."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from harness.models.breaker.rules import Consecutive, Counted, Timed, Trials, Weak
from harness.promises.circuit_breaker.numbers import Numbers, rules_of
from harness.units import NS_PER_S
from tests.promises.circuit_breaker.simulated import promise

RATE = {"rate": 0.5, "minimum": 10, "over": "60s"}


@pytest.mark.parametrize(
    ("words", "trip"),
    [
        ({"consecutive": 5}, Consecutive(5)),
        ({"failures": 5}, Weak(5, 5)),
        ({"failures": 5, "within": "60s"}, Timed(within_ns=60 * NS_PER_S, failures=5)),
        (
            {**RATE, "window": "rolling"},
            Timed(within_ns=60 * NS_PER_S, rate=Fraction(1, 2), minimum=10, rolling=True),
        ),
        ({**RATE, "over": "100 calls"}, Counted(last=100, rate=Fraction(1, 2), minimum=10)),
    ],
)
def test_trips(words: dict[str, Any], trip: object) -> None:
    """Each rule that may open a breaker, as the model has it."""
    assert rules_of(promise(trips=words)).trips == (trip,)


def test_the_weakest_promise_knows_the_successes() -> None:
    """A library whose success threshold clears failures too opens after the larger of the two."""
    half = {"permits": 1, "successes": 8}
    assert rules_of(promise(trips={"failures": 5}, half_open=half)).trips == (Weak(5, 8),)


def test_half_open() -> None:
    """By successes, by a share, none at all, or nothing said."""
    assert rules_of(promise(half_open={"permits": 2, "successes": 3})).trials == Trials(
        permits=2, successes=3
    )
    assert rules_of(promise(half_open={"trials": 10, "rate": 0.5})).trials == Trials(
        successes=10, rate=Fraction(1, 2)
    )
    assert rules_of(promise(half_open="none")).trials is None
    silent = rules_of(promise(half_open=None))
    assert silent.trials == Trials()
    assert silent.half_open_seen


def test_recovery_grows_up_to_its_cap() -> None:
    """Each failed trial doubles it, and jitter widens both edges."""
    words = {"after": "20s", "growth": 2, "cap": "1min", "jitter": 0.1, "resolution": "exact"}
    recovery = rules_of(promise(recovery=words)).recovery
    assert [recovery.nominal_ns(level) // NS_PER_S for level in range(4)] == [20, 40, 60, 60]
    assert not recovery.may_be_over(17 * NS_PER_S, 0)
    assert recovery.may_be_over(18 * NS_PER_S, 0)
    assert recovery.longest_ns(1) == 44 * NS_PER_S + recovery.guard_ns


def test_what_is_due_and_what_is_early() -> None:
    """A recovery of 60 s may be counted in whole seconds; one of 5 s may not."""
    slow = Numbers(rules_of(promise()), frozen=True)
    assert (slow.due_ns(), slow.early_ns()) == (61_010_000_000, 59_000_000_000)
    fast = Numbers(rules_of(promise(recovery="5s")), frozen=True)
    assert (fast.due_ns(), fast.early_ns()) == (5_010_000_000, 4_990_000_000)
    only = Numbers(rules_of(promise(recovery=None, recovers_within="2min")), frozen=True)
    assert only.due_ns() > 120 * NS_PER_S
    assert only.rules.recovery.may_be_over(1, 0)


def test_operations_may_be_written_either_way() -> None:
    """`operation` and `operations` mean the same; nobody may write both."""
    assert promise(operation=None, operations=["find", "list"]).operation == ("find", "list")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"trips": {}}, "write one of `consecutive`, `failures` and `rate`"),
        ({"trips": {"consecutive": 3, "failures": 2}}, "in each rule"),
        ({"trips": {"consecutive": 3, "within": "1s"}}, "within: goes with `failures`"),
        ({"trips": {"rate": 0.5}}, "rate: needs `over`"),
        ({"trips": {**RATE, "over": "60"}}, 'or a number of calls, as in "100 calls"'),
        ({"trips": {**RATE, "over": "9 calls"}}, "10 results never stand in 9 calls"),
        ({"trips": {"consecutive": 3, "window": "rolling"}}, "window: only a window of time"),
        ({"trips": []}, "at least 1"),
        ({"counts": ["6xx"]}, "5xx"),
        ({"recovery": None}, "recovery: say how long it stays open"),
        ({"recovery": {"after": "60s", "cap": "5s"}}, "cap: 5s is shorter than `after`, 60s"),
        ({"half_open": {}}, "half_open: say something"),
        ({"half_open": {"trials": 4}}, "trials: goes with `rate`"),
        ({"half_open": {"trials": 4, "rate": 0.5, "successes": 2}}, "successes: either"),
        ({"open": {"status": 503}, "fallback": {"status": 200}}, "write either `open` or"),
        ({"operations": ["find"]}, "operations: means the same"),
        ({"operation": None}, "`operation` is missing"),
        ({"concurrent": 1}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_is_told(words: dict[str, Any], said: str) -> None:
    """The message opens with the key that is meant, and says what would be right."""
    with pytest.raises(ValidationError) as error:
        promise(**words)
    assert said in str(error.value)
