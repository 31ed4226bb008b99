"""Plays a trial's plan in a world. Waits are yielded, so that several plans can share real time."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from harness.client import Request
from harness.history import Call
from harness.models.advice import read
from harness.plan import (
    Cut,
    Fire,
    Heal,
    Inject,
    Lift,
    Mark,
    Phase,
    Played,
    Send,
    Step,
    Trial,
    Until,
    Wait,
    WaitAdvised,
)
from harness.runner.callers import Caller
from harness.runner.flights import FlightSteps, flies
from harness.runner.logins import LoginFailed
from harness.runner.times import OUT_OF_TIME, NotAtRest, PlanEnded
from harness.runner.world import World
from harness.units import NS_PER_S

_CHUNK = 64
_LOST_IN_A_ROW = 5
_UNAUTHORIZED = 401
_SPREAD_NS = 5 * NS_PER_S

Waits = Generator[int, None, Played]
"""Yields instants of the target's monotonic clock that must come first; returns what was played."""


class Player:
    """Plays one trial: binds its symbols to fresh callers and remembers its marks.

    Args:
        world: where it is played.
        trial: what is played.
        operations: the promise's operations, called in turn.
        key: the promise's key: an identity's name, ``ip`` or ``global``; None where it has none.
        own_address: each caller calls from its own source address.
        proxy: the first trusted proxy's address.
        admitted: how an answer is read while the plan runs.
        deadline_s: when to give up, on ``time.monotonic()``.
    """

    def __init__(
        self,
        world: World,
        trial: Trial,
        *,
        operations: Sequence[str],
        key: str | None,
        own_address: bool,
        proxy: str | None,
        admitted: Callable[[Call], bool | None],
        deadline_s: float,
    ) -> None:
        self._world = world
        self._trial = trial
        self._operations = operations
        self._key = key or "global"
        self._own_address = own_address
        self._proxy = proxy
        self._admitted = admitted
        self._deadline_s = deadline_s
        self._callers: dict[str, Caller] = {}
        self._marks: dict[str, int] = {}
        self._refusal: Call | None = None
        self._turn = count()
        self._lost = 0
        self._indexes: list[int] = []
        self._flies = flies(trial)
        self._hurts = any(isinstance(step, Inject) for step in trial.steps)
        self._flights = FlightSteps(world, self._fired, self._read, trial.name)

    def play(self) -> Waits:
        """All steps in order; an early end is told in ``Played.ended``."""
        steps: list[tuple[int, ...]] = []
        began_ns: list[int] = []
        at_ns: list[int] = []
        ended: str | None = None
        try:
            if self._hurts:
                self._world.prepare(self._trial.steps)
            if self._flies:
                self._world.flights.deadline_s = self._deadline_s
            for step in self._trial.steps:
                began_ns.append(self._world.now_ns)
                at_ns.append(time.monotonic_ns())
                steps.append((yield from self._step(step)))
        except (PlanEnded, NotAtRest) as error:
            ended = str(error)
        now_ns, end_ns = self._world.now_ns, time.monotonic_ns()
        if self._hurts:
            ended = self._lifted(ended)
        return Played(
            steps=tuple(steps),
            first_call=min(self._indexes, default=0),
            end_call=max(self._indexes, default=-1) + 1,
            ended=ended,
            began_ns=(*began_ns, now_ns),
            at_ns=(*at_ns, end_ns),
            groups={name: tuple(made) for name, made in self._flights.groups.items()},
        )

    def _lifted(self, ended: str | None) -> str | None:
        """End what still lasts, the youngest first; why the plan proves nothing, or ended early."""
        try:
            self._world.hurts.lift_all()
        except (PlanEnded, NotAtRest) as error:
            return ended or str(error)
        return ended

    def _step(self, step: Step) -> Generator[int, None, tuple[int, ...]]:
        made: tuple[int, ...] = ()
        match step:
            case Send():
                made = tuple(self._send(step))
            case Until():
                made = tuple(self._until(step))
            case Mark():
                self._marks[step.name] = self._world.now_ns
            case Wait() | Phase() | WaitAdvised():
                yield from self._wait_until(self._due_ns(step))
            case Cut():
                self._world.cut(step.dependency)
            case Heal():
                self._world.heal(step.dependency)
            case Inject():
                self._world.hurts.inject(step.name, step.fault)
            case Lift():
                self._world.hurts.lift(step.name)
            case _:
                made = self._flights.play(step)
                self._indexes += made
        if self._flies and not isinstance(step, Mark | Fire):
            self._world.flights.rest()
        return made

    def _due_ns(self, step: Wait | Phase | WaitAdvised) -> int:
        match step:
            case Wait():
                return self._since(step.since) + step.ns
            case Phase():
                past = self._world.wall_ns % NS_PER_S
                return self._world.now_ns + (step.ns - past) % NS_PER_S
            case WaitAdvised():
                return self._advised(step)

    def _wait_until(self, at_ns: int) -> Generator[int, None, None]:
        """Calls under way go on meanwhile; such a plan is alone in its world."""
        if self._flies:
            self._world.flights.walk_to(at_ns)
        else:
            yield at_ns

    def _since(self, mark: str) -> int:
        return self._world.now_ns if mark == "now" else self._marks.get(mark, self._world.now_ns)

    def _advised(self, step: WaitAdvised) -> int:
        if self._refusal is None or self._refusal.answered_target_ns is None:
            raise PlanEnded("no call was refused, so nothing was advised")
        text = self._refusal.header(step.header)
        advice = None if text is None else read(text, step.reads, self._world.wall_ns)
        if advice is None or advice.over_ns(self._refusal) > step.most_ns:
            raise PlanEnded(f"{step.header.title()} was {text!r}, which cannot be waited for")
        return advice.due_ns(self._refusal) + step.extra_ns

    def _until(self, step: Until) -> list[int]:
        indexes: list[int] = []
        for _ in range(step.most):
            indexes += self._send(step.send)
            if self._admitted(self._world.call(indexes[-1])) is False:
                break
        return indexes

    def _send(self, send: Send) -> list[int]:
        requests = self._requests(send)
        size = len(requests) if send.together else _CHUNK
        indexes: list[int] = []
        for start in range(0, len(requests), size):
            made = self._world.exchange(requests[start : start + size], together=send.together)
            indexes += made
            self._indexes += made
            self._note([self._world.call(index) for index in made])
        return indexes

    def _note(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._lost = self._lost + 1 if call.status is None else 0
        self._read(calls)
        if self._lost >= _LOST_IN_A_ROW and not (self._hurts and self._world.hurts.excuses_target):
            self._world.check_alive()
            raise PlanEnded(
                f"{self._lost} calls in a row had no answer ({calls[-1].error}); "
                "see why the target does not answer"
            )

    def _read(self, calls: Sequence[Call]) -> None:
        """What later steps need to know of answers."""
        for call in calls:
            said = self._admitted(call)
            if said is True and call.answered_target_ns is not None:
                self._marks["admitted"] = call.answered_target_ns
            elif said is False:
                self._refusal = call
            elif call.status == _UNAUTHORIZED:
                with self._logins():
                    self._world.logins.check(call, self._key)
        if time.monotonic() > self._deadline_s:
            raise PlanEnded(OUT_OF_TIME)

    def _requests(self, send: Send) -> list[Request]:
        if send.per_caller is None:
            caller = self._caller(send.caller)
            return [self._request(send, caller, send.caller) for _ in range(send.times)]
        requests = []
        for index in range(send.times):
            if index % send.per_caller == 0:
                caller = self._world.fresh_caller()
            requests.append(self._request(send, caller, f"{send.caller}{caller.number}"))
        return requests

    def _fired(self, fire: Fire, times: int) -> list[Request]:
        """The requests of calls that stay under way."""
        requests = []
        for _ in range(times):
            caller = self._world.fresh_caller() if fire.fresh else self._caller(fire.caller)
            symbol = f"{fire.caller}{caller.number}" if fire.fresh else fire.caller
            send = Send(caller=fire.caller, connection=fire.connection)
            request = self._request(send, caller, symbol, fire.operation, announced=True)
            requests.append(replace(request, part=fire.part, slow=fire.slow))
        return requests

    def _request(
        self,
        send: Send,
        caller: Caller,
        symbol: str,
        operation: str | None = None,
        *,
        announced: bool = False,
    ) -> Request:
        source = caller.address if self._own_address else None
        if send.via_proxy:
            source = self._proxy
        kept = None if send.connection == "new" else f"{caller.number}:{symbol}:{send.connection}"
        if operation is None:
            operation = self._operations[next(self._turn) % len(self._operations)]
        forwarded = self._forwarded(send.forwarded)
        return self._world.composer.compose(
            operation,
            caller,
            key=self._key,
            source=source,
            forwarded=forwarded,
            connection=kept,
            token=self._token(operation, caller, source, forwarded),
            announced=announced,
        )

    def _token(
        self, operation: str, caller: Caller, source: str | None, forwarded: str | None
    ) -> str | None:
        with self._logins():
            return self._world.logins.token(
                operation, caller, key=self._key, source=source, forwarded=forwarded
            )

    @contextmanager
    def _logins(self) -> Iterator[None]:
        """A login that fails while a store is away says nothing, and ends no more than this plan."""
        try:
            yield
        except LoginFailed as error:
            if not self._world.is_cut:
                raise
            raise PlanEnded(f"{error}, while a store was away") from error

    def _forwarded(self, template: str | None) -> str | None:
        if template is None:
            return None
        parts = (part.strip() for part in template.split(","))
        return ", ".join(
            self._world.invented_address() if part == "*" else self._caller(part[1:]).address
            for part in parts
        )

    def _caller(self, symbol: str) -> Caller:
        if symbol not in self._callers:
            self._callers[symbol] = self._world.fresh_caller()
        return self._callers[symbol]


def play_one(world: World, player: Player) -> Played:
    """Play one plan, moving the clock where it waits."""
    waits = player.play()
    try:
        while True:
            world.move_to(next(waits))
    except StopIteration as stop:
        played: Played = stop.value
        return played


def play_together(world: World, players: Sequence[Player]) -> list[Played]:
    """Play several plans in one stretch of real time: whoever waits lets the others go on.

    They start one after another, spread over some seconds, so that their bursts do not meet.
    """
    played: list[Played | None] = [None] * len(players)
    apart_ns = _SPREAD_NS // max(1, len(players))
    ready: list[tuple[int, int, Waits]] = [
        (world.now_ns + index * apart_ns, index, player.play())
        for index, player in enumerate(players)
    ]
    heapq.heapify(ready)
    while ready:
        at_ns, index, waits = heapq.heappop(ready)
        world.move_to(at_ns)
        try:
            heapq.heappush(ready, (next(waits), index, waits))
        except StopIteration as stop:
            played[index] = stop.value
    return [one for one in played if one is not None]
