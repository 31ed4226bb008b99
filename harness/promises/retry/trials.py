"""The trials of ``retry`` as plans: "What `retry` means", section 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from harness.plan import Answering, Fire, Jump, Leave, Reaching, Step, Trial, Wait
from harness.promises.retry.law_trials import growth, laws, outage, some
from harness.promises.retry.parts import CONNECTION, TIMEOUT
from harness.promises.retry.scene import HANGING, REAL, RESET, SUCCESS, Scene, failing, often
from harness.promises.retry.words import Retry
from harness.script import Answer, Rule, Script
from harness.units import NS_PER_MS, NS_PER_S, format_duration

STATUSES: Final = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
_USUAL_TIMEOUT_NS: Final = 120 * NS_PER_S
_LONG_S: Final = 45
_ADVISED: Final = tuple(
    (s, form.format(s)) for s in (1, 7, _LONG_S) for form in ("{}", "{{date+{}}}")
)
"""What is told; the long ones cost the most, so each form of them comes after one status only."""
_SUCCESSES_MOST: Final = 8


_OPEN_ANYHOW: Final = ("T5 spread", "T5 growth", "T8")
"""Trials of so many failures at once that a breaker opens in their midst."""


def trials(scene: Scene) -> Iterator[Trial]:
    """All trials of a promise, in the order of what they cost; a breaker is closed before each."""
    for trial in _trials(scene):
        if trial.steps and not trial.name.startswith(_OPEN_ANYHOW):
            yield replace(trial, steps=(*scene.closing, *trial.steps))
        else:
            yield trial


def _trials(scene: Scene) -> Iterator[Trial]:
    yield from _always(scene)
    yield from _after_failures(scene)
    yield from _matrix(scene)
    yield from _timeout(scene)
    yield from _refused(scene)
    yield from _retry_after(scene)
    yield from _total(scene)
    yield from _client_gone(scene)
    yield from _reused(scene)
    yield from laws(scene)
    yield from some(scene)
    yield from growth(scene)
    yield from outage(scene)


def _always(scene: Scene) -> Iterator[Trial]:
    n = scene.attempts
    statuses = [503]
    if scene.promise.retry_on is None or 500 in scene.promise.retry_on:
        statuses.append(500)
    cells = [
        (n - 1, scene.cell(str(status), often(failing(status), n * n + 1), times=n))
        for status in statuses
    ]
    yield Trial(
        name="T1 always",
        purpose="how often and how late a failing call is tried",
        steps=scene.paced(cells),
    )


def _after_failures(scene: Scene) -> Iterator[Trial]:
    n = scene.attempts
    counts = [k for k in range(n) if k < _SUCCESSES_MOST or k == n - 1]
    if scene.promise.most is None:
        counts = [0, 1]
    cells = ((k, scene.cell(f"after {k}", often(failing(503), k))) for k in counts)
    yield Trial(name="T3 success", purpose="a success ends the sequence", steps=scene.paced(cells))


def _matrix(scene: Scene) -> Iterator[Trial]:
    """Each status and a reset, for each operation; only what the words judge."""
    promise = scene.promise
    statuses = STATUSES
    extra = {o for word in (promise.retry_on, promise.never_on) for o in word or ()}
    asked = {o for o in extra if isinstance(o, int)}
    for name, method in scene.operations:
        listed = method in promise.methods and promise.methods[method] == "all"
        judged: Sequence[int] = sorted({*statuses, *asked})
        if promise.retry_on is None and listed:
            judged = sorted({503, *(s for s in asked if isinstance(s, int))})
        n = scene.attempts
        answers = {**{str(status): failing(status) for status in judged}, "reset": RESET}
        cells = (
            (
                0 if group.isdigit() and not _may_repeat(promise, int(group)) else n - 1,
                scene.cell(group, often(answer, n + 1), operation=name),
            )
            for group, answer in answers.items()
        )
        yield Trial(
            name=f"T2 matrix {name}",
            purpose="which failures of which requests are repeated",
            steps=scene.paced(cells),
        )


def _may_repeat(promise: Retry, status: int) -> bool:
    return promise.retry_on is None or status in promise.retry_on


def _judged(promise: Retry, outcome: str) -> bool:
    """Whether the words say what follows such a failure of a listed request."""
    if promise.retry_on is not None:
        return True
    return promise.never_on is not None and outcome in promise.never_on


def _timeout(scene: Scene) -> Iterator[Trial]:
    """Answers that never come: the target gives each attempt up by itself."""
    promise, n = scene.promise, scene.attempts
    each_ns = _USUAL_TIMEOUT_NS if promise.call_timeout is None else promise.call_timeout + NS_PER_S
    for name, method in scene.operations:
        if method in promise.methods and not _judged(promise, TIMEOUT):
            continue
        cannot = None
        if not scene.frozen and promise.call_timeout is None:
            cannot = "on a running clock it needs `call_timeout`, to know how long to wait"
        script: Script = (Rule(answers=(HANGING,) * (n + 1), then=SUCCESS),)
        steps = (
            Answering(dependency=scene.dependency, script=script),
            Fire(group=TIMEOUT, operation=name, fresh=True),
            Jump((n + 1) * each_ns + scene.waits_ns),
            Wait(ns=scene.settle_ns),
        )
        yield Trial(
            name=f"T2 timeout {name}",
            purpose="an answer that does not come",
            steps=() if cannot else steps,
            cannot=cannot,
        )


def _refused(scene: Scene) -> Iterator[Trial]:
    """A refused connection sends nothing: what comes once it is open again is a second try."""
    promise = scene.promise
    if promise.retry_on is None or CONNECTION not in promise.retry_on:
        return
    cannot = None if scene.frozen else REAL
    steps = (
        Answering(dependency=scene.dependency, script=often(SUCCESS, 1)),
        Fire(group="warm", operation=scene.first, fresh=True),
        Jump(scene.waits_ns),
        Reaching(scene.dependency, "refuse"),
        Fire(group="refused", operation=scene.first, fresh=True),
        Reaching(scene.dependency, "open"),
        Jump(scene.waits_ns),
        Wait(ns=scene.settle_ns),
    )
    yield Trial(
        name="T2 refused",
        purpose="a connection that is refused",
        steps=() if cannot else steps,
        cannot=cannot,
    )


def _retry_after(scene: Scene) -> Iterator[Trial]:
    promise = scene.promise
    if not promise.respects_retry_after:
        return
    statuses = [s for s in (429, 503) if promise.retry_on is None or s in promise.retry_on]
    if promise.retry_on is None:
        statuses = [503]
    cells = [
        (1, _advised(scene, status, told_s, value))
        for number, status in enumerate(statuses)
        for told_s, value in _ADVISED
        if told_s != _LONG_S or len(statuses) == 1 or number == value.startswith("{")
    ]
    if cells:
        yield Trial(
            name="T4 Retry-After",
            purpose="it waits as long as it is told, in seconds and until a date",
            steps=scene.paced(cells),
        )


def _advised(scene: Scene, status: int, told_s: int, value: str) -> tuple[Step, ...]:
    most_ns = 0 if scene.promise.gives_up else 2 * told_s * NS_PER_S + 2 * scene.waits_ns
    answer = failing(status, retry_after=value)
    return (
        Answering(dependency=scene.dependency, script=often(answer, 1)),
        Fire(group=f"{status} {value}", operation=scene.first, fresh=True),
        Jump(scene.waits_ns + 3 * told_s * NS_PER_S),
        Wait(ns=most_ns + scene.settle_ns + 370 * NS_PER_MS),
    )


def _total(scene: Scene) -> Iterator[Trial]:
    total = scene.promise.total
    if total is None:
        return
    cells = [
        (
            scene.attempts - 1,
            (
                Answering(
                    dependency=scene.dependency,
                    script=often(failing(503, after_ns=int(share * total)), scene.attempts + 1),
                ),
                Fire(group=f"{share}", operation=scene.first, fresh=True),
                Jump(total * (scene.attempts + 1) + scene.waits_ns),
                Wait(ns=scene.settle_ns),
            ),
        )
        for share in (0.45, 0.97)
    ]
    yield Trial(
        name="T6 total",
        purpose=f"no attempt begins more than {format_duration(total)} after the first",
        steps=scene.paced(cells) if scene.frozen else (),
        cannot=None if scene.frozen else REAL,
    )


def _client_gone(scene: Scene) -> Iterator[Trial]:
    if scene.promise.client_gone is None:
        return
    yield Trial(
        name="T7 client gone",
        purpose="it stops when its client has left",
        steps=(
            Answering(dependency=scene.dependency, script=often(failing(503), scene.attempts + 1)),
            Fire(group="gone", operation=scene.first, fresh=True),
            Leave(group="gone"),
            Wait(ns=scene.waits_ns),
        ),
    )


def _reused(scene: Scene) -> Iterator[Trial]:
    """A kept connection dies under the second request; a client library may try that one again."""
    for name, method in scene.operations:
        if method in scene.promise.methods and not _judged(scene.promise, CONNECTION):
            continue
        once = Answer(cut="before", cut_by="close")
        yield Trial(
            name=f"T9 reused {name}",
            purpose="a kept connection that dies without an answer",
            steps=(
                Answering(dependency=scene.dependency),
                Fire(group="warm", operation=name, fresh=True),
                Jump(scene.waits_ns),
                Answering(
                    dependency=scene.dependency, script=(Rule(answers=(once,), then=SUCCESS),)
                ),
                Fire(group="reused", operation=name, fresh=True),
                Jump(scene.waits_ns),
                Wait(ns=scene.settle_ns),
            ),
        )
