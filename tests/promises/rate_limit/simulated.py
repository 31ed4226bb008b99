"""Small simulated limiters and a client of theirs in virtual time: no socket, no clock, all seeded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from harness.history import Call, Event, History, TargetStarted
from harness.units import NS_PER_MS, NS_PER_S
from tests.promises.rate_limit.notation import EPOCH_NS


class Limiter(Protocol):
    """Decides one call of a key at an instant in ns; instants never fall."""

    def admits(self, key: str, now: int) -> bool:
        """Whether the call is admitted; it is counted as the limiter sees fit."""


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

    def _border(self, now: int, phase: int) -> int:
        return now - (now - phase) % self.window


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


@dataclass
class All:
    """Several limits, asked in turn; a refusal is charged to none of them."""

    limits: Sequence[Log]

    def admits(self, key: str, now: int) -> bool:
        trial = [replace(each, seen={key: list(each.seen.get(key, ()))}) for each in self.limits]
        if not all(each.admits(key, now) for each in trial):
            return False
        for each in self.limits:
            each.admits(key, now)
        return True


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
