"""Small simulated limiters and a client of theirs in virtual time: no socket, no clock, all seeded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol, Self

from harness.history import Call, Event, History, TargetStarted
from harness.units import NS_PER_MS, NS_PER_S
from tests.promises.rate_limit.notation import EPOCH_NS


class Limiter(Protocol):
    """Decides one call of a key at an instant in ns; instants never fall."""

    def admits(self, key: str, now: int) -> bool:
        """Whether the call is admitted; it is counted as the limiter sees fit."""


class Telling(Limiter, Protocol):
    """A limiter that knows what it has left; asked at the instant of a call, after it."""

    def left(self, key: str, now: int) -> int:
        """So many calls more are admitted at this instant."""

    def wait(self, key: str, now: int) -> int:
        """In so many ns a call is admitted, if none comes before."""

    def whole(self, key: str, now: int) -> int:
        """In so many ns all of the budget is there, if no call comes before."""


@dataclass
class Log:
    """A sliding log. ``closed``: a call is forgotten only after W, not at it."""

    count: int
    window: int
    closed: bool = False
    counts_refusals: bool = False
    stamp: int = 1
    seen: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def admits(self, key: str, now: int) -> bool:
        now -= now % self.stamp
        last = now - self.window - self.closed
        log = self.seen[key] = [each for each in self.seen[key] if each > last]
        admitted = len(log) < self.count
        if admitted or self.counts_refusals:
            log.append(now)
        return admitted

    def alone(self, key: str) -> Self:
        """A copy that knows this key at least, to ask without being counted."""
        return replace(self, seen=defaultdict(list, {key: list(self.seen.get(key, ()))}))

    def _live(self, key: str, now: int) -> list[int]:
        now -= now % self.stamp
        return [each for each in self.seen[key] if each > now - self.window - self.closed]

    def left(self, key: str, now: int) -> int:
        return max(0, self.count - len(self._live(key, now)))

    def wait(self, key: str, now: int) -> int:
        live = self._live(key, now)
        return self._gone(live[-self.count], now) if len(live) >= self.count else 0

    def whole(self, key: str, now: int) -> int:
        live = self._live(key, now)
        return self._gone(live[-1], now) if live else 0

    def _gone(self, stamped: int, now: int) -> int:
        ready = stamped + self.window + self.closed
        return ready + -ready % self.stamp - now


@dataclass
class Fixed:
    """Fixed windows of some phase, or (``phase`` None) from the first call on."""

    count: int
    window: int
    phase: int | None = 0
    windows: dict[str, tuple[int, int]] = field(default_factory=dict)

    def admits(self, key: str, now: int) -> bool:
        began, used = self.windows.get(key, (-(1 << 70), 0))
        if now >= began + self.window:
            began, used = (now if self.phase is None else self._border(now, self.phase)), 0
        self.windows[key] = began, used + 1
        return used < self.count

    def alone(self, key: str) -> Self:
        """A copy that knows this key at least, to ask without being counted."""
        return replace(self, windows={each: v for each, v in self.windows.items() if each == key})

    def _border(self, now: int, phase: int) -> int:
        return now - (now - phase) % self.window

    def left(self, key: str, now: int) -> int:
        began, used = self.windows.get(key, (now, 0))
        return self.count if now >= began + self.window else max(0, self.count - used)

    def wait(self, key: str, now: int) -> int:
        return 0 if self.left(key, now) else self.whole(key, now)

    def whole(self, key: str, now: int) -> int:
        return self.windows[key][0] + self.window - now if key in self.windows else 0


@dataclass
class TwoBuckets:
    """The approximate counter: this window's calls, and the last one's by what is left of it."""

    count: int
    window: int
    phase: int = 0
    used: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def admits(self, key: str, now: int) -> bool:
        number, elapsed = divmod(now - self.phase, self.window)
        before = self.used[key, number - 1] * (self.window - elapsed)
        admitted = before + (self.used[key, number] + 1) * self.window <= self.count * self.window
        self.used[key, number] += admitted
        return admitted

    def left(self, key: str, now: int) -> int:
        number, elapsed = divmod(now - self.phase, self.window)
        before = self.used[key, number - 1] * (self.window - elapsed)
        return max(0, (self.count - self.used[key, number]) * self.window - before) // self.window

    def wait(self, key: str, now: int) -> int:
        number, elapsed = divmod(now - self.phase, self.window)
        for ahead in (0, 1, 2):
            before, used = self.used[key, number + ahead - 1], self.used[key, number + ahead]
            since = self._ready(before, used)
            if since is not None and (ahead or since >= elapsed):
                return ahead * self.window + since - elapsed
            if since is not None:
                return 0
        return 2 * self.window

    def alone(self, key: str) -> Self:
        """A copy that knows this key at least, to ask without being counted."""
        return replace(self, used=defaultdict(int, self.used))

    def _ready(self, before: int, used: int) -> int | None:
        """From when on in a window a call is admitted; None: not in this one."""
        room = (self.count - used - 1) * self.window
        if room < 0:
            return None
        since = max(0, self.window - room // before) if before else 0
        return since if since < self.window else None

    def whole(self, key: str, now: int) -> int:
        number, elapsed = divmod(now - self.phase, self.window)
        if self.used[key, number]:
            return 2 * self.window - elapsed
        return self.window - elapsed if self.used[key, number - 1] else 0


@dataclass
class Bucket:
    """A token bucket, counted in ns times N; ``step``: refilled only at whole steps."""

    size: int
    count: int
    window: int
    step: int = 1
    phase: int = 0
    drained_by_refusals: bool = False
    levels: dict[str, tuple[int, int]] = field(default_factory=dict)

    def admits(self, key: str, now: int) -> bool:
        now -= (now - self.phase) % self.step
        full = self.size * self.window
        level, then = self.levels.get(key, (full, now))
        level = min(full, level + (now - then) * self.count)
        admitted = level >= self.window
        if admitted or self.drained_by_refusals:
            level = max(level - self.window, 0)
        self.levels[key] = level, now
        return admitted

    def left(self, key: str, now: int) -> int:
        return self.levels.get(key, (self.size * self.window, now))[0] // self.window

    def wait(self, key: str, now: int) -> int:
        return self._until(self.window, key, now)

    def whole(self, key: str, now: int) -> int:
        return self._until(self.size * self.window, key, now)

    def _until(self, wanted: int, key: str, now: int) -> int:
        level, then = self.levels.get(key, (self.size * self.window, now))
        if level >= wanted:
            return 0
        ready = then - -(wanted - level) // self.count
        return ready + -(ready - self.phase) % self.step - now


@dataclass
class All:
    """Several limits, asked in turn; a refusal is charged to none of them."""

    limits: Sequence[Log | Fixed | TwoBuckets]

    def admits(self, key: str, now: int) -> bool:
        if not all(each.alone(key).admits(key, now) for each in self.limits):
            return False
        for each in self.limits:
            each.admits(key, now)
        return True


@dataclass
class InTurn:
    """Several limits, each of which counts what it admits, also where a later one refuses."""

    limits: Sequence[Limiter]

    def admits(self, key: str, now: int) -> bool:
        return all(each.admits(key, now) for each in self.limits)


@dataclass
class Both:
    """A budget of each key's own, and one that all share; a refusal is charged to neither."""

    own: Log
    shared: Log

    def admits(self, key: str, now: int) -> bool:
        if not (self.own.left(key, now) and self.shared.left("all", now)):
            return False
        return self.own.admits(key, now) and self.shared.admits("all", now)


