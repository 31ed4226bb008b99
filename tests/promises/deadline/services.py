"""Services of a few lines with timeouts, honest ones and those with a defect, for a simulated world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.units import NS_PER_MS
from tests.promises.flights import Attempt, Flying, Simple, Timer, World


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a service bounds its calls; 0 ns is no bound.

    Attributes:
        total_ns: all of a call, from its request on.
        attempt_ns: one attempt, from its start to its last byte.
        connect_ns: until it is connected.
        read_ns: from one byte to the next.
        attempts: of one call.
        backoff_ns: between two.
        stops_before: no attempt or wait is begun that would be cut.
        total_from_connect: the total counts from the first connection on.
        waits_outside: the total does not count while it waits between attempts.
        rounding_ns: timers come so late at most.
        status: of the answer that says so.
        closes: it closes the connection instead.
        half_ns: a half request is answered after so long; 0: never.
        leak: what stays of each call that timed out, of each hundred: (threads, descriptors).
        gone_leak: the same of each call whose client left.
        warm: threads of a pool that fills up over the first calls.
        lets_go: what leaked is gone when the dependency answers at last.
        hands: so many calls are served at once, 0: any number.
        hands_leak: a hand is lost with each call that timed out.
        cached: it never asks.
    """

    total_ns: int = 0
    attempt_ns: int = 0
    connect_ns: int = 0
    read_ns: int = 0
    attempts: int = 1
    backoff_ns: int = 0
    stops_before: bool = False
    total_from_connect: bool = False
    waits_outside: bool = False
    rounding_ns: int = 0
    status: int = 504
    closes: bool = False
    half_ns: int = 0
    leak: tuple[int, int] = (0, 0)
    gone_leak: tuple[int, int] = (0, 0)
    warm: int = 0
    lets_go: bool = False
    hands: int = 0
    hands_leak: bool = False
    cached: bool = False


@dataclass(eq=False)
class Work:
    """What is under way for one user call."""

    call: Flying
    tried: int = 0
    attempt: Attempt | None = None
    timers: list[Timer] = field(default_factory=list)
    total: Timer | None = None
    spent_ns: int = 0
    since_ns: int = 0
    done: bool = False


class Timed(Simple):
    """A service that asks one dependency, in time or not."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.world: World
        self.work: dict[int, Work] = {}
        self.timed_out, self.gone, self.seen = 0, 0, 0
        self.free = policy.hands
        self.waiting: list[Flying] = []

    def request(self, call: Flying) -> None:
        self.seen += 1
        if self.policy.cached:
            self.world.reply(call, 200)
            return
        if self.policy.hands:
            if self.free <= 0:
                self.waiting.append(call)
                return
            self.free -= 1
        work = self.work[call.number] = Work(call, since_ns=self.world.target_ns)
        if self.policy.total_ns and not self.policy.total_from_connect:
            self._count(work)
        self._try(work)

    def half(self, call: Flying) -> None:
        if self.policy.half_ns:
            self._after(self.policy.half_ns, lambda: self.world.reply(call, 408))

    # -- attempts -------------------------------------------------------------------------------------

    def _try(self, work: Work) -> None:
        if work.done:
            return
        work.tried += 1
        work.attempt = self.world.ask(work.call, lambda event, value: self._on(work, event, value))
        if self.policy.attempt_ns:
            self._arm(work, self.policy.attempt_ns)
        if self.policy.connect_ns:
            self._arm(work, self.policy.connect_ns)

    def _on(self, work: Work, event: str, value: int) -> None:
        if work.done:
            return
        if event == "connected":
            if not self.policy.attempt_ns:
                self._disarm(work)
            if self.policy.total_from_connect and work.total is None and self.policy.total_ns:
                self._count(work)
        if event in ("connected", "head", "byte") and self.policy.read_ns:
            self._disarm(work)
            self._arm(work, self.policy.read_ns)
        if event == "end" and value < 500:
            self._finish(work, value)
        elif event in ("end", "reset", "closed", "refused"):
            self._failed(work)

    def _failed(self, work: Work) -> None:
        """One attempt is over, without an answer that can be used."""
        self._disarm(work)
        if work.attempt is not None:
            self.world.close(work.attempt)
        if work.done:
            return
        if work.tried >= self.policy.attempts or self._would_be_cut(work):
            self._give_up(work)
            return
        if self.policy.waits_outside and work.total is not None:
            work.spent_ns += self.world.target_ns - work.since_ns
            work.total.cancel()
        self._after(self.policy.backoff_ns, lambda: self._again(work))

    def _again(self, work: Work) -> None:
        if self.policy.waits_outside and self.policy.total_ns and not work.done:
            self._count(work)
        self._try(work)

    def _would_be_cut(self, work: Work) -> bool:
        if not self.policy.stops_before or not self.policy.total_ns:
            return False
        left_ns = work.since_ns + self.policy.total_ns - self.world.target_ns
        return self.policy.backoff_ns >= left_ns

    # -- timers ---------------------------------------------------------------------------------------

    def _after(self, ns: int, act: Callable[[], None]) -> Timer:
        late_ns = self.world.rng.randrange(self.policy.rounding_ns + 1)
        return self.world.after(ns + late_ns, act)

    def _arm(self, work: Work, ns: int) -> None:
        work.timers.append(self._after(ns, lambda: self._failed(work)))

    def _disarm(self, work: Work) -> None:
        for timer in work.timers:
            timer.cancel()
        work.timers.clear()

    def _count(self, work: Work) -> None:
        left_ns = max(0, self.policy.total_ns - work.spent_ns)
        work.since_ns = self.world.target_ns
        work.total = self._after(left_ns, lambda: self._give_up(work))

    # -- the end --------------------------------------------------------------------------------------

    def _give_up(self, work: Work) -> None:
        if work.done:
            return
        self.timed_out += 1
        if self.policy.closes:
            self.world.hang_up(work.call)
        self._finish(work, self.policy.status, lost=self.policy.hands_leak)

    def _finish(self, work: Work, status: int, *, lost: bool = False) -> None:
        work.done = True
        self._disarm(work)
        if work.total is not None:
            work.total.cancel()
        if work.attempt is not None and not (self.policy.lets_go and self._leaks):
            self.world.close(work.attempt)
        self.world.reply(work.call, status)
        del self.work[work.call.number]
        if self.policy.hands and not lost:
            self.free += 1
            if self.waiting:
                call = self.waiting.pop(0)
                self.world.soon(lambda: self.request(call))

    @property
    def _leaks(self) -> bool:
        return self.policy.leak != (0, 0)

    def left(self, call: Flying) -> None:
        work = self.work.get(call.number)
        if work is not None:
            self.gone += 1
            self._finish(work, 499)

    def resources(self) -> tuple[int, int]:
        held = self.timed_out
        if self.policy.lets_go:
            held = sum(each.state == "held" for each in self.world.attempts)
        threads, descriptors = self.policy.leak
        more_threads, more_descriptors = self.policy.gone_leak
        pool = min(self.policy.warm, self.seen // 2)
        noise = self.world.rng.randrange(3)
        return (
            8 + pool + noise + (held * threads + self.gone * more_threads) // 100,
            20 + pool + (held * descriptors + self.gone * more_descriptors) // 100,
        )


def bounded(d_ns: int) -> Policy:
    """The plainest honest service."""
    return Policy(total_ns=d_ns, rounding_ns=2 * NS_PER_MS)
