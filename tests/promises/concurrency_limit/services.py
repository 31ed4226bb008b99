"""Limiters of a few lines, honest ones and those with a defect, for a simulated world."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from harness.units import NS_PER_S
from tests.promises.flights import Attempt, Flying, Simple, Timer, World

Order = Literal["fifo", "lifo", "random"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a limiter behaves; all defaults are honest.

    Attributes:
        limit, queue: N and q; ``queue`` None: endless.
        order: in which those who wait get in.
        notices: a client that goes away is noticed at once, and its slot given back then.
        leaver: what becomes of one who leaves while waiting: out at once, passed over when its turn
            comes, or run in full.
        timeout_ns: the service gives up on its dependency; 0: never.
        holds_on: after a timeout the connection to the dependency stays open.
        queue_timeout_ns: who has waited so long is refused; 0: never.
        by_key: the limit is of each caller.
        leaks: ways of ending after which the slot does not come back.
        twice: ways after which it comes back twice.
        idle: nobody who waits gets in when a slot comes back.
        racing: check and act are two.
        late: refusals come only with the next tick of a timer.
        leaver_keeps: a place whose owner left is never free again.
        per_process: each process counts for itself.
        width: so many calls are served at once, 0: any number.
        by_connection: the key is the connection.
        again_ns: a call that fails is tried once more, so much later, in its slot; 0: it is not.
    """

    limit: int
    queue: int | None = 0
    order: Order = "fifo"
    notices: bool = True
    leaver: Literal["out", "passed", "runs"] = "out"
    timeout_ns: int = 30 * NS_PER_S
    holds_on: bool = False
    queue_timeout_ns: int = 0
    by_key: bool = False
    leaks: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    idle: bool = False
    racing: bool = False
    late: bool = False
    leaver_keeps: bool = False
    per_process: bool = False
    width: int = 0
    by_connection: bool = False
    again_ns: int = 0


@dataclass
class Slots:
    """One count of a limiter."""

    inside: int = 0
    waiting: list[Flying] = field(default_factory=list)
    lost_places: int = 0


