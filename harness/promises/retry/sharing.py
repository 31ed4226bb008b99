"""What other promises of the contract say of the same calls: who may refuse them, who ends them.

A refused attempt never arrives, and who has answered makes no further one: both explain that fewer are
seen than were promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.numbers import Numbers, rules_of
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.promises.deadline.words import Deadline
from harness.promises.retry.words import Retry

_NEVER_REFUSE: Final = ("retry", "deadline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """How plans keep a breaker closed.

    Attributes:
        fewest: one failure less than this certainly leaves it closed.
        rest_ns: so long after its opening it certainly lets a call through, and has forgotten all others.
        successes: so many good calls, one after another, certainly close it then.
    """

    fewest: int
    rest_ns: int
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The other promises of the same calls.

    Attributes:
        refusing: names of those that may keep an attempt from the dependency.
        within_ns: the caller is answered so soon after its call, None where nothing says so.
        attempt_ns: how long an attempt may take that is made; who has no time left for that may make none.
        breaking: the breakers among them; None where there is none.
    """

    refusing: tuple[str, ...] = ()
    within_ns: int | None = None
    attempt_ns: int = 0
    breaking: Breaking | None = None


ALONE: Final = Sharing()
"""No other promise speaks of the calls."""


def sharing(promise: Retry, dependency: str, around: Surroundings) -> Sharing:
    """What the contract's other promises say of the calls of this one."""
    others = list(_others(promise, dependency, around))
    deadlines = [each for each in others if isinstance(each, Deadline)]
    timeouts = [promise.call_timeout or 0, *(each.call_timeout or 0 for each in deadlines)]
    return Sharing(
        refusing=tuple(each.id for each in others if each.kind not in _NEVER_REFUSE),
        within_ns=min((each.within for each in deadlines), default=None),
        attempt_ns=max(timeouts),
        breaking=_breaking([each for each in others if isinstance(each, CircuitBreaker)], around),
    )


def _others(promise: Retry, dependency: str, around: Surroundings) -> Iterator[Any]:
    for other in around.promises:
        if other.id == promise.id:
            continue
        ours = not set(other.operation).isdisjoint(promise.operation)
        beside = isinstance(other, CircuitBreaker) and other.scope != "operation"
        if isinstance(other, CircuitBreaker) and other.dependency != dependency:
            continue
        if ours or beside:
            yield other


def _breaking(breakers: Sequence[CircuitBreaker], around: Surroundings) -> Breaking | None:
    numbers = [Numbers(rules_of(each, frozen=around.frozen), around.frozen) for each in breakers]
    if not numbers:
        return None
    return Breaking(
        fewest=min(each.fewest for each in numbers),
        rest_ns=max(max(each.due_ns(), each.forgotten_ns) for each in numbers),
        successes=max(each.successes for each in numbers),
    )
