"""A plan as it was played: every repetition, mark and advice becomes fixed calls and waits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from harness.plan import (
    Answering,
    Cut,
    Fire,
    Flight,
    Heal,
    Inject,
    Jump,
    Lift,
    Mark,
    Played,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
)
from harness.script import Script
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
        from_ns, to_ns: when it was played, on the machine's clock.
    """

    step: Step
    calls: tuple[int, ...] = ()
    from_ns: int = 0
    to_ns: int = 0


def facts(steps: Sequence[Step], played: Played) -> tuple[Fact, ...]:
    """What was played of a plan, unrolled; a plan that ended early is cut there.

    Args:
        steps: the plan.
        played: its playing; ``began_ns`` holds an instant for each step and for the end.
    """
    spans = [after - before for before, after in pairwise(played.began_ns)]
    fixed = _fixed(zip(steps, played.steps, spans, strict=False))
    at_ns = list(pairwise(played.at_ns)) or [(0, 0)] * len(spans)
    return tuple(
        replace(fact, from_ns=from_ns, to_ns=to_ns)
        for fact, (from_ns, to_ns) in zip(fixed, at_ns, strict=False)
        if fact is not None
    )


def _fixed(told: Iterable[tuple[Step, tuple[int, ...], int]]) -> Iterator[Fact | None]:
    """Each step as it was played, None where it did nothing."""
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
                fired = replace(step, times=len(calls), until=None)
                yield Fact(fired, calls) if calls else None
            case Jump():
                yield Fact(Wait(ns=min(step.most_ns, span_ns + _ROUNDING_NS)))
            case Mark() | Until():
                yield None
            case _:
                yield Fact(step)


def unrolled(steps: Sequence[Step], played: Played) -> Steps:
    """The plan as it was played, tidied."""
    return tidy(fact.step for fact in facts(steps, played))


def flies(steps: Iterable[Step]) -> bool:
    """Whether calls of a plan stay under way."""
    return any(isinstance(step, Flight) for step in steps)


def calls_in(steps: Iterable[Step]) -> bool:
    """Whether a plan makes any call."""
    return any(isinstance(step, Send | Fire) for step in steps)


def tidy(steps: Iterable[Step | None]) -> Steps:
    """The same plan in its plainest form: equal neighbours joined, nothing without effect.

    Waits before the first step that acts do nothing in a fresh world, nor does anything after the
    last call, unless calls stay under way; only what was cut can be healed, only what was injected
    lifted, and a witness need not be told twice.
    """
    plan, before = _tidied(steps), None
    while plan != before:
        plan, before = _tidied(plan), plan
    return plan


def _tidied(steps: Iterable[Step | None]) -> Steps:
    found: list[Step] = []
    state = _State()
    for step in steps:
        if step is None or state.stays(step) or (isinstance(step, Wait) and not found):
            continue
        joined = _joined(found[-1], step) if found else None
        if joined is None:
            found.append(_plain(step))
        else:
            found[-1] = joined
    while found and not flies(found) and not isinstance(found[-1], Send | Until):
        found.pop()
    return tuple(found)


@dataclass(slots=True)
class _State:
    """What a plan has done to its dependencies until now.

    Attributes:
        away: those that are cut off.
        hurts: names of the faults that last.
        scripts: what each witness was told last.
    """

    away: set[str] = field(default_factory=set)
    hurts: list[str] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)

    def stays(self, step: Step) -> bool:
        """Whether the step changes nothing; what it does change is noted."""
        match step:
            case Wait():
                return step.ns == 0
            case Cut() | Heal():
                before = set(self.away)
                change = self.away.add if isinstance(step, Cut) else self.away.discard
                change(step.dependency)
                return self.away == before
            case Inject():
                self.hurts.append(step.name)
            case Lift():
                if step.name not in self.hurts:
                    return True
                self.hurts.remove(step.name)
            case Answering():
                same = self.scripts.get(step.dependency, ()) == step.script
                self.scripts[step.dependency] = step.script
                # Told again, a witness counts anew: that matters where an answer is one of several.
                return same and not any(rule.answers for rule in step.script)
        return False


def _joined(first: Step, then: Step) -> Step | None:
    """One step that does the same as two, or None."""
    match first, then:
        case Wait(), Wait():
            return Wait(ns=first.ns + then.ns)
        case Send(together=False, per_caller=None | 1), Send(together=False):
            if replace(first, times=1) == replace(then, times=1):
                return replace(first, times=first.times + then.times)
        case Answering(), Answering() if first.dependency == then.dependency:
            return then
    return None


def _plain(step: Step) -> Step:
    if isinstance(step, Send) and step.together and step.times == 1:
        return replace(step, together=False)
    if isinstance(step, Fire) and step.times == 1:
        return replace(step, together=True)
    return step
