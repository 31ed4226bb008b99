"""Smaller plans that a playing itself suggests: what its proof does without. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.history import Arrival, History
from harness.plan import (
    Answering,
    Fire,
    Kill,
    Leave,
    Phase,
    Played,
    Release,
    Send,
    Step,
    Wait,
)
from harness.shrink.unroll import Fact, Steps, calls_in, facts, flies, tidy


def guesses(
    steps: Sequence[Step],
    played: Played,
    witness: Collection[int],
    history: History | None = None,
) -> tuple[Steps, ...]:
    """Plans that a proof's own calls suggest, the smallest first; the last is the whole plan.

    On the recorded history each of them is proof enough, or holds what came before the proof. What
    the service makes of them only the wire can say.

    Args:
        witness: indexes in the history of the calls that prove it.
        history: where they stand, needed for plans whose calls stay under way.
    """
    told = facts(steps, played)
    wanted = frozenset(witness)
    past = history or History()
    found = _flying(told, played, wanted, past) if flies(steps) else _answered(told, wanted)
    plans = (tidy(fact.step for fact in each) for each in (*found, told))
    return tuple(dict.fromkeys(plan for plan in plans if calls_in(plan)))


# -- calls that are answered before the next is made ---------------------------------------------


def _answered(told: Sequence[Fact], wanted: frozenset[int]) -> tuple[Sequence[Fact], ...]:
    """The proof's calls at once, with their waits, then all of its callers, then all before them."""
    last = max((n for n, fact in enumerate(told) if wanted & set(fact.calls)), default=len(told))
    until = told[: last + 1]
    callers = {
        fact.step.caller
        for fact in until
        if isinstance(fact.step, Send) and wanted & set(fact.calls)
    }
    proof = [fact for fact in (_only(fact, wanted) for fact in until) if fact is not None]
    return (
        [fact for fact in proof if not isinstance(fact.step, Wait | Phase)],
        proof,
        [fact for fact in until if _of(fact.step, callers)],
        until,
    )


def _only(fact: Fact, wanted: frozenset[int]) -> Fact | None:
    if not isinstance(fact.step, Send | Fire):
        return fact
    times = len(wanted & set(fact.calls))
    return replace(fact, step=replace(fact.step, times=times)) if times else None


def _of(step: Step, callers: Collection[str]) -> bool:
    return not isinstance(step, Send) or step.caller in callers


# -- calls that stay under way ---------------------------------------------------------------------


def _flying(
    told: Sequence[Fact], played: Played, wanted: frozenset[int], history: History
) -> tuple[Sequence[Fact], ...]:
    """What the proof's calls went through, without what met other calls or none.

    What follows a call belongs to it: answers of its dependency, its client's end.
    """
    proof = tuple(fact for fact in (_only(fact, wanted) for fact in told) if fact is not None)
    return _Met.by(played, wanted, history).of(proof), _Met.by(played, None, history).of(told)


@dataclass(frozen=True, slots=True)
class _Met:
    """Which steps have met calls.

    Attributes:
        arrivals: of the calls that count; those of no known call are theirs too.
        groups: names of groups that hold one of these calls.
    """

    arrivals: tuple[Arrival, ...]
    groups: frozenset[str]

    @classmethod
    def by(cls, played: Played, wanted: Collection[int] | None, history: History) -> _Met:
        """Of these calls of a playing, or (None) of all of them."""
        calls = history.calls
        own = {index for step in played.steps for index in step}
        mine = own if wanted is None else own.intersection(wanted)
        tokens = {calls[index].token for index in mine if index < len(calls)}
        from_ns, to_ns = (played.at_ns[0], played.at_ns[-1]) if played.at_ns else (0, 0)
        return cls(
            arrivals=tuple(
                each
                for each in history.arrivals
                if from_ns <= each.at_ns <= to_ns and (each.token is None or each.token in tokens)
            ),
            groups=frozenset(
                name for name, group in played.groups.items() if mine.intersection(group)
            ),
        )

    def of(self, told: Sequence[Fact]) -> tuple[Fact, ...]:
        """The steps without those that met none of the calls."""
        return tuple(self._kept(told))

    def _kept(self, told: Sequence[Fact]) -> Iterator[Fact]:
        until = dict(self._until(told))
        for place, fact in enumerate(told):
            match fact.step:
                case Answering():
                    met = self._arrived(fact.step.dependency, fact.from_ns, until.get(place))
                    if met:
                        yield fact
                case Release():
                    times = self._ended(fact.step.dependency, fact.from_ns, fact.to_ns)
                    asked = fact.step.times
                    if times:
                        fewer = None if asked is None else min(asked, times)
                        yield replace(fact, step=replace(fact.step, times=fewer))
                case Leave() | Kill():
                    if fact.step.group in self.groups:
                        yield fact
                case _:
                    yield fact

    def _until(self, told: Sequence[Fact]) -> Iterator[tuple[int, int]]:
        """The place of each script that was replaced by another, and when it was."""
        scripts = [
            (place, fact.step.dependency, fact.from_ns)
            for place, fact in enumerate(told)
            if isinstance(fact.step, Answering)
        ]
        for name in {dependency for _, dependency, _ in scripts}:
            own = [(place, at_ns) for place, dependency, at_ns in scripts if dependency == name]
            yield from ((place, at_ns) for (place, _), (_, at_ns) in pairwise(own))

    def _arrived(self, dependency: str, from_ns: int, to_ns: int | None) -> bool:
        return any(
            each.dependency == dependency
            and from_ns <= each.at_ns
            and (to_ns is None or each.at_ns < to_ns)
            for each in self.arrivals
        )

    def _ended(self, dependency: str, from_ns: int, to_ns: int) -> int:
        return sum(
            each.dependency == dependency
            and each.ended_ns is not None
            and from_ns <= each.ended_ns <= to_ns
            for each in self.arrivals
        )