class Limiter(Simple):
    """A service with a bulkhead around its one dependency."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.world: World
        self.slots: dict[object, Slots] = defaultdict(Slots)
        self.running: dict[int, tuple[Attempt, Timer | None]] = {}
        self.gone: set[int] = set()
        self.tried: set[int] = set()
        self.timers: dict[int, Timer] = {}
        self.served, self.accepting = 0, list[Flying]()

    # -- the service's own width ----------------------------------------------------------------------

    def request(self, call: Flying) -> None:
        if self.policy.width and self.served >= self.policy.width:
            self.accepting.append(call)
            return
        self.served += 1
        if call.operation == "control":
            self.world.ask(call, lambda event, status: self._control(call, event, status))
        elif self.policy.racing:
            free = self._slots(call).inside < self.policy.limit
            self.world.soon(lambda: self._enter(call) if free else self._wait(call))
        elif self._slots(call).inside < self.policy.limit:
            self._enter(call)
        else:
            self._wait(call)

    def _done(self, call: Flying) -> None:
        """A hand is free."""
        self.served -= 1
        if self.accepting:
            waiting = self.accepting.pop(0)
            self.world.soon(lambda: self.request(waiting))

    def _control(self, call: Flying, event: str, status: int) -> None:
        if event in ("end", "reset"):
            self.world.reply(call, status if event == "end" else 502)
            self._done(call)

    # -- slots and places -----------------------------------------------------------------------------

    def _slots(self, call: Flying) -> Slots:
        key: object = call.caller if self.policy.by_key else "all"
        if self.policy.by_connection:
            key = call.connection
        return self.slots[(key, call.process) if self.policy.per_process else key]

    def _wait(self, call: Flying) -> None:
        slots, queue = self._slots(call), self.policy.queue
        if queue is not None and len(slots.waiting) + slots.lost_places >= queue:
            if self.policy.late:
                self.world.after(NS_PER_S, lambda: self._refuse(call))
            else:
                self._refuse(call)
            return
        slots.waiting.append(call)
        if self.policy.queue_timeout_ns:
            self.timers[call.number] = self.world.after(
                self.policy.queue_timeout_ns, lambda: self._too_long(call)
            )

    def _too_long(self, call: Flying) -> None:
        waiting = self._slots(call).waiting
        if call in waiting:
            waiting.remove(call)
            self._refuse(call)

    def _refuse(self, call: Flying) -> None:
        self.world.reply(call, 429)
        self._done(call)

    def _enter(self, call: Flying) -> None:
        self._slots(call).inside += 1
        self._ask(call)

    def _ask(self, call: Flying) -> None:
        attempt = self.world.ask(call, lambda event, status: self._heard(call, event, status))
        timer = None
        if self.policy.timeout_ns:
            timer = self.world.after(self.policy.timeout_ns, lambda: self._give_up(call))
        self.running[call.number] = attempt, timer

    def _heard(self, call: Flying, event: str, status: int) -> None:
        if event not in ("end", "reset", "closed"):
            return
        ok = event == "end" and status == 200
        way = "ok" if ok else "error" if event == "end" else "reset"
        _, timer = self.running.pop(call.number, (None, None))
        if timer is None and self.policy.timeout_ns:
            return  # given up on long ago
        if timer is not None:
            timer.cancel()
        if not ok and self.policy.again_ns and call.number not in self.tried:
            self.tried.add(call.number)
            self.world.after(self.policy.again_ns, lambda: self._ask(call))
            return
        self._give_back(call, "left" if call.number in self.gone else way)
        self.world.reply(call, 200 if ok else 502)
        self._done(call)

    def _give_up(self, call: Flying) -> None:
        attempt, _ = self.running.pop(call.number)
        if not self.policy.holds_on:
            self.world.close(attempt)
        self.world.reply(call, 504)
        self._give_back(call, "timeout")
        self._done(call)

    def left(self, call: Flying) -> None:
        slots = self._slots(call)
        if call in self.accepting:
            return
        if call in slots.waiting:
            if self.policy.leaver_keeps:
                slots.waiting.remove(call)
                slots.lost_places += 1
            elif self.policy.leaver == "out":
                slots.waiting.remove(call)
                self._done(call)
            else:
                self.gone.add(call.number)
        elif call.number in self.running:
            self.gone.add(call.number)
            if self.policy.notices:
                attempt, timer = self.running.pop(call.number)
                if timer is not None:
                    timer.cancel()
                self.world.close(attempt)
                self._give_back(call, "left")
                self._done(call)

    def _give_back(self, call: Flying, way: str) -> None:
        slots = self._slots(call)
        if way in self.policy.leaks:
            return
        for _ in range(2 if way in self.policy.twice else 1):
            slots.inside -= 1
            if not self.policy.idle:
                self._next(slots)

    def _next(self, slots: Slots) -> None:
        while slots.waiting and slots.inside < self.policy.limit:
            place = {"fifo": 0, "lifo": -1}.get(self.policy.order)
            if place is None:
                place = self.world.rng.randrange(len(slots.waiting))
            call = slots.waiting.pop(place)
            if call.number in self.timers:
                self.timers.pop(call.number).cancel()
            if call.number in self.gone and self.policy.leaver == "passed":
                self._done(call)
                continue
            self._enter(call)

    def killed(self, process: int) -> None:
        """In-memory counts of the process are gone; a shared one must be put right."""
        for number, (attempt, timer) in list(self.running.items()):
            call = attempt.call
            if call is None or call.process != process:
                continue
            del self.running[number]
            if timer is not None:
                timer.cancel()
            self._give_back(call, "kill")
            self._done(call)
        for slots in self.slots.values():
            slots.waiting = [call for call in slots.waiting if call.process != process]
            self._next(slots)
