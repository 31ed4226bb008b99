"""A pure world for plans whose calls stay under way: a service of a few lines, a witness, one clock.

No socket, no thread, no time: a queue of what happens next, a heap of timers, and one seeded stream
that decides who comes first. It plays a trial's steps and writes down the same facts as the runner.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final, Protocol

from harness.history import (
    Arrival,
    Call,
    ClockMoved,
    Event,
    History,
    Resources,
    Rested,
    TargetStarted,
)
from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Jump,
    Kill,
    Leave,
    Played,
    Reaching,
    Release,
    Step,
    Trial,
    Wait,
)
from harness.script import USUAL, Answer, Rule, Script
from harness.units import NS_PER_MS, NS_PER_S

_QUIET_NS: Final = 300 * NS_PER_MS
"""In real time: how long nothing new comes before a step is over."""


@dataclass
class Timer:
    """Something that falls due; cancelled, it never happens."""

    due_ns: int
    act: Callable[[], None]
    live: bool = True

    def cancel(self) -> None:
        self.live = False


@dataclass(eq=False)
class Flying:
    """A user call."""

    number: int
    operation: str
    caller: str
    connection: int
    sent_ns: int
    sent_target_ns: int
    half: bool = False
    slow: bool = False
    process: int = 0
    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    answered_target_ns: int | None = None
    error: str | None = None
    ended_ns: int | None = None
    ended_target_ns: int | None = None
    arrived: bool = False

    @property
    def token(self) -> str:
        return f"sp-00000000-{self.number}"


@dataclass(eq=False)
class Attempt:
    """One request of the service to a witness, and who is told what becomes of it."""

    call: Flying | None
    dependency: str
    on: Callable[[str, int], None]
    number: int = 0
    at_ns: int = 0
    target_ns: int = 0
    state: str = "connecting"
    status: int | None = None
    head_target_ns: int | None = None
    ended_ns: int | None = None
    ended_target_ns: int | None = None
    timers: list[Timer] = field(default_factory=list)


class Service(Protocol):
    """A service in a simulated world; it acts through ``world``."""

    def request(self, call: Flying) -> None:
        """A whole request is there."""

    def half(self, call: Flying) -> None:
        """The first half of a request is there."""

    def left(self, call: Flying) -> None:
        """Its client went away."""

    def killed(self, process: int) -> None:
        """One of its processes is gone, and another takes its place."""

    def resources(self) -> tuple[int, int]:
        """Threads and descriptors that it holds, connections left aside."""


class Simple:
    """What most services do: nothing special."""

    world: World

    def half(self, call: Flying) -> None:
        """Wait for the rest."""

    def left(self, call: Flying) -> None:
        """Do not notice."""

    def killed(self, process: int) -> None:
        """It has one process only."""

    def resources(self) -> tuple[int, int]:
        """A few of each."""
        return 4, 10


class World:
    """Plays trials on a service.

    Args:
        service: what is tried; its ``world`` is set to this.
        rng: who comes first, where that is open.
        operations: the operations of the promise, called in turn.
        processes: how many serve; a call goes to any.
        passes_on: requests to the witness carry the token of their call.
        real: the clock is not held: nobody sees the target at rest, and steps end when all is quiet.
    """

    def __init__(
        self,
        service: Any,
        rng: Random,
        *,
        operations: Sequence[str] = ("export",),
        processes: int = 1,
        passes_on: bool = True,
        real: bool = False,
    ) -> None:
        self.service: Service = service
        service.world = self
        self.rng = rng
        self.operations = operations
        self.processes = processes
        self.passes_on = passes_on
        self.real = real
        self.pids = tuple(range(1, processes + 1))
        self.ns, self.target_ns = 1_000, 50 * NS_PER_S
        self._seq, self._turn, self._people = count(1), count(), count(1)
        self._ready: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[int, int, Timer]] = []
        self._events: list[Event] = [
            TargetStarted(seq=0, at_ns=0, target_ns=self.target_ns, clock="frozen", exclusive=True)
        ]
        self.calls: list[Flying] = []
        self.attempts: list[Attempt] = []
        self._open: dict[int, Flying] = {}
        self._held: dict[int, Attempt] = {}
        self._arrived = count(1)
        self._moving: tuple[int, int] | None = None
        self._scripts: dict[str, Script] = {}
        self._counts: dict[tuple[str, int, str], int] = {}
        self._reach: dict[str, str] = {}
        self._groups: dict[str, list[int]] = {}
        self._callers: dict[str, str] = {}
        self.restarts = 0

    # -- for the service ------------------------------------------------------------------------------

    def soon(self, act: Callable[[], None]) -> None:
        """Do it when what is under way is done."""
        self._ready.append(act)

    def after(self, ns: int, act: Callable[[], None]) -> Timer:
        """Do it in so many ns of the target's clock."""
        timer = Timer(self.target_ns + ns, act)
        heapq.heappush(self._timers, (timer.due_ns, next(self._seq), timer))
        return timer

    def ask(
        self, call: Flying | None, on: Callable[[str, int], None], dependency: str = "model"
    ) -> Attempt:
        """Send a request; ``on`` hears connected, refused, head, byte, end (with status), reset, closed."""
        attempt = Attempt(call=call, dependency=dependency, on=on)
        self.attempts.append(attempt)
        self.soon(lambda: self._connect(attempt))
        return attempt

    def close(self, attempt: Attempt) -> None:
        """The service goes away from its request."""
        if attempt.state in ("connecting", "held"):
            attempt.state = "gone" if attempt.state == "held" else "never"
            self._end_attempt(attempt)

    def reply(self, call: Flying, status: int, body: bytes = b"{}") -> None:
        """The answer to a user call, whole."""
        if call.ended_ns is not None or call.status is not None:
            return
        call.status, call.body = status, body
        call.answered_target_ns = self.target_ns
        if call.slow:
            self.after(5 * NS_PER_S, lambda: self._ended(call))
        else:
            self._ended(call)

    def hang_up(self, call: Flying, error: str = "closed") -> None:
        """The service closes a user's connection without an answer."""
        if call.ended_ns is None:
            call.error = error
            self._ended(call)

    # -- for the player -------------------------------------------------------------------------------

    def play(self, trial: Trial) -> Played:
        """Play all steps, then end what is under way."""
        self._groups, self._callers = {}, {}
        first, steps = len(self.calls), list[tuple[int, ...]]()
        began, at = list[int](), list[int]()
        for step in trial.steps:
            self._tick()
            began.append(self.target_ns)
            at.append(self.ns)
            before = len(self.calls)
            self._step(step)
            steps.append(tuple(range(before, len(self.calls))))
            self._rested()
        self._tick()
        played = Played(
            steps=tuple(steps),
            first_call=first,
            end_call=len(self.calls),
            began_ns=(*began, self.target_ns),
            at_ns=(*at, self.ns),
            groups={name: tuple(calls) for name, calls in self._groups.items()},
        )
        self._clean_up()
        return played

    def pass_by(self, ns: int) -> None:
        """Let time pass between trials."""
        self._move(self.target_ns + ns)

    def history(self) -> History:
        """All that happened."""
        calls = [self._call(each) for each in self.calls]
        events = sorted((*self._events, *calls), key=_at)
        arrivals = [each for each in self.attempts if each.number]
        arrivals.sort(key=lambda each: each.at_ns)
        return History(tuple(events), tuple(self._arrival(each) for each in arrivals))

    # -- steps ----------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:  # noqa: C901 (one line a step)
        match step:
            case Answering():
                self._scripts[step.dependency] = step.script
                for key in [key for key in self._counts if key[0] == step.dependency]:
                    del self._counts[key]
            case Fire():
                self._fire(step)
            case Release():
                self._release(step)
            case Leave():
                self._leave(step)
            case Jump():
                self._jump(step.most_ns)
            case Reaching():
                self._reach[step.dependency] = step.how
            case CountResources():
                self._count()
            case Kill():
                self._kill(step.group)
            case Wait():
                self._move(self.target_ns + step.ns)
            case _:
                raise NotImplementedError(step)

    def _fire(self, fire: Fire) -> None:
        made = []
        for _ in range(fire.times):
            self._tick()
            call = self._new(fire)
            made.append(call)
            self._groups.setdefault(fire.group, []).append(call.number)
        self.rng.shuffle(made)
        for call in made:
            self._deliver(call)
        self._run()

    def _deliver(self, call: Flying) -> None:
        act = self.service.half if call.half else self.service.request
        self.soon(lambda: act(call))

    def _new(self, fire: Fire) -> Flying:
        if fire.fresh:
            caller = f"key-{next(self._people)}"
        else:
            caller = self._callers.get(fire.caller) or f"key-{next(self._people)}"
            self._callers[fire.caller] = caller
        turn = next(self._turn) % len(self.operations)
        call = Flying(
            number=len(self.calls),
            operation=fire.operation or self.operations[turn],
            caller=caller,
            connection=len(self.calls),
            sent_ns=self.ns,
            sent_target_ns=self.target_ns,
            half=fire.part == "half",
            slow=fire.slow,
            process=self.rng.randrange(self.processes),
        )
        self.calls.append(call)
        self._open[call.number] = call
        return call

    def _release(self, step: Release) -> None:
        tokens = self._groups.get(step.group, []) if step.group is not None else None
        held = [
            each
            for each in self._held.values()
            if each.dependency == step.dependency
            and (tokens is None or (each.call is not None and each.call.number in tokens))
        ]
        if step.order == "newest":
            held.reverse()
        elif step.order == "random":
            self.rng.shuffle(held)
        for attempt in held[: step.times]:
            self._answer(attempt, step.answer)
        self._run()

    def _leave(self, step: Leave) -> None:
        going = [
            self.calls[number]
            for number in self._groups.get(step.group, ())
            if self.calls[number].ended_ns is None
            and (step.waiting is None or step.waiting != self.calls[number].arrived)
        ]
        for call in going[: step.times]:
            self._go(call)
        self._run()

    def _go(self, call: Flying) -> None:
        call.error = "left"
        self._ended(call)
        self.soon(lambda: self.service.left(call))

    def _kill(self, group: str) -> None:
        arrived = [each for each in self._held.values() if each.call is not None]
        held = [a for a in arrived if a.call and a.call.number in self._groups.get(group, ())]
        if not held or held[0].call is None:
            return
        process = held[0].call.process
        for attempt in arrived:
            if attempt.call is not None and attempt.call.process == process:
                attempt.state = "gone"
                self._end_attempt(attempt)
        for call in [each for each in self._open.values() if each.process == process]:
            self.hang_up(call, "reset")
        self.service.killed(process)
        self.restarts += 1
        self._run()

    def _jump(self, most_ns: int) -> None:
        limit_ns = self.target_ns + most_ns
        while self._open:
            due = self._next_due()
            self._move(limit_ns if due is None else min(due, limit_ns))
            if due is None or due > limit_ns:
                break

    def _next_due(self) -> int | None:
        while self._timers and not self._timers[0][2].live:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def _move(self, to_ns: int) -> None:
        """Timer by timer, each in its instant."""
        self._run()
        while True:
            due = self._next_due()
            until = to_ns if due is None or due > to_ns else due
            if until > self.target_ns:
                self._moved(until)
            if due is None or due > to_ns:
                break
            heapq.heappop(self._timers)[2].act()
            self._run()
        self._run()

    def _moved(self, to_ns: int) -> None:
        if self._moving is None:
            self._tick()
            self._moving = self.ns, self.target_ns
        self.target_ns = to_ns

    def _tell_moves(self) -> None:
        """Moves in a row are written down as one, wherever nothing happened between them."""
        if self._moving is None:
            return
        at_ns, from_ns = self._moving
        self._moving = None
        self._events.append(
            ClockMoved(
                seq=next(self._seq),
                at_ns=at_ns,
                from_target_ns=from_ns,
                to_target_ns=self.target_ns,
                why="deadline",
            )
        )

    def _count(self) -> None:
        threads, descriptors = self.service.resources()
        open_ = len(self._held) + len(self._open)
        self._tick()
        self._events.append(
            Resources(
                seq=next(self._seq),
                at_ns=self.ns,
                target_ns=self.target_ns,
                pids=self.pids,
                threads=threads,
                descriptors=descriptors + open_,
                connections=open_,
            )
        )

    def _clean_up(self) -> None:
        """What the player does when a plan has ended."""
        self._scripts.clear()
        self._reach.clear()
        for call in list(self._open.values()):
            self._go(call)
        for attempt in list(self._held.values()):
            self._answer(attempt, USUAL)
        self._run()

    # -- the witness ----------------------------------------------------------------------------------

    def _connect(self, attempt: Attempt) -> None:
        if attempt.state != "connecting":
            return
        how = self._reach.get(attempt.dependency, "open")
        if how == "refuse":
            attempt.state = "never"
            attempt.on("refused", 0)
        if how == "open":
            attempt.on("connected", 0)
            self._arrive(attempt)

    def _arrive(self, attempt: Attempt) -> None:
        self._tell_moves()
        self._tick()
        attempt.state = "held"
        attempt.number = next(self._arrived)
        self._held[attempt.number] = attempt
        if attempt.call is not None:
            attempt.call.arrived = True
        attempt.at_ns, attempt.target_ns = self.ns, self.target_ns
        answer = self._chosen(attempt)
        if answer.hold:
            return
        if answer.delay_ns:
            attempt.timers.append(
                self.after(answer.delay_ns, lambda: self._answer(attempt, answer))
            )
        else:
            self.soon(lambda: self._answer(attempt, answer))

    def _chosen(self, attempt: Attempt) -> Answer:
        for place, rule in enumerate(self._scripts.get(attempt.dependency, ())):
            who = attempt.call.token if rule.per == "call" and attempt.call else ""
            key = attempt.dependency, place, who
            number = self._counts[key] = self._counts.get(key, 0) + 1
            return _by_rule(rule, number)
        return USUAL

    def _answer(self, attempt: Attempt, answer: Answer) -> None:
        if attempt.state != "held":
            return None
        attempt.status = answer.status
        if answer.cut == "before":
            return self._cut(attempt, answer)
        if answer.trickle_ns:
            return self._trickle(attempt, answer)
        attempt.head_target_ns = self.target_ns
        if answer.cut is not None:
            self.soon(lambda: attempt.on("head", answer.status))
            return self._cut(attempt, answer)
        return self._whole(attempt)

    def _whole(self, attempt: Attempt) -> None:
        if attempt.state != "held":
            return
        attempt.state = "answered"
        self._end_attempt(attempt)
        self.soon(lambda: attempt.on("end", attempt.status or 0))

    def _cut(self, attempt: Attempt, answer: Answer) -> None:
        attempt.state = "cut"
        self._end_attempt(attempt)
        self.soon(lambda: attempt.on("reset" if answer.cut_by == "reset" else "closed", 0))

    def _trickle(self, attempt: Attempt, answer: Answer, sent: int = 0) -> None:
        """A head of 40 bytes, at once or by the byte, and the body by the byte."""
        if attempt.state != "held":
            return None
        total = len(answer.body or "{}")
        head = 40 if answer.trickle == "all" else 0
        if attempt.head_target_ns is None:
            attempt.head_target_ns = self.target_ns
        if sent >= head and attempt.head_target_ns is not None:
            self.soon(lambda: attempt.on("head", answer.status))
        if sent >= head + total:
            return self._whole(attempt)
        self.soon(lambda: attempt.on("byte", sent))
        attempt.timers.append(
            self.after(answer.trickle_ns, lambda: self._trickle(attempt, answer, sent + 1))
        )
        return None

    def _end_attempt(self, attempt: Attempt) -> None:
        self._tell_moves()
        self._tick()
        attempt.ended_ns, attempt.ended_target_ns = self.ns, self.target_ns
        self._held.pop(attempt.number, None)
        for timer in attempt.timers:
            timer.cancel()

    # -- time and order -------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.ns += self.rng.randrange(1, 2_000)

    def _run(self) -> None:
        while self._ready:
            self._tick()
            self._ready.popleft()()

    def _rested(self) -> None:
        self._run()
        self._tell_moves()
        self._tick()
        if self.real:
            self.ns += _QUIET_NS
            return
        self._events.append(Rested(seq=next(self._seq), at_ns=self.ns, target_ns=self.target_ns))

    def _ended(self, call: Flying) -> None:
        if call.ended_ns is None:
            self._tell_moves()
            self._tick()
            call.ended_ns, call.ended_target_ns = self.ns, self.target_ns
            self._open.pop(call.number, None)

    # -- facts ----------------------------------------------------------------------------------------

    def _call(self, call: Flying) -> Call:
        whole = call.ended_ns is not None and call.status is not None and call.error is None
        return Call(
            operation=call.operation,
            caller=call.caller,
            identity=int(call.caller.rpartition("-")[2]),
            source="127.0.0.1",
            forwarded=None,
            connection=call.connection,
            written_seq=call.sent_ns,
            answered_seq=call.ended_ns,
            written_ns=call.sent_ns,
            first_byte_ns=call.ended_ns if whole else None,
            last_byte_ns=call.ended_ns if whole else None,
            sent_target_ns=call.sent_target_ns,
            answered_target_ns=call.answered_target_ns,
            sent_wall_ns=call.sent_target_ns,
            answered_wall_ns=call.answered_target_ns,
            status=call.status,
            headers=call.headers,
            body=call.body if call.status is not None else b"",
            complete=whole,
            error=call.error,
            token=call.token,
            ended_ns=call.ended_ns,
            ended_target_ns=call.ended_target_ns,
        )

    def _arrival(self, attempt: Attempt) -> Arrival:
        token = attempt.call.token if attempt.call is not None and self.passes_on else None
        return Arrival(
            dependency=attempt.dependency,
            number=attempt.number,
            connection=attempt.number,
            use=1,
            method="GET",
            path="/",
            headers=(),
            body=b"",
            digest="",
            token=token,
            at_ns=attempt.at_ns,
            target_ns=attempt.target_ns,
            wall_ns=attempt.target_ns,
            state=attempt.state,  # type: ignore[arg-type]
            status=attempt.status,
            head_target_ns=attempt.head_target_ns,
            ended_ns=attempt.ended_ns,
            ended_target_ns=attempt.ended_target_ns,
            ended_wall_ns=attempt.ended_target_ns,
        )


def _by_rule(rule: Rule, number: int) -> Answer:
    if number <= len(rule.answers):
        return rule.answers[number - 1]
    return rule.then or rule.answers[(number - 1) % len(rule.answers)]


def _at(event: Event) -> int:
    return event.written_ns if isinstance(event, Call) else event.at_ns