@dataclass
class Queue:
    """A service that makes callers wait instead of refusing them: one call in W/N."""

    count: int
    window: int
    free: dict[str, int] = field(default_factory=dict)

    def release(self, key: str, now: int) -> int:
        """When the call is let through."""
        at = max(now, self.free.get(key, now))
        self.free[key] = at + self.window // self.count
        return at

    def admits(self, key: str, now: int) -> bool:
        return self.release(key, now) >= now


@dataclass
class Racing:
    """Looks before it leaps: of calls at one moment each sees only what came before them all."""

    inner: Log
    seen: dict[str, int] | None = None

    def began(self) -> None:
        """Several calls come at the same moment."""
        self.seen = {}

    def ended(self) -> None:
        """They were all answered."""
        self.seen = None

    def admits(self, key: str, now: int) -> bool:
        if self.seen is None:
            return self.inner.admits(key, now)
        admitted = self.seen.setdefault(key, self.inner.left(key, now)) > 0
        if admitted:
            self.inner.seen[key].append(now)
        return admitted


@dataclass
class Client:
    """Calls a limiter and writes the history; an answer takes up to ``widest`` ns.

    Args:
        limiter: decides; it sees the hidden instant of each call's effect.
        rng: draws widths and instants.
        widest: 0 for a frozen clock.
        now: virtual time.
    """

    limiter: Limiter
    rng: Random
    widest: int = 0
    now: int = 0
    key: int = 0
    lost: float = 0.0
    calls: list[Call] = field(default_factory=list)
    admitted: list[bool] = field(default_factory=list)

    def wait(self, ns: int) -> None:
        """Let time pass."""
        self.now += ns

    def wait_until(self, ns: int) -> None:
        """Let time pass up to an instant."""
        self.now = max(self.now, ns)

    def call(self, count: int = 1) -> bool:
        """So many calls, one after another; whether the last was admitted."""
        for _ in range(count):
            self.burst(1)
        return self.admitted[-1]

    def burst(self, count: int) -> None:
        """So many calls, all written before any answer is read."""
        spans = sorted(
            (self.now, self.now + self._width(), self._width(), place) for place in range(count)
        )
        effects = sorted((min(end, start + width), place) for start, end, width, place in spans)
        answers = {place: self.limiter.admits(f"{self.key}", at) for at, place in effects}
        first = len(self.calls) * 20 + 10
        for place, (start, end, _, number) in enumerate(spans):
            self._record(start, end, (first + place, first + count + place), answers[number])
        self.now = max(end for _, end, _, _ in spans)

    def _width(self) -> int:
        return self.rng.randint(0, self.widest)

    def _record(self, start: int, end: int, order: tuple[int, int], admitted: bool) -> None:
        lost = self.rng.random() < self.lost
        self.admitted.append(admitted)
        self.calls.append(
            Call(
                operation="list",
                caller=f"key-{self.key}",
                identity=self.key,
                source="127.0.0.2",
                forwarded=None,
                connection=len(self.calls),
                written_seq=order[0],
                answered_seq=None if lost else order[1],
                written_ns=order[0],
                first_byte_ns=None,
                last_byte_ns=None,
                sent_target_ns=start,
                answered_target_ns=None if lost else end,
                sent_wall_ns=EPOCH_NS + start,
                answered_wall_ns=None if lost else EPOCH_NS + end,
                status=None if lost else 200 if admitted else 429,
                error="timeout" if lost else None,
            )
        )

    def history(self) -> History:
        """What was seen."""
        clock = "real" if self.widest else "frozen"
        events: list[Event] = [
            TargetStarted(
                seq=0,
                at_ns=0,
                target_ns=0,
                clock="real" if clock == "real" else "frozen",
                exclusive=True,
            )
        ]
        return History((*events, *self.calls))


