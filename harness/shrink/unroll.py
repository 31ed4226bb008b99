"""A plan as it was played: every repetition, mark and advice becomes fixed calls and waits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from harness.plan import (
    Cut,
    Fire,
    Flight,
    Heal,
    Jump,
    Mark,
    Phase,
    Played,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
)
from harness.units import NS_PER_MS

Steps = tuple[Step, ...]

_ROUNDING_NS: Final = 10 * NS_PER_MS
"""An event loop rounds its timers anew each time: what had ended by then has ended so much later."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One step as it was played.

    Attributes:
        step: fixed: a Wait for a span, or a step that looks at no answer.
        calls: indexes of its calls in the history.
    """

    step: Step
    calls: tuple[int, ...] = ()


def facts(steps: Sequence[Step], played: Played) -> tuple[Fact, ...]:
    """What was played of a plan, unrolled; a plan that ended early is cut there.

    Args:
        steps: the plan.
        played: its playing; ``began_ns`` holds an instant for each step and for the end.
    """
    spans = [after - before for before, after in pairwise(played.began_ns)]
    return tuple(_facts(zip(steps, played.steps, spans, strict=False)))


def _facts(told: Iterable[tuple[Step, tuple[int, ...], int]]) -> Iterator[Fact]:
    for step, calls, span_ns in told:
        match step:
            case Send():
                yield Fact(replace(step, expect=None), calls)
            case Until() if calls:
                # Each repetition of an Until drew a caller of its own where calls are spread.
                spread = None if step.send.per_caller is None else 1
                send = replace(step.send, times=len(calls), per_caller=spread, expect=None)
                yield Fact(send, calls)
            case Wait(since="now"):
                yield Fact(step)
            case Wait() | WaitAdvised():
                yield Fact(Wait(ns=max(0, span_ns)))
            case Fire():
                if calls:
                    yield Fact(replace(step, times=len(calls), until=None), calls)
            case Jump():
                yield Fact(Wait(ns=min(step.most_ns, span_ns + _ROUNDING_NS)))
            case Mark() | Until():
                pass
            case _:
                yield Fact(step)


def unrolled(steps: Sequence[Step], played: Played) -> Steps:
    """The plan as it was played, tidied."""
    return tidy(fact.step for fact in facts(steps, played))


def guesses(steps: Sequence[Step], played: Played, witness: Collection[int]) -> tuple[Steps, ...]:
    """Plans that a proof's own calls suggest, the smallest first; the last is the whole plan.

    On the recorded history each of them is proof enough, or holds what came before the proof. What
    the service makes of them only the wire can say.

    Args:
        witness: indexes in the history of the calls that prove it.
    """
    told = facts(steps, played)
    wanted = frozenset(witness)
    last = max((n for n, fact in enumerate(told) if wanted & set(fact.calls)), default=len(told))
    until = told[: last + 1]
    callers = {
        fact.step.caller
        for fact in until
        if isinstance(fact.step, Send) and wanted & set(fact.calls)
    }
    proof = [_only(fact, wanted) for fact in until]
    found: tuple[Steps, ...] = (
        tidy(step for step in proof if not isinstance(step, Wait | Phase)),
        tidy(proof),
        tidy(fact.step for fact in until if _of(fact.step, callers)),
        tidy(fact.step for fact in until),
        tidy(fact.step for fact in told),
    )
    if flies(
        steps
    ):  # what follows a call belongs to it: answers of its dependency, its client's end
        found = (tidy(_only(fact, wanted) for fact in told), found[-1])
    return tuple(dict.fromkeys(plan for plan in found if calls_in(plan)))


def flies(steps: Iterable[Step]) -> bool:
    """Whether calls of a plan stay under way."""
    return any(isinstance(step, Flight) for step in steps)


def calls_in(steps: Iterable[Step]) -> bool:
    """Whether a plan makes any call."""
    return any(isinstance(step, Send | Fire) for step in steps)


def _only(fact: Fact, wanted: frozenset[int]) -> Step | None:
    if not isinstance(fact.step, Send | Fire):
        return fact.step
    times = len(wanted & set(fact.calls))
    return replace(fact.step, times=times) if times else None


def _of(step: Step, callers: Collection[str]) -> bool:
    return not isinstance(step, Send) or step.caller in callers


def tidy(steps: Iterable[Step | None]) -> Steps:
    """The same plan in its plainest form: equal neighbours joined, nothing without effect.

    Waits before the first step that acts do nothing in a fresh world, nor does anything after the
    last call, unless calls stay under way; only what was cut can be healed.
    """
    found: list[Step] = []
    away: set[str] = set()
    for step in steps:
        if step is None or _idle(step, away) or (isinstance(step, Wait) and not found):
            continue
        joined = _joined(found[-1], step) if found else None
        if joined is None:
            found.append(_plain(step))
        else:
            found[-1] = joined
    while found and not flies(found) and not isinstance(found[-1], Send | Until):
        found.pop()
    return tuple(found)


def _idle(step: Step, away: set[str]) -> bool:
    """Whether a step changes nothing; ``away`` are the dependencies that are cut off before it."""
    match step:
        case Wait():
            return step.ns == 0
        case Cut():
            if step.dependency in away:
                return True
            away.add(step.dependency)
        case Heal():
            if step.dependency not in away:
                return True
            away.remove(step.dependency)
    return False


def _joined(first: Step, then: Step) -> Step | None:
    """One step that does the same as two, or None."""
    match first, then:
        case Wait(), Wait():
            return Wait(ns=first.ns + then.ns)
        case Send(together=False, per_caller=None | 1), Send(together=False):
            if replace(first, times=1) == replace(then, times=1):
                return replace(first, times=first.times + then.times)
    return None


def _plain(step: Step) -> Step:
    if isinstance(step, Send) and step.together and step.times == 1:
        return replace(step, together=False)
    if isinstance(step, Fire) and step.times == 1:
        return replace(step, together=True)
    return step
