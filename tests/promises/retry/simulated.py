"""A world without sockets: services that repeat calls, in virtual time, against a scripted witness.

It plays the steps that the trials of ``retry`` are made of and writes down the facts that a runner
would. A service is a generator: it yields requests and waits, and is told what became of them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from harness.contract.model import Dependency, Operation
from harness.contract.words import Promise
from harness.history import Arrival, Call, Event, History, TargetStarted
from harness.plan import Answering, Fire, Jump, Leave, Played, Reaching, Step, Trial, Wait
from harness.promises.base import Surroundings, TrialResult
from harness.promises.retry.kind import RetryKind
from harness.promises.retry.words import Retry
from harness.script import USUAL, Answer, Script, written
from harness.verdict import Status, Verdict

EPOCH_NS = 1_700_000_000_000_000_000
_UNREAL_NS = 3_600_000_000_000


@dataclass(frozen=True)
class Ask:
    """A request to the witness."""

    method: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What became of it: a status, ``timeout``, ``connection`` or ``refused``."""

    outcome: int | str
    headers: Mapping[str, str] = field(default_factory=dict)


Doing = Generator[Ask | int, Told | None, int]
"""Yields requests, or how many ns to wait; returns the status of the answer to the caller."""


@dataclass(eq=False)
class Flying:
    """A user call under way."""

    index: int
    method: str
    doing: Doing
    left: bool = False


class World:
    """Plays trials on a service; ``service(method, world, flying)`` handles one user call."""

    def __init__(
        self,
        service: Callable[[str, World, Callable[[], bool]], Doing],
        methods: Mapping[str, str],
        rng: Random,
        *,
        timeout_ns: int | None = 30_000_000_000,
        passes_on: bool = True,
        keeps_alive: bool = False,
    ) -> None:
        self.service, self.methods, self.rng = service, methods, rng
        self.timeout_ns, self.passes_on, self.keeps_alive = timeout_ns, passes_on, keeps_alive
        self.now_ns = rng.randrange(_UNREAL_NS)
        self._tick = count(1)
        self._order = count()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._calls: list[Call] = []
        self._flying: dict[int, Flying] = {}
        self._groups: dict[str, list[int]] = {}
        self._arrivals: list[Arrival] = []
        self._script: Script = ()
        self._counts: Counter[int] = Counter()
        self._reach = "open"
        self._kept: tuple[int, int] | None = None  # a kept connection: its number and its uses
        self._connections = count(1)

    # -- what the player sees ------------------------------------------------------------------

    @property
    def history(self) -> History:
        started = TargetStarted(seq=0, at_ns=0, target_ns=0, clock="frozen", exclusive=True)
        events: tuple[Event, ...] = (started, *self._calls)
        return History(events, tuple(self._arrivals))

    @property
    def wall_ns(self) -> int:
        return EPOCH_NS + self.now_ns

    def play(self, trial: Trial) -> Played:
        first = len(self._calls)
        steps: list[tuple[int, ...]] = []
        began: list[int] = []
        at: list[int] = []
        self._groups = {}
        for step in trial.steps:
            began.append(self.now_ns)
            at.append(next(self._tick))
            before = len(self._calls)
            self._do(step)
            steps.append(tuple(range(before, len(self._calls))))
        began.append(self.now_ns)
        at.append(next(self._tick))
        return Played(
            steps=tuple(steps),
            first_call=first,
            end_call=len(self._calls),
            began_ns=tuple(began),
            at_ns=tuple(at),
            groups={name: tuple(calls) for name, calls in self._groups.items()},
        )

    def _do(self, step: Step) -> None:
        match step:
            case Answering():
                self._script, self._counts = step.script, Counter()
            case Reaching():
                self._reach = step.how
            case Fire():
                for _ in range(step.times):
                    self._fire(step)
                self._run(self.now_ns)
            case Leave():
                for index in self._groups[step.group]:
                    self._leave(index)
            case Jump():
                self._run(self.now_ns + step.most_ns, until_done=True)
            case Wait():
                self._run(self.now_ns + step.ns)
            case _:
                raise AssertionError(step)

    def _run(self, until_ns: int, *, until_done: bool = False) -> None:
        """Timers one by one; those of one instant in any order."""
        while self._heap and self._heap[0][0] <= until_ns:
            if until_done and not self._flying:
                return
            due, _, act = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, due)
            act()
        if not (until_done and not self._flying):
            self.now_ns = max(self.now_ns, until_ns)

    def _after(self, ns: int, act: Callable[[], None]) -> None:
        # At one instant the order is open: a random number before the running one.
        order = self.rng.randrange(1 << 20) * (1 << 30) + next(self._order)
        heapq.heappush(self._heap, (self.now_ns + ns, order, act))

    # -- user calls ------------------------------------------------------------------------------

    def _fire(self, step: Fire) -> None:
        index, name = len(self._calls), step.operation or next(iter(self.methods))
        tick = next(self._tick)
        flying = Flying(index, self.methods[name], iter(()))  # type: ignore[arg-type]
        flying.doing = self.service(self.methods[name], self, lambda: flying.left)
        self._calls.append(
            Call(
                operation=name,
                caller=f"key-{index}",
                identity=index,
                source="127.0.0.1",
                forwarded=None,
                connection=index,
                written_seq=tick,
                answered_seq=None,
                written_ns=tick,
                first_byte_ns=None,
                last_byte_ns=None,
                sent_target_ns=self.now_ns,
                answered_target_ns=None,
                sent_wall_ns=self.wall_ns,
                answered_wall_ns=None,
                status=None,
                token=f"sp-{index}",
            )
        )
        self._flying[index] = flying
        self._groups.setdefault(step.group, []).append(index)
        self._after(0, lambda: self._go_on(flying, None))

    def _leave(self, index: int) -> None:
        if index in self._flying:
            self._flying.pop(index).left = True
            self._end(index, error="left")

    def _end(self, index: int, **more: Any) -> None:
        tick = next(self._tick)
        self._calls[index] = replace(
            self._calls[index], ended_ns=tick, ended_target_ns=self.now_ns, **more
        )

    def _go_on(self, flying: Flying, told: Told | None) -> None:
        try:
            wanted = flying.doing.send(told)
        except StopIteration as done:
            if self._flying.pop(flying.index, None) is not None:
                self._end(flying.index, status=done.value, answered_target_ns=self.now_ns)
            return
        if isinstance(wanted, Ask):
            self._arrive(flying, wanted)
        else:
            self._after(wanted, lambda: self._go_on(flying, None))

    # -- the witness -----------------------------------------------------------------------------

    def _answer(self) -> Answer:
        for number, rule in enumerate(self._script):
            place = self._counts[number]
            self._counts[number] += 1
            if place < len(rule.answers):
                return rule.answers[place]
            return rule.then or rule.answers[place % len(rule.answers)]
        return USUAL

    def _arrive(self, flying: Flying, ask: Ask) -> None:
        if self._reach == "refuse":
            self._after(0, lambda: self._go_on(flying, Told("refused")))
            return
        answer, place, tick = self._answer(), len(self._arrivals), next(self._tick)
        connection, use = self._kept or (next(self._connections), 0)
        self._kept = None
        headers = tuple(
            (name.lower(), written(value, self.wall_ns)) for name, value in answer.headers
        )
        self._arrivals.append(
            Arrival(
                dependency="upstream",
                number=place + 1,
                connection=connection,
                use=use + 1,
                method=ask.method,
                path=f"/thing?id=sp-{flying.index}",
                headers=tuple((k.lower(), v) for k, v in ask.headers.items()),
                body=b"",
                digest="",
                token=f"sp-{flying.index}" if self.passes_on else None,
                at_ns=tick,
                target_ns=self.now_ns,
                wall_ns=self.wall_ns,
                state="held",
            )
        )
        over = self.timeout_ns is not None and (answer.hold or answer.delay_ns >= self.timeout_ns)
        if over:
            ends = self.timeout_ns or 0
            self._after(ends, lambda: self._settle(flying, place, Told("timeout"), state="gone"))
        elif answer.cut == "before":
            cut = Told("connection")
            self._after(answer.delay_ns, lambda: self._settle(flying, place, cut, state="cut"))
        elif not answer.hold:
            told = Told(answer.status, dict(headers))
            if self.keeps_alive and not answer.close:
                self._kept = connection, use + 1
            self._after(
                answer.delay_ns,
                lambda: self._settle(
                    flying,
                    place,
                    told,
                    state="answered",
                    status=answer.status,
                    answer_headers=headers,
                ),
            )

    def _settle(self, flying: Flying, place: int, told: Told, **more: Any) -> None:
        self._arrivals[place] = replace(
            self._arrivals[place],
            ended_ns=next(self._tick),
            ended_target_ns=self.now_ns,
            ended_wall_ns=self.wall_ns,
            **more,
        )
        self._go_on(flying, told)


