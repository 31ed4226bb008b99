"""Judges one playing of a trial: what no reading explains, what looks wrong, and what was not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.history import Call, Event, History
from harness.models.breaker.readings import Reading, told, unbound
from harness.models.breaker.search import Decision, decide
from harness.plan import Fire, Played, Trial
from harness.promises.answer_form import lacking
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker import sentences
from harness.promises.circuit_breaker.matching import Stretch, stretch
from harness.promises.circuit_breaker.numbers import Numbers, rules_of
from harness.promises.circuit_breaker.reading import Reader, Story, call_of
from harness.promises.circuit_breaker.rivals import may_be_anothers
from harness.promises.circuit_breaker.telling import Tale
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.units import NS_PER_S
from harness.verdict import Finding

_SLOW_LEAST = 3
_SLOW_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Facts:
    """One playing of one trial, read.

    Attributes:
        promise, around, trial, played: what was played, for whom and where.
        stretch: what happened since the target started.
        story: the same as points.
        n: the numbers.
        calls: all calls of the history, for those that are told of.
        events: all else that it holds, too.
    """

    promise: CircuitBreaker
    around: Surroundings
    trial: Trial
    played: Played
    stretch: Stretch
    story: Story
    n: Numbers
    calls: tuple[Call, ...]
    events: tuple[Event, ...]

    @property
    def origin_ns(self) -> int:
        """Instants are told from the beginning of the plan on."""
        return self.played.began_ns[0] if self.played.began_ns else 0

    @property
    def own(self) -> frozenset[int]:
        """The calls of this playing."""
        return frozenset(index for calls in self.played.steps for index in calls)

    def groups(self) -> Iterator[tuple[int, Fire, tuple[int, ...]]]:
        """Each step that fires calls: its place, itself and its calls."""
        for place, calls in enumerate(self.played.steps):
            step = self.trial.steps[place]
            if isinstance(step, Fire):
                yield place, step, calls

    def instant(self, ns: int | None) -> int:
        """From the beginning of the plan on."""
        return (ns or 0) - self.origin_ns


def facts_of(
    promise: CircuitBreaker, around: Surroundings, history: History, trial: Trial, played: Played
) -> Facts:
    """Read one playing."""
    operations = promise.operation[:1] if promise.scope == "operation" else promise.operation
    until_ns = played.at_ns[-1] if played.at_ns else None
    seen = stretch(history, operations, promise.dependency, until_ns)
    ours = frozenset(
        index for index, call in seen.calls.items() if not may_be_anothers(promise, around, call)
    )
    return Facts(
        promise=promise,
        around=around,
        trial=trial,
        played=played,
        stretch=seen,
        story=Reader(promise, seen, ours=ours).story(),
        n=Numbers(rules_of(promise, frozen=around.frozen), frozen=around.frozen),
        calls=history.calls,
        events=history.events,
    )


@dataclass
class Search:
    """The decision on one playing, in each way to read its attempts."""

    facts: Facts

    @cached_property
    def decisions(self) -> Mapping[str, Decision]:
        """By the name of the reading; the first that explains everything is enough."""
        found: dict[str, Decision] = {}
        for name, points in self.facts.story.readings.items():
            found[name] = decide(self.facts.n.rules, points)
            if found[name].fatal is None and not found[name].tangled:
                return {name: found[name]}
        return found

    @property
    def contradicted(self) -> Tale | None:
        """The contradiction, if every reading has one: the one that comes last is told."""
        tales = [
            Tale(self.facts.n, decision, decision.fatal, self.facts.origin_ns, name)
            for name, decision in self.decisions.items()
            if decision.fatal is not None
        ]
        if len(tales) < len(self.decisions):
            return None
        return max(tales, key=lambda tale: tale.fatal.time[0], default=None)

    @property
    def tangled(self) -> bool:
        """No reading explains it all, and for one at least the search was given up."""
        return any(each.tangled for each in self.decisions.values()) and not self.explained

    @property
    def explained(self) -> bool:
        """Some reading explains all."""
        return any(each.fatal is None and not each.tangled for each in self.decisions.values())

    def seen(self) -> frozenset[str]:
        """Readings that this playing has settled, in words."""
        initial = unbound(self.facts.n.rules)
        found: set[str] | None = None
        for decision in self.decisions.values():
            for state in decision.states:
                settled = {
                    f"seen {name.replace('_', ' ')}: {way}"
                    for name, way in told(state.masks, initial).items()
                    if " or " not in way and name != Reading.HALF_OPEN_BY.name.lower()
                }
                found = settled if found is None else found & settled
        return frozenset(found or ())


def findings(facts: Facts, search: Search) -> Iterator[Finding]:
    """Everything that is proved against the promise in this playing."""
    tale = search.contradicted
    if tale is not None and facts.own.intersection(map(call_of, tale.fatal.group.calls)):
        yield tale.finding(facts.calls[call_of(tale.fatal.group.calls[0])].caller)
    yield from _wrong_form(facts)
    yield from _slow(facts)


def _wrong_form(facts: Facts) -> Iterator[Finding]:
    """The first refusal that does not look as declared."""
    form = facts.promise.refusal
    if form is None:
        return
    for index in facts.story.rejected:
        call = facts.stretch.calls[index]
        lacks = lacking(form, call)
        if index in facts.own and lacks is not None:
            at_ns = facts.instant(call.ended_target_ns)
            yield Finding(
                half="form",
                said=sentences.form(at_ns, call.status, lacks),
                key=call.caller,
                calls=(index,),
                proof={"missing": lacks, "status": call.status, "origin_ns": facts.origin_ns},
            )
            return


def _slow(facts: Facts) -> Iterator[Finding]:
    """On a real clock: refusals of which all take much longer than declared."""
    form = facts.promise.refusal
    if facts.around.frozen or form is None or form.within is None:
        return
    calls = [facts.stretch.calls[index] for index in facts.story.rejected if index in facts.own]
    took_ns = [(call.ended_ns or call.written_ns) - call.written_ns for call in calls]
    if len(took_ns) < _SLOW_LEAST or min(took_ns) <= form.within + _SLOW_NS:
        return
    yield Finding(
        half="waits",
        said=sentences.slow(len(took_ns), min(took_ns), form.within),
        key=calls[0].caller,
        calls=tuple(index for index in facts.story.rejected if index in facts.own),
        proof={"fastest_ns": min(took_ns), "within_ns": form.within, "origin_ns": facts.origin_ns},
    )
