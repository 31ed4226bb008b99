"""The trials; their numbers are those of "What `concurrency_limit` means", section 3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from harness.plan import (
    Answering,
    Fire,
    Jump,
    Kill,
    Leave,
    Release,
    Step,
    Trial,
    Wait,
)
from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.holding import control_of, witness_of
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.script import HOLD, USUAL, Answer, always
from harness.units import NS_PER_MS, NS_PER_S

ROUNDS: Final = 10
KILLS: Final = 5
BURSTS: Final = 50
CONTROL: Final = "control"
"""Group of the calls that show how many the service serves at once."""
_ENDINGS: Final = 10
_UNDER_TEST: Final = 0.7
_BURST_MOST: Final = 80
_QUEUE_SEEN: Final = 4
_TIMEOUTS_NS: Final = 150 * NS_PER_S
_LATE_REFUSALS_NS: Final = 5 * NS_PER_S
_ANSWERS: Final = {"ok": USUAL, "error": Answer(status=500), "reset": Answer(cut="before")}
WAYS: Final = ("ok", "error", "reset", "client gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the trials are made of.

    Attributes:
        limit: N, of each process.
        queue: q; where none is declared, some calls more, to see who waits.
        full: calls that fill all slots and places, of all processes.
        over: beyond them, at least 3.
        dependencies: the witnesses whose requests are held.
        control: an operation without this limit that uses the first of them.
    """

    limit: int
    queue: int
    full: int
    over: int
    dependencies: tuple[str, ...]
    control: str | None
    fresh: bool
    frozen: bool
    rng: Random

    @property
    def hold(self) -> tuple[Step, ...]:
        """From now on every request is held."""
        return tuple(Answering(dependency=each, script=always(HOLD)) for each in self.dependencies)

    @property
    def drain(self) -> tuple[Step, ...]:
        """All are answered, those who wait too."""
        return self.drained(USUAL)

    def drained(self, answer: Answer) -> tuple[Step, ...]:
        """Those held are answered; who comes after them, or once more, is answered so."""
        fails = answer != USUAL
        script = always(answer) if fails else ()
        later = (Jump(most_ns=_TIMEOUTS_NS),) if fails and self.frozen else ()
        return (
            *(Answering(dependency=each, script=script) for each in self.dependencies),
            *(Release(dependency=each) for each in self.dependencies),
            *later,
        )

    def fire(self, group: str, times: int, **more: str) -> Fire:
        """Calls written together, on connections of their own."""
        return Fire(group=group, times=times, fresh=self.fresh, **more)  # type: ignore[arg-type]

    def release(self, answer: Answer = USUAL) -> Release:
        """One of those held is answered, whichever."""
        return Release(
            dependency=self.rng.choice(self.dependencies), answer=answer, times=1, order="random"
        )


def numbers(promise: ConcurrencyLimit, around: Surroundings) -> Numbers | str:
    """The numbers of the trials, or why there can be none."""
    held = [witness_of(name, around) for name in promise.operation]
    without = [name for name, dep in zip(promise.operation, held, strict=True) if dep is None]
    if without:
        return (
            f"operation {without[0]} names no witness under `uses`, so nothing can be held there; "
            "name the dependency, of kind witness, that the operation waits for"
        )
    dependencies = tuple(dict.fromkeys(each for each in held if each is not None))
    queue = _QUEUE_SEEN if promise.queue is None else promise.queue
    processes = promise.workers if promise.scope == "process" else 1
    return Numbers(
        limit=promise.limit,
        queue=queue,
        full=processes * (promise.limit + queue),
        over=max(3, promise.limit),
        dependencies=dependencies,
        control=control_of(promise, around),
        fresh=promise.key == "global",
        frozen=around.frozen,
        rng=around.rng,
    )


def trials(promise: ConcurrencyLimit, around: Surroundings) -> tuple[Trial, ...]:
    """The trials of the declared words, the one that tells most first."""
    n = numbers(promise, around)
    if isinstance(n, str):
        return (Trial(name="T2 saturate", purpose=_SATURATE, steps=(), cannot=n),)
    return (
        *_width(n),
        *_saturate(n),
        *_keys(promise, n),
        *(_ways(n, way) for way in WAYS),
        _timeouts(n),
        *_kills(promise, n),
        *_leavers(promise, n),
        *_queue_timeout(promise, n),
        _bursts(n),
    )


_SATURATE: Final = "more calls than slots and places, all held: so many inside, so many waiting"


def _width(n: Numbers) -> Iterator[Trial]:
    """T1, where an operation can show it."""
    if n.control is None:
        return
    fire = n.fire(CONTROL, n.full + 3, operation=n.control)
    yield Trial(
        name="T1 control",
        purpose="how many calls the service serves at once where no limit is promised",
        steps=(*n.hold, fire, *n.drain),
    )


def _saturate(n: Numbers) -> Iterator[Trial]:
    fire = n.fire("full", n.full + n.over)
    late = (Wait(ns=_LATE_REFUSALS_NS),) if n.frozen else ()
    yield Trial(name="T2 saturate", purpose=_SATURATE, steps=(*n.hold, fire, *late, *n.drain))


def _keys(promise: ConcurrencyLimit, n: Numbers) -> Iterator[Trial]:
    if promise.key == "global":
        return
    yield Trial(
        name="T3 keys",
        purpose="one caller at its limit leaves another alone, and a new connection is no new caller",
        steps=(
            *n.hold,
            n.fire("full", n.full + 1),
            n.fire("other", 1, caller="b"),
            n.fire("other full", n.full, caller="b"),
            n.fire("again", 1),
            *n.drain,
        ),
    )


