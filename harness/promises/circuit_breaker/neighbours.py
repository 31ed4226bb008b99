"""Trials beside the breaker: what it must not cut off (15), and calls at once through it when closed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.plan import Answering, Fire, Release, Trial
from harness.promises.circuit_breaker.plans import Phase, Plan
from harness.promises.circuit_breaker.scene import Scene
from harness.script import HOLD, USUAL, always


def neighbour(scene: Scene) -> tuple[str, str] | None:
    """An operation that this breaker must leave alone, and the witness that it calls.

    One of which no other promise speaks is best: nothing else refuses, repeats or delays its calls.
    """
    promise, around = scene.promise, scene.around
    found: list[tuple[str, str]] = []
    for name, operation in around.operations.items():
        if name in promise.operation or len(operation.uses) != 1:
            continue
        uses = operation.uses[0]
        dependency = around.dependencies.get(uses)
        is_other = uses != promise.dependency or promise.scope == "operation"
        if is_other and dependency is not None and dependency.kind == "witness":
            found.append((name, uses))
    spoken_of = {name for other in around.promises for name in other.operation}
    return min(found, key=lambda each: each[0] in spoken_of, default=None)


def neighbours(scene: Scene) -> Iterator[Trial]:
    """Trial 15, where there is another operation with a witness of its own."""
    found = neighbour(scene)
    if found is not None:
        yield scene.trial(
            "T15 neighbours",
            f"{found[0]} is not cut off with {scene.promise.dependency}, nor the other way round",
            lambda plan: _neighbours(plan, *found),
        )


def _neighbours(plan: Plan, operation: str, dependency: str) -> None:
    def theirs(phase: Phase, times: int) -> None:
        group = f"{phase}-{len(plan.steps)}"
        plan.steps.append(Fire(group=group, times=times, together=False, operation=operation))

    plan.answering(USUAL)
    plan.steps.append(Answering(dependency=dependency, script=always(USUAL)))
    theirs(Phase.OTHER, 1)
    plan.opens()
    plan.steps.append(Answering(dependency=dependency, script=always(USUAL)))
    theirs(Phase.OTHER, 2)
    plan.recover()
    plan.steps.append(Answering(dependency=dependency, script=always(plan.fail)))
    theirs(Phase.ANY, plan.n.most)
    plan.good(plan.passes, 2)


def concurrent(scene: Scene) -> Iterator[Trial]:
    """So many calls at once as are declared, and the same beside the breaker for comparison."""
    if scene.promise.concurrent is None:
        return
    yield scene.trial(
        "T0 at once",
        "a closed breaker lets so many calls through at once",
        lambda plan: _at_once(plan, scene),
        together=True,
    )


def _at_once(plan: Plan, scene: Scene) -> None:
    times = scene.promise.concurrent or 1
    found = neighbour(scene)
    plan.held(Phase.PASSES, times)
    plan.release(USUAL, then=USUAL)
    if found is None:
        return
    name, dependency = found
    plan.steps += [
        Answering(dependency=dependency, script=always(HOLD)),
        Fire(group=f"{Phase.OTHER}-control", times=times, operation=name),
        Answering(dependency=dependency, script=always(USUAL)),
        Release(dependency=dependency),
    ]
