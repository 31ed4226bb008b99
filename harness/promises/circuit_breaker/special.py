"""What three trials look at beside the model: workers, neighbours, and calls at once."""

from __future__ import annotations

from collections.abc import Iterator

from harness.history import Arrival, Call, Resources
from harness.plan import Fire
from harness.promises.circuit_breaker import sentences
from harness.promises.circuit_breaker.check import Facts
from harness.promises.circuit_breaker.counting import NAME
from harness.promises.circuit_breaker.plans import Phase
from harness.promises.circuit_breaker.rivals import is_success, may_be_anothers
from harness.verdict import Finding


def counted(facts: Facts) -> Iterator[Finding]:
    """Several workers, one breaker each: no refusal before the threshold, no more than all may pass."""
    if facts.trial.name != NAME:
        return
    workers, needed = processes(facts), facts.n.fewest
    order = sorted(facts.stretch.calls)
    failed = 0
    for index in order:
        call = facts.stretch.calls[index]
        if index in facts.stretch.attempts:
            failed += len(facts.stretch.attempts[index])
        elif index in facts.story.rejected and failed < needed:
            at_ns = facts.instant(call.sent_target_ns)
            yield Finding(
                half="threshold",
                said=sentences.workers_early(failed, needed, at_ns),
                key=call.caller,
                calls=tuple(each for each in order if each <= index),
                proof={"failures": failed, "needed": needed, "origin_ns": facts.origin_ns},
            )
            return
    most = workers * facts.n.fill
    if failed > most and facts.around.frozen:
        yield Finding(
            half="threshold",
            said=sentences.workers_late(failed, most, workers),
            key=facts.stretch.calls[order[-1]].caller,
            calls=tuple(index for index in order if index in facts.stretch.attempts),
            proof={"failures": failed, "most": most, "origin_ns": facts.origin_ns},
        )


def processes(facts: Facts) -> int:
    """How many processes may have served at most: all that were there, masters among them."""
    counts = [
        len(event.pids)
        for event in facts.events
        if isinstance(event, Resources) and event.at_ns >= facts.played.at_ns[0]
    ]
    return max([facts.around.serving or 1, *counts])


def cut_off(facts: Facts) -> Iterator[Finding]:
    """Another operation that got through before the opening, and not after."""
    reached: set[str] = set()
    for _, step, calls in facts.groups():
        if Phase.of(step.group) is not Phase.OTHER or step.operation is None:
            continue
        for index in calls:
            call = facts.calls[index]
            dependency = _witness_of(facts, step)
            if _arrived(facts, call, dependency):
                reached.add(step.operation)
            elif (
                step.operation in reached
                and call.status is not None
                and not is_success(facts.around, call)
                and not may_be_anothers(facts.promise, facts.around, call)
            ):
                at_ns = facts.instant(call.sent_target_ns)
                yield Finding(
                    half="neighbours",
                    said=sentences.cut_off(step.operation, dependency, at_ns),
                    key=call.caller,
                    calls=tuple(sorted({*facts.stretch.calls, index} & {*range(index + 1)})),
                    proof={"origin_ns": facts.origin_ns, "dependency": dependency},
                )
                return


def unreached(facts: Facts) -> str | None:
    """Another operation that was answered though nothing arrived: of it nothing can be said."""
    return next(
        (
            step.operation
            for _, step, calls in facts.groups()
            if Phase.of(step.group) is Phase.OTHER and step.operation is not None
            for index in calls
            if not _arrived(facts, facts.calls[index], _witness_of(facts, step))
        ),
        None,
    )


def in_turn(facts: Facts) -> Iterator[Finding]:
    """Fewer calls at once through the closed breaker than declared, though the service can."""
    wanted = facts.promise.concurrent
    if wanted is None or facts.trial.name != "T0 at once":
        return
    inside = at_once(facts)
    if inside is None:
        return
    own, beside, operation = inside
    if own < wanted <= beside:
        yield Finding(
            half="at_once",
            said=sentences.in_turn(own, wanted, operation, beside),
            key=facts.calls[min(facts.own)].caller,
            calls=tuple(sorted(facts.own)),
            proof={"inside": own, "beside": beside, "origin_ns": facts.origin_ns},
        )


def at_once(facts: Facts) -> tuple[int, int, str] | None:
    """Calls inside at once through the breaker and beside it, and through which operation."""
    found: list[tuple[int, str]] = []
    for place, step, calls in facts.groups():
        if place + 1 >= len(facts.played.at_ns):
            return None
        end_ns = facts.played.at_ns[place + 1]
        dependency = (
            facts.promise.dependency if step.operation is None else _witness_of(facts, step)
        )
        inside = sum(
            any(each.at_ns <= end_ns for each in _of(facts, facts.calls[index], dependency))
            for index in calls
        )
        found.append((inside, step.operation or ""))
    if len(found) < 2:
        return None
    return found[0][0], found[1][0], found[1][1]


def _witness_of(facts: Facts, step: Fire) -> str:
    operation = facts.around.operations.get(step.operation or "")
    if operation is None or not operation.uses or step.operation in facts.promise.operation:
        return facts.promise.dependency
    return operation.uses[0]


def _arrived(facts: Facts, call: Call, dependency: str) -> bool:
    return bool(_of(facts, call, dependency))


def _of(facts: Facts, call: Call, dependency: str) -> list[Arrival]:
    """The arrivals of a call: by its token, else those while it was under way."""
    there = [each for each in facts.stretch.arrivals if each.dependency == dependency]
    own = [each for each in there if call.token is not None and each.token == call.token]
    end_ns = call.ended_ns or facts.stretch.until_ns
    return own or [
        each for each in there if each.token is None and call.written_ns <= each.at_ns <= end_ns
    ]