def _ways(n: Numbers, way: str) -> Trial:
    """Rounds of filling up, ending ten one by one, seven of them in one way, and filling up again."""
    steps: list[Step] = [*n.hold]
    for number in range(1, ROUNDS + 1):
        group = f"round {number}"
        beyond = n.rng.choice((0, n.full - n.limit + 2))
        steps += [n.fire(group, n.limit + beyond), *_ending(n, group, way)]
        steps.append(n.fire(f"{group}, more", n.queue + 2))
        for _ in range(min(_ENDINGS, n.full) - 1):
            chosen = way if n.rng.random() < _UNDER_TEST else "ok"
            steps += _ending(n, group, chosen)
        steps += [*n.drained(_ANSWERS.get(way, USUAL)), *n.hold]
    steps += [n.fire(f"round {ROUNDS}, after", n.full + 2), *n.drain]
    return Trial(
        name=f"T6 {way}",
        purpose=f"the slot comes back, once, after {way}; who waits gets in at once",
        steps=tuple(steps),
    )


def _ending(n: Numbers, group: str, way: str) -> Sequence[Step]:
    if way in _ANSWERS:
        return (n.release(_ANSWERS[way]),)
    oldest = tuple(Release(dependency=each, times=1) for each in n.dependencies)
    return Leave(group=group, times=1, waiting=False), *oldest


def _timeouts(n: Numbers) -> Trial:
    """All time out together, as often as the service's own timers let them."""
    steps: list[Step] = [*n.hold]
    for number in range(1, ROUNDS + 1):
        group = f"round {number}"
        steps += [n.fire(group, n.full + 2), Jump(most_ns=_TIMEOUTS_NS), *n.drain, *n.hold]
    steps += [n.fire(f"round {ROUNDS}, after", n.full + 2), *n.drain]
    purpose = "the slot comes back after a timeout of the service's own"
    if not n.frozen:
        cannot = "on a real clock its timeouts would be waited for; a held clock would settle it"
        return Trial(name="T6 timeout", purpose=purpose, steps=(), needed=False, cannot=cannot)
    return Trial(name="T6 timeout", purpose=purpose, steps=tuple(steps), needed=False)


def _kills(promise: ConcurrencyLimit, n: Numbers) -> Iterator[Trial]:
    purpose = "the slots of a process that was killed come back"
    if promise.workers == 1:
        cannot = "a service of one process is gone when it is killed; `workers` would say otherwise"
        yield Trial(name="T6 killed", purpose=purpose, steps=(), needed=False, cannot=cannot)
        return
    steps: list[Step] = [*n.hold]
    for number in range(1, KILLS + 1):
        group = f"round {number}"
        steps += [n.fire(group, n.full + 2), Kill(group), *n.drain, *n.hold]
    steps += [n.fire(f"round {KILLS}, after", n.full + 2), *n.drain]
    yield Trial(name="T6 killed", purpose=purpose, steps=tuple(steps))


def _leavers(promise: ConcurrencyLimit, n: Numbers) -> Iterator[Trial]:
    purpose = "a caller that leaves while it waits takes its place along"
    if promise.queue == 0:
        cannot = "nobody waits where the queue is 0"
        yield Trial(name="T5 leavers", purpose=purpose, steps=(), needed=False, cannot=cannot)
        return
    steps: list[Step] = [*n.hold]
    for number in range(1, ROUNDS + 1):
        group = f"round {number}"
        steps += [
            n.fire(group, n.full),
            Leave(group=group, times=1, waiting=True),
            n.fire(f"{group}, next", 1),
            n.release(),
            n.release(),
            n.fire(f"{group}, more", n.queue + 2),
            *n.drain,
            *n.hold,
        ]
    steps += [n.fire(f"round {ROUNDS}, after", n.full + 2), *n.drain]
    yield Trial(name="T5 leavers", purpose=purpose, steps=tuple(steps))


def _queue_timeout(promise: ConcurrencyLimit, n: Numbers) -> Iterator[Trial]:
    due_ns = promise.queue_timeout
    if due_ns is None:
        return
    purpose = "who has waited as long as declared is refused, and not before"
    if not n.frozen and due_ns > 10 * NS_PER_S:
        cannot = "on a real clock it would be waited for; a held clock would settle it"
        yield Trial(name="T8 queue timeout", purpose=purpose, steps=(), cannot=cannot)
        return
    short_ns = max(1, due_ns - 2 * NS_PER_MS)
    yield Trial(
        name="T8 queue timeout",
        purpose=purpose,
        steps=(
            *n.hold,
            n.fire("full", n.full),
            Wait(ns=short_ns),
            Wait(ns=due_ns - short_ns + 5 * NS_PER_MS),
            n.fire("more", n.queue + 2),
            *n.drain,
        ),
    )


def _bursts(n: Numbers) -> Trial:
    size = max(n.full + 3, min(4 * n.limit, _BURST_MOST))
    steps: list[Step] = []
    for number in range(1, BURSTS + 1):
        steps += [*n.hold, n.fire(f"round {number}", size), *n.drain]
    return Trial(
        name="T7 bursts",
        purpose=f"{BURSTS} bursts of {size} calls at the same moment: check and act are one",
        steps=tuple(steps),
    )
