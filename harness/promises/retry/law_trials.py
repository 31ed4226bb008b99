"""Trials of many callers: the law of the waits, callers that come back together, an outage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.models.backoff.looks import LOOKS
from harness.models.backoff.spread import CALLERS, WAVES
from harness.plan import Answering, Fire, Jump, Step, Trial, Wait
from harness.promises.retry.scene import ALIKE, REAL, SETTLED, TOLD_APART, Scene, failing, often
from harness.script import Script
from harness.units import NS_PER_MS, NS_PER_S

WAVE: Final = 12
"""Callers that fail at the same instant, as many as the first look needs."""
_WAVE: Final = "wave"
OUTAGE_CALLS: Final = 300
_OUTAGE_WAVE: Final = 30
_FIRST_LOOKS: Final = 3
_GROWTH_WAVES: Final = 5


def _wave(scene: Scene, group: str, callers: int, script: Script) -> tuple[Step, ...]:
    """Callers that fail at the same instant, and a pause that ends on no round one."""
    budget = scene.promise.budget
    forgotten_ns = 0 if budget is None else budget.over
    return (
        Answering(dependency=scene.dependency, script=script),
        Fire(group=group, times=callers, operation=scene.first, fresh=True),
        Jump(scene.waits_ns),
        Wait(ns=forgotten_ns + scene.waits_ns // 7 + 1_370 * NS_PER_MS + 123_457),
    )


def laws(scene: Scene) -> Iterator[Trial]:
    """Waves of callers, until the law is settled: first three looks, then one each."""
    laws = scene.promise.laws
    if not laws:
        return
    purpose = "the law of the waits"
    if not scene.frozen:
        yield Trial(name="T5 waits", purpose=purpose, steps=(), cannot=REAL)
        return
    if laws[0].family == "none":
        steps = _waves(scene, 2, 1)
        yield Trial(name="T5 waits", purpose=purpose, steps=steps)
        return
    stages = (LOOKS[_FIRST_LOOKS - 1], *LOOKS[_FIRST_LOOKS:])
    together = _callers(scene)
    for callers, missing, kind in ((together, ALIKE, "waves"), (1, TOLD_APART, "one by one")):
        for calls in stages:
            yield Trial(
                name=f"T5 {calls} calls, {kind}",
                purpose=purpose,
                steps=_waves(scene, calls // callers, callers),
                needed=False,
                unless=frozenset({SETTLED, missing}),
            )


def _waves(scene: Scene, count: int, callers: int) -> tuple[Step, ...]:
    """So many waves of callers of which all attempts fail."""
    script = _failing_for_all(scene, callers)
    waves = (_wave(scene, f"{_WAVE} {i}", callers, script) for i in range(count))
    # The pauses for a budget are in the waves.
    return replace(scene, promise=scene.promise.model_copy(update={"budget": None})).paced(
        (scene.attempts * callers - 1, wave) for wave in waves
    )


def _callers(scene: Scene) -> int:
    """How many may fail together: one beside a breaker; with a budget as its reserve has attempts for."""
    if scene.breaking is not None:
        return 1
    budget = scene.promise.budget
    if budget is None:
        return WAVE
    room = budget.reserve // max(1, scene.attempts - 1)
    return max((each for each in (1, 2, 3, 4, 6, WAVE) if each <= room), default=1)


def _failing_for_all(scene: Scene, callers: int) -> Script:
    return often(failing(503), callers * (scene.attempts + 1))


def some(scene: Scene) -> Iterator[Trial]:
    """Waves of which each caller's first attempt fails."""
    backoff = scene.promise.backoff
    if backoff is None or backoff.jitter.name != "some":
        return
    if not scene.frozen:
        yield Trial(name="T5 spread", purpose="callers come back apart", steps=(), cannot=REAL)
        return
    for number, unless in ((1, frozenset[str]()), (2, frozenset({SETTLED}))):
        waves = [
            _wave(scene, f"wave {i}", CALLERS, often(failing(503), CALLERS)) for i in range(WAVES)
        ]
        yield Trial(
            name=f"T5 spread {number}",
            purpose="callers that fail together come back apart",
            steps=tuple(step for wave in waves for step in wave),
            needed=False,
            unless=unless,
        )


def growth(scene: Scene) -> Iterator[Trial]:
    """Waves of callers of which all attempts fail."""
    backoff = scene.promise.backoff
    if backoff is None or not backoff.growing or not scene.frozen:
        return
    waves = [
        _wave(scene, f"growth {i}", CALLERS, _failing_for_all(scene, CALLERS))
        for i in range(_GROWTH_WAVES)
    ]
    yield Trial(
        name="T5 growth",
        purpose="each wait is longer than the one before, in the median",
        steps=tuple(step for wave in waves for step in wave),
    )


def outage(scene: Scene) -> Iterator[Trial]:
    budget = scene.promise.budget
    if budget is None:
        return
    waves = OUTAGE_CALLS // _OUTAGE_WAVE
    pause_ns = min(NS_PER_S, budget.over // (4 * waves))
    steps: list[Step] = [
        Answering(
            dependency=scene.dependency,
            script=often(failing(503), OUTAGE_CALLS * (scene.attempts + 1)),
        )
    ]
    for i in range(waves):
        steps += (
            Fire(group=f"wave {i}", times=_OUTAGE_WAVE, operation=scene.first, fresh=True),
            Jump(scene.waits_ns),
            Wait(ns=pause_ns),
        )
    yield Trial(
        name="T8 outage",
        purpose="many callers in an outage do not multiply into many more requests",
        steps=tuple(steps),
    )


def looks_of(trial: Trial) -> tuple[int, ...]:
    """The looks that a trial of the waits takes: the first few together, then one each."""
    first = LOOKS[:_FIRST_LOOKS]
    calls = sum(
        step.times
        for step in trial.steps
        if isinstance(step, Fire) and step.group.startswith(_WAVE)
    )
    return first if calls <= first[-1] else (calls,)
