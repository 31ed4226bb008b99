"""Plays a plan against a simulated service, without sockets: the history that a runner would write.

A service is a function from a call to a generator. It yields what it waits for (`Ask` its dependency,
`Sleep`, `Until` something holds) and returns the status of its answer. On a held clock everything
runs until nobody can go on, in an order drawn by ``rng``; in real time each event takes a while.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Final, Literal

from harness.history import (
    Arrival,
    Call,
    ClockMoved,
    Event,
    FaultBegan,
    FaultEnded,
    History,
    Rested,
    TargetStarted,
)
from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Jump,
    Leave,
    Mark,
    Played,
    Reaching,
    Release,
    Step,
    Trial,
    Wait,
)
from harness.script import USUAL, Answer, Rule, Script

EPOCH_NS: Final = 1_700_000_000 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """One attempt at a dependency; answered with a status, or None: cut off or given up."""

    dependency: str
    timeout_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """The service waits by its own clock."""

    ns: int


@dataclass(frozen=True, slots=True)
class Until:
    """The service waits until that holds, asked whenever anything has happened."""

    holds: Callable[[], bool]


class ClientGone(Exception):
    """Thrown into a call whose client went away, if the service notices."""


class TimedOut(Exception):
    """Thrown into a call whose attempt took too long."""


class CutOff(Exception):
    """Thrown into a call whose attempt ended without an answer."""


class Refused(CutOff):
    """Thrown into a call whose attempt found nobody listening."""


Serving = Generator[Ask | Sleep | Until, int | None, int]
Serve = Callable[[Call, Callable[[], int]], Serving]
"""From a call and a clock to what the service does for it."""


@dataclass(slots=True)
class _Work:
    index: int
    serving: Serving
    group: str
    asked: int | None = None
    until: Until | None = None
    generation: int = 0


@dataclass(slots=True)
class Simulator:
    """One service that was just started, its witnesses, and the clock.

    Args:
        serve: the service.
        operations: the promise's, called in turn.
        rng: draws orders and, in real time, how long things take.
        mean_ns: in real time the mean of each of them; None: the clock is held.
        notices: whether the service notices that a client has left.
        tokens: whether attempts carry the token of their call.
    """

    serve: Serve
    operations: Sequence[str]
    rng: Random
    mean_ns: int | None = None
    notices: bool = True
    tokens: bool = True
    now_ns: int = 1_000_000_000
    at_ns: int = 50_000_000_000
    calls: list[Call] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    counts: dict[tuple[str, int, str], int] = field(default_factory=dict)
    works: dict[int, _Work] = field(default_factory=dict)
    asking: dict[int, int] = field(default_factory=dict)
    ready: list[Callable[[], None]] = field(default_factory=list)
    timers: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    groups: dict[str, list[int]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        clock: Literal["frozen", "real"] = "frozen" if self.held else "real"
        self.others.append(
            TargetStarted(
                seq=self._seq(),
                at_ns=self.at_ns,
                target_ns=self.now_ns,
                clock=clock,
                exclusive=True,
            )
        )

    @property
    def held(self) -> bool:
        """Whether the clock is held."""
        return self.mean_ns is None

    def play(self, trial: Trial) -> tuple[History, Played]:
        """The trial's plan, to its end."""
        steps, began, at = [], [], []
        for step in trial.steps:
            began.append(self.now_ns)
            at.append(self.at_ns)
            steps.append(tuple(self._step(step)))
        self._tick()
        own = [index for each in steps for index in each]
        played = Played(
            steps=tuple(steps),
            first_call=min(own, default=0),
            end_call=max(own, default=-1) + 1,
            began_ns=(*began, self.now_ns),
            at_ns=(*at, self.at_ns),
            groups={name: tuple(each) for name, each in self.groups.items()},
        )
        return self.history(), played

    def history(self) -> History:
        """All facts so far."""
        order = {id(event): event.written_seq for event in self.calls}
        order |= {id(event): event.seq for event in self.others}  # type: ignore[union-attr]
        events = sorted([*self.calls, *self.others], key=lambda event: order[id(event)])
        return History(tuple(events), tuple(self.arrivals))

    # -- steps ------------------------------------------------------------------------------------

    def _step(self, step: Step) -> list[int]:
        match step:
            case Answering():
                self.scripts[step.dependency] = step.script
                self.counts.clear()
            case Fire():
                return self._fire(step)
            case Release():
                self._release(step)
            case Leave():
                self._leave(step)
            case Mark():
                self.marks[step.name] = self.now_ns
            case Wait():
                since = self.now_ns if step.since == "now" else self.marks[step.since]
                self._pass_until(since + step.ns)
            case Jump():
                self._jump(step.most_ns)
            case CountResources():
                pass  # nobody counts the processes of a simulation
            case Reaching():
                self._reaching(step)
            case _:
                raise TypeError(f"{step} is not simulated")
        return []

    def _reaching(self, step: Reaching) -> None:
        """Connects are refused from here on, or succeed again."""
        self._tick()
        if step.how == "open":
            self.away.discard(step.dependency)
            healed = FaultEnded(
                seq=self._seq(),
                at_ns=self.at_ns,
                target_ns=self.now_ns,
                dependency=step.dependency,
                data_kept=True,
            )
            self.others.append(healed)
            return
        self.away.add(step.dependency)
        cut = FaultBegan(
            seq=self._seq(),
            at_ns=self.at_ns,
            target_ns=self.now_ns,
            dependency=step.dependency,
            fault="refused",
            effect=1,
        )
        self.others.append(cut)

    def _fire(self, step: Fire) -> list[int]:
        made: list[int] = []
        for number in range(step.times):
            operation = step.operation or self.operations[number % len(self.operations)]
            index = self._write(operation, step.group)
            made.append(index)
            if not step.together:
                self._rest()
                rejected = self.calls[index].ended_ns is not None and not self._reached(index)
                if step.until is not None and rejected == (step.until == "rejected"):
                    break
        if step.together:
            self._rest()
        return made

    def _write(self, operation: str, group: str) -> int:
        index = len(self.calls)
        self._tick()
        self.calls.append(_call(index, operation, self._seq(), self.at_ns, self.now_ns))
        self.groups.setdefault(group, []).append(index)
        work = _Work(index, self.serve(self.calls[index], lambda: self.now_ns), group)
        self.works[index] = work
        self.ready.append(lambda: self._advance(work, None))
        return index

    def _reached(self, index: int) -> bool:
        return any(arrival.body == b"%d" % index for arrival in self.arrivals)

    def _release(self, step: Release) -> None:
        held = [
            place
            for place, arrival in enumerate(self.arrivals)
            if arrival.state == "held"
            and arrival.dependency == step.dependency
            and place in self.asking
            and (step.group is None or self.works[self.asking[place]].group == step.group)
        ]
        if step.order == "random":
            self.rng.shuffle(held)
        elif step.order == "newest":
            held.reverse()
        for place in held[: step.times]:
            self.ready.append(lambda place=place: self._end(place, step.answer))  # type: ignore[misc]
        self._rest()

    def _leave(self, step: Leave) -> None:
        under_way = [i for i in self.groups.get(step.group, []) if self.calls[i].ended_ns is None]
        for index in under_way[: step.times]:
            self._tick()
            self.calls[index] = replace(
                self.calls[index], ended_ns=self.at_ns, ended_target_ns=self.now_ns, error="left"
            )
            if self.notices:
                work = self.works[index]
                self.ready.append(lambda work=work: self._advance(work, ClientGone()))  # type: ignore[misc]
        self._rest()

    # -- time -------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Run until nobody can go on; on a held clock that is a fact of its own."""
        while self.ready:
            self._tick()
            self._due()
            self.ready.pop(self.rng.randrange(len(self.ready)))()
            self._wake()
        if self.held:
            self._tick()
            self.others.append(Rested(seq=self._seq(), at_ns=self.at_ns, target_ns=self.now_ns))

    def _wake(self) -> None:
        for work in list(self.works.values()):
            if work.until is not None and work.until.holds():
                work.until = None
                self.ready.append(lambda work=work: self._advance(work, None))  # type: ignore[misc]

    def _due(self) -> None:
        while self.timers and self.timers[0][0] <= self.now_ns:
            self.ready.append(heapq.heappop(self.timers)[2])

    def _tick(self) -> None:
        """A moment later on the machine's clock; in real time also on the target's."""
        took_ns = 1000 if self.mean_ns is None else int(self.rng.expovariate(1 / self.mean_ns)) + 1
        self.at_ns += took_ns
        if not self.held:
            self.now_ns += took_ns

    def _pass_until(self, target_ns: int) -> None:
        while self.timers and self.timers[0][0] <= target_ns:
            self._move(max(self.now_ns, self.timers[0][0]))
            self._due()
            self._rest()
        self._move(target_ns)
        self._rest()

    def _jump(self, most_ns: int) -> None:
        end_ns = self.now_ns + most_ns
        while any(call.ended_ns is None for call in self.calls):
            if not self.timers or self.timers[0][0] > end_ns:
                self._move(end_ns)
                break
            self._move(max(self.now_ns, self.timers[0][0]))
            self._due()
            self._rest()
        self._rest()

    def _move(self, target_ns: int) -> None:
        if target_ns <= self.now_ns:
            return
        self._tick()
        before_ns, self.now_ns = self.now_ns, max(self.now_ns, target_ns)
        if self.held:
            moved = ClockMoved(
                seq=self._seq(),
                at_ns=self.at_ns,
                from_target_ns=before_ns,
                to_target_ns=target_ns,
                why="plan",
            )
            self.others.append(moved)
        else:
            self.at_ns += self.now_ns - before_ns

    # -- the service and its dependencies ------------------------------------------------------------

    def _advance(self, work: _Work, given: int | Exception | None) -> None:
        if work.index not in self.works:
            return
        work.generation += 1
        if work.asked is not None and isinstance(given, Exception):
            self._gone(work.asked)
        work.asked = work.until = None
        try:
            if isinstance(given, Exception):  # noqa: SIM108
                wanted = work.serving.throw(given)
            else:
                wanted = work.serving.send(given)
        except StopIteration as stop:
            self._answer(work.index, stop.value)
        except ClientGone:
            del self.works[work.index]
        else:
            self._want(work, wanted)

    def _want(self, work: _Work, wanted: Ask | Sleep | Until) -> None:
        match wanted:
            case Ask():
                generation = work.generation
                self.ready.append(lambda: self._arrive(work, wanted, generation))
                if wanted.timeout_ns is not None:
                    self._timer(work, wanted.timeout_ns, TimedOut())
            case Sleep():
                self._timer(work, wanted.ns, None)
            case Until():
                work.until = wanted

    def _timer(self, work: _Work, ns: int, given: Exception | None) -> None:
        generation = work.generation

        def fire() -> None:
            if work.generation == generation:
                self._advance(work, given)

        heapq.heappush(self.timers, (self.now_ns + ns, next(self.numbers), fire))

    def _arrive(self, work: _Work, ask: Ask, generation: int) -> None:
        if work.generation != generation:
            return
        if ask.dependency in self.away:
            self._advance(work, Refused())
            return
        place = len(self.arrivals)
        call = self.calls[work.index]
        self.arrivals.append(
            replace(
                _arrival(place, work.index, self.at_ns, self.now_ns),
                dependency=ask.dependency,
                token=call.token if self.tokens else None,
            )
        )
        work.asked, self.asking[place] = place, work.index
        answer = self._scripted(ask.dependency, call)
        if answer.hold:
            return
        if answer.delay_ns:
            heapq.heappush(
                self.timers,
                (
                    self.now_ns + answer.delay_ns,
                    next(self.numbers),
                    lambda: self._end(place, answer),
                ),
            )
        else:
            self.ready.append(lambda: self._end(place, answer))

    def _scripted(self, dependency: str, call: Call) -> Answer:
        for number, rule in enumerate(self.scripts.get(dependency, ())):
            return self._by(
                rule, (dependency, number, "" if rule.per == "all" else str(call.token))
            )
        return USUAL

    def _by(self, rule: Rule, key: tuple[str, int, str]) -> Answer:
        place = self.counts.get(key, 0)
        self.counts[key] = place + 1
        if place < len(rule.answers):
            return rule.answers[place]
        return rule.then or rule.answers[place % len(rule.answers)]

    def _end(self, place: int, answer: Answer) -> None:
        arrival = self.arrivals[place]
        if arrival.state != "held":
            return
        self.arrivals[place] = replace(
            arrival,
            state="answered" if answer.cut is None else "cut",
            status=answer.status if answer.cut is None else None,
            ended_ns=self.at_ns,
            ended_target_ns=self.now_ns,
            ended_wall_ns=EPOCH_NS + self.now_ns,
        )
        work = self.works.get(self.asking.pop(place))
        if work is not None and work.asked == place:
            given = answer.status if answer.cut is None else CutOff()
            self.ready.append(lambda: self._advance(work, given) if work.asked == place else None)

    def _gone(self, place: int) -> None:
        arrival = self.arrivals[place]
        if arrival.state == "held":
            self.asking.pop(place, None)
            self.arrivals[place] = replace(
                arrival,
                state="gone",
                ended_ns=self.at_ns,
                ended_target_ns=self.now_ns,
                ended_wall_ns=EPOCH_NS + self.now_ns,
            )

    def _answer(self, index: int, status: int) -> None:
        del self.works[index]
        if self.calls[index].ended_ns is not None:
            return
        self._tick()
        self.calls[index] = replace(
            self.calls[index],
            status=status,
            answered_seq=self._seq(),
            answered_target_ns=self.now_ns,
            ended_ns=self.at_ns,
            ended_target_ns=self.now_ns,
        )

    def _seq(self) -> int:
        return next(self.numbers)


def _call(index: int, operation: str, seq: int, at_ns: int, now_ns: int) -> Call:
    return Call(
        operation=operation,
        caller="a",
        identity=None,
        source="127.0.0.1",
        forwarded=None,
        connection=index,
        written_seq=seq,
        answered_seq=None,
        written_ns=at_ns,
        first_byte_ns=None,
        last_byte_ns=None,
        sent_target_ns=now_ns,
        answered_target_ns=None,
        sent_wall_ns=EPOCH_NS + now_ns,
        answered_wall_ns=None,
        status=None,
        token=f"sp-00c0ffee-{index}",
    )


def _arrival(place: int, index: int, at_ns: int, now_ns: int) -> Arrival:
    return Arrival(
        dependency="",
        number=place + 1,
        connection=place,
        use=1,
        method="GET",
        path="/",
        headers=(),
        body=b"%d" % index,
        digest="",
        token=None,
        at_ns=at_ns,
        target_ns=now_ns,
        wall_ns=EPOCH_NS + now_ns,
        state="held",
    )
