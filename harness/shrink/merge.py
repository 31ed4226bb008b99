"""One step that may do for several: neighbours of one kind, answers that need not be held. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.plan import Answering, Fire, Kill, Leave, Release, Step
from harness.script import Answer, always
from harness.shrink.unroll import Steps


def merged(steps: Sequence[Step], at: int | None = None) -> Steps:
    """The plan with neighbours of one kind as one step; with ``at`` only that step and the next.

    Not quite the same: the target does not rest between them any more.
    """
    found: list[Step] = []
    names: dict[str, str] = {}
    for place, step in enumerate(steps):
        then = _renamed(step, names)
        one = _as_one(found[-1], then) if found and at in {None, place - 1} else None
        if one is None:
            found.append(then)
            continue
        if isinstance(then, Fire) and isinstance(one, Fire):
            names[then.group] = one.group
        found[-1] = one
    return tuple(found)


def unheld(steps: Steps, at: int) -> Iterator[Steps]:
    """Plans in which a script that holds answers at once what is released until the next script.

    Args:
        at: the place of the script's step.
    """
    step = steps[at]
    if not isinstance(step, Answering) or not _holds(step):
        return
    end = next(
        (n for n in range(at + 1, len(steps)) if _of(steps[n], Answering, step.dependency)),
        len(steps),
    )
    released = [n for n in range(at + 1, end) if _of(steps[n], Release, step.dependency)]
    answers = [one.answer for n in released if isinstance(one := steps[n], Release)]
    for answer in dict.fromkeys(answers):
        told = replace(step, script=always(answer))
        left = [one for n, one in enumerate(steps) if n not in released]
        yield tuple(told if n == at else one for n, one in enumerate(left))


def _as_one(first: Step, then: Step) -> Step | None:
    match first, then:
        case Release(), Release() if replace(first, times=then.times) == then:
            return replace(first, times=_sum(first.times, then.times))
        case Leave(), Leave() if replace(first, times=then.times) == then:
            return replace(first, times=_sum(first.times, then.times))
        case Fire(), Fire() if _plain(first) == replace(_plain(then), group=first.group):
            at_once = first.together and then.together and max(first.times, then.times) > 1
            return replace(first, times=first.times + then.times, together=at_once)
    return None


def _plain(fire: Fire) -> Fire:
    return replace(fire, times=1, together=True)


def _sum(first: int | None, then: int | None) -> int | None:
    return None if first is None or then is None else first + then


def _renamed(step: Step, names: dict[str, str]) -> Step:
    if isinstance(step, Release | Leave | Kill | Fire) and step.group in names:
        return replace(step, group=names[step.group])
    return step


def _holds(step: Answering) -> bool:
    answers: list[Answer | None] = [
        one for rule in step.script for one in (*rule.answers, rule.then)
    ]
    return any(one is not None and one.hold for one in answers)


def _of(step: Step, kind: type[Answering | Release], dependency: str) -> bool:
    return isinstance(step, kind) and step.dependency == dependency