# -- verification --------------------------------------------------------------------------------


def around(
    promise: Retry,
    methods: Mapping[str, str],
    *,
    frozen: bool = True,
    others: Sequence[Promise] = (),
) -> Surroundings:
    """One witness, and operations whose own method is the one that the witness sees."""
    return Surroundings(
        promises=(promise, *others),
        ok={},
        frozen=frozen,
        can_call_from=lambda _: True,
        rng=Random(0),
        operations={
            name: Operation.model_validate(
                {"call": f"{method} /{name}", "uses": ["upstream"]}, strict=False
            )
            for name, method in methods.items()
        },
        dependencies={"upstream": Dependency.model_validate({"kind": "witness"}, strict=False)},
    )


def verify(
    promise: Retry,
    make: Callable[[], World],
    *,
    confirm: int = 0,
    others: Sequence[Promise] = (),
) -> tuple[Verdict, list[TrialResult]]:
    """All trials in turn, each in a world of its own, as a verification plays them."""
    kind, results = RetryKind(), list[TrialResult]()
    methods = make().methods
    known = around(promise, methods, others=others)
    for trial in kind.trials(promise, known):
        if any(trial.unless & result.marks for result in results):
            continue
        if trial.cannot is not None:
            results.append(TrialResult(trial=trial, verdict=Verdict.unknown(trial.cannot)))
            continue
        result = _played(kind, promise, known, trial, make)
        results.append(result)
        if result.verdict.status is Status.BROKEN:
            again = [_played(kind, promise, known, trial, make) for _ in range(confirm)]
            if all(each.verdict.status is Status.BROKEN for each in again):
                return result.verdict, results
    return kind.conclude(promise, results), results


def _played(
    kind: RetryKind, promise: Retry, known: Surroundings, trial: Trial, make: Callable[[], World]
) -> TrialResult:
    world = make()
    played = world.play(trial)
    return kind.judge(promise, known, world.history, trial, played)