@dataclass(frozen=True, slots=True)
class Numbers:
    """One drawing of parameters: N in W, a smaller bucket B, q tokens a step."""

    count: int
    window: int
    size: int
    step_tokens: int
    phase: int

    @classmethod
    def draw(cls, rng: Random) -> Numbers:
        """Any that the words allow; W/N is a whole number of ms, so that steps are exact."""
        count = rng.choice((4, 5, 8, 12, 20))
        each = rng.choice((40, 250, 1_000, 3_000)) * NS_PER_MS
        window = max(count * each, 5 * NS_PER_S)
        window -= window % (count * NS_PER_MS)
        size = rng.randint(2, count - 1)
        return cls(count, window, size, rng.randint(1, size), rng.randrange(window))

    @property
    def each(self) -> int:
        """T = W/N."""
        return self.window // self.count

    @property
    def step(self) -> int:
        """q tokens come in each."""
        return self.step_tokens * self.each


def edge(client: Client, numbers: Numbers, slack: int, *, reach: int = 1) -> None:
    """The steps of T1: over at once, polls inside the window, over again after it."""
    margin, count, began = 2 * slack + client.widest, numbers.count, client.now
    client.call(count + 1)
    client.wait_until(began + numbers.window // 2)
    client.call()
    client.wait_until(began + numbers.window - margin - 2 * client.widest)
    last = client.now if client.call() else began
    client.wait_until(max(client.now, last) + 2 * slack + client.widest + reach * numbers.window)
    client.call(count + 1)


def edge_of_bucket(client: Client, numbers: Numbers, slack: int, size: int) -> None:
    """The steps of T1b: the last tokens, the rate, the cap, what refusals cost."""
    each, margin = numbers.each, 2 * slack + client.widest
    client.call(size - 1)
    client.wait(2 * slack)
    client.call(2)
    client.wait(each * 6 // 10)
    client.call()
    client.wait(each * 4 // 10 - margin)
    client.call()
    client.wait(2 * margin)
    client.call(2)
    client.wait(each * 125 // 100)
    client.call()
    client.wait(size * each + numbers.step + 2 * slack)
    client.call(size + 1)
    client.key += 1
    client.call()
    client.wait(2 * max(numbers.window, size * each))
    client.call(size + 2)


def straddle(client: Client, numbers: Numbers, slack: int) -> None:
    """The steps of T2: across the border of a window that the first call began."""
    margin, began = 2 * slack + client.widest, client.now
    client.call()
    client.wait_until(began + numbers.window - margin * (numbers.count + 1))
    client.call(numbers.count)
    client.wait_until(began + numbers.window + 2 * slack)
    client.call(3)
    client.wait(numbers.window // 2)
    client.call(3)


def saturate(client: Client, numbers: Numbers, windows: int = 12) -> None:
    """The steps of T7: knock until refused all the time, then at the rate of a bucket.

    In real time three windows are all that anybody waits for.
    """
    end = client.now + (3 if client.widest else windows) * numbers.window
    while client.now < end:
        while client.call():
            pass
        client.wait(numbers.window // 40)
    client.call(numbers.count)
    client.wait(numbers.window // 2)
    for count in (numbers.count, numbers.count // 2):
        for _ in range(count):
            client.call()
            client.wait(numbers.each)
        client.call(numbers.count)


def wander(client: Client, numbers: Numbers, slack: int, cap: int) -> None:
    """The steps of T10: waits and bursts at random around every border."""
    margin = 2 * slack
    waits = (
        0,
        slack,
        numbers.each - margin,
        numbers.each + slack,
        numbers.window // 3,
        numbers.window // 2,
        numbers.window - margin,
        numbers.window + slack,
    )
    for _ in range(10):
        client.wait(max(client.rng.choice(waits), 0))
        client.burst(client.rng.choice((1, 2, max(cap // 2, 1), cap, cap + 1)))


Make = Callable[[Numbers, Random], Limiter]
