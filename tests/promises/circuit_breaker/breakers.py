"""Simulated breakers: honest ones in every manner that the words allow, and those with a defect."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Literal

from harness.history import Call
from harness.models.breaker.rules import Consecutive, Counted, Rules, Timed, Trials, Weak
from harness.units import NS_PER_S
from tests.promises.simulator import (
    Ask,
    ClientGone,
    CutOff,
    Refused,
    Serve,
    Serving,
    TimedOut,
    Until,
)

Meaning = Literal["ok", "failed", "ignored"]
Yields = Generator[Until, int | None, "Ticket | None"]
NOW = Until(lambda: True)
"""Let others go first: where a race may happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What honest breakers do differently."""

    window: Literal["sliding", "buckets", "tumbling"] = "sliding"
    buckets: int = 10
    kept: bool = False
    noted: bool = False
    above: bool = False
    judged_each: bool = False
    uncounted: Meaning = "ignored"
    trial_uncounted: Meaning = "ignored"
    cancelled: Meaning = "ignored"
    of_begun: bool = False
    timer: bool = False
    coarse: bool = False
    quota: bool = False
    fewer: bool = False
    lease: bool = False
    late_counted: bool = False
    late_restarts: bool = False
    weakly: Literal["consecutive", "cumulative", "window", "rate"] = "consecutive"
    serial: bool = False

    @classmethod
    def by(cls, rng: Random) -> Manner:
        """One of all."""

        def coin() -> bool:
            return rng.random() < 0.5

        def meaning() -> Meaning:
            return rng.choice(("ok", "ignored"))

        return cls(
            window=rng.choice(("sliding", "buckets", "tumbling")),
            buckets=rng.choice((10, 12, 60)),
            kept=coin(),
            noted=coin(),
            above=coin(),
            judged_each=coin(),
            uncounted=meaning(),
            trial_uncounted=meaning(),
            cancelled=rng.choice(("ok", "failed", "ignored")),
            of_begun=coin(),
            timer=coin(),
            coarse=rng.random() < 0.3,
            quota=coin(),
            fewer=rng.random() < 0.3,
            lease=coin(),
            late_counted=coin(),
            late_restarts=coin(),
            weakly=rng.choice(("consecutive", "cumulative", "window", "rate")),
        )


@dataclass(slots=True)
class Ticket:
    """A call that was let through."""

    generation: int
    trial: bool
    begun: bool = True


@dataclass(slots=True)
class Breaker:
    """A breaker in a manner; ``defect``: what is wrong with it."""

    rules: Rules
    manner: Manner
    rng: Random
    defect: str = ""
    counts: frozenset[str] = frozenset({"failed", "timeout", "reset", "refused connection"})
    mode: Literal["closed", "open", "half"] = "closed"
    generation: int = 0
    opened_ns: int = 0
    recovery_ns: int = 0
    openings: int = 0
    closings: int = 0
    refusals: int = 0
    inside: int = 0
    given: int = 0
    good: int = 0
    bad: int = 0
    level: int = 0
    row_from: int = 0
    lease_ns: int = 0
    probed: bool = False
    counters: list[int] = field(default_factory=list)
    results: list[tuple[int, bool]] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    phase_ns: int = 0
    epoch: int = -1

    def __post_init__(self) -> None:
        self.phase_ns = self.rng.randrange(3600 * NS_PER_S)
        self.recovery_ns = self.rules.recovery.base_ns
        factors = {"T x 0.9": 0.9, "T x 1.15": 1.15, "milliseconds": 0.001}
        self.recovery_ns = int(self.recovery_ns * factors.get(self.defect, 1))

    @property
    def trials(self) -> Trials:
        return self.rules.trials or Trials()

    @property
    def permits(self) -> int:
        permits = self.trials.permits or 1
        if self.defect == "K + 1":
            return permits + 1
        return 1 if self.manner.fewer else permits

    @property
    def successes(self) -> int:
        successes = self.trials.successes or 1
        changed = {"S ignored": 1, "S + 1": successes + 1}
        return changed.get(self.defect, successes)

    # -- calls ------------------------------------------------------------------------------------

    def enter(self, now: Callable[[], int]) -> Yields:
        """A ticket, or None: refused."""
        now_ns = now()
        if self.manner.timer:
            self._timer(now_ns)
        if self.mode == "open":
            if not self._is_over(now_ns):
                return self._refuse(now_ns)
            if self.defect == "first probe refused" and not self.probed:
                self.probed = True
                return self._refuse(now_ns)
            self._half()
        if self.mode == "closed":
            if self.defect == "wedged after closing" and self.closings:
                return None
            self.begun.append(now_ns)
            return Ticket(self.generation, trial=False)
        return (yield from self._try(now_ns))

    def _try(self, now_ns: int) -> Yields:
        free = self.inside < self.permits or self.defect == "herd"
        if self.trials.rate is not None:
            free = self.inside + self.good + self.bad < (self.trials.successes or 1)
            free = free and (self.trials.permits is None or self.inside < self.trials.permits)
        elif self.manner.quota and self.defect != "herd":
            most = (
                max(self.permits, self.successes) if self.permits < self.successes else self.permits
            )
            free = free and self.given < most
        if self.defect == "no permit after the second opening" and self.openings > 1:
            free = False
        if self.manner.lease and not free and now_ns - self.lease_ns >= self._lease():
            free, self.inside, self.given = True, 0, 0
        if self.defect == "racy permits":
            yield NOW
        if not free:
            return None
        self.inside += 1
        self.given += 1
        self.lease_ns = now_ns
        return Ticket(self.generation, trial=True)

    def _lease(self) -> int:
        return min(self.recovery_ns, self.rules.call_timeout_ns or self.recovery_ns)

    def _refuse(self, now_ns: int) -> Ticket | None:
        self.refusals += 1
        if self.defect == "calls while open" or (
            self.defect == "each fifth call while open" and self.refusals % 5 == 0
        ):
            return Ticket(-1, trial=False)
        if self.defect == "refusal restarts T":
            self.opened_ns = now_ns
        return None

    def leave(self, ticket: Ticket, end: str, now_ns: int) -> Generator[Until, int | None, None]:
        """A call ended: ``ok``, ``failed``, ``timeout``, ``reset``, ``uncounted`` or ``gone``."""
        if self.manner.timer:
            self._timer(now_ns)
        is_current = ticket.generation == self.generation
        if is_current and ticket.trial and not self._is_lost(end):
            self.inside -= 1
        meaning = self._meaning(end, trial=ticket.trial or self.mode == "half")
        if end == "uncounted" and ticket.trial and meaning == "ignored" and not self._is_lost(end):
            self.given -= 1
        if end == "gone" and ticket.trial and meaning == "ignored" and not self._is_lost(end):
            self.given -= 1
        if meaning == "ignored":
            return
        if self.defect == "uncounted trial keeps the count" and end == "uncounted" and ticket.trial:
            row_from, results = self.row_from, list(self.results)
            self._close()
            self.row_from, self.results = row_from, results
        else:
            yield from self._ended(ticket, now_ns, failed=meaning == "failed")

    def _ended(
        self, ticket: Ticket, now_ns: int, *, failed: bool
    ) -> Generator[Until, int | None, None]:
        """A result that means something, whenever its call began."""
        is_current = ticket.generation == self.generation
        if self.mode == "open":
            is_trial = ticket.trial and self.defect == "late trial closes"
            self._late_open(now_ns, failed=failed, closes=is_trial)
        elif self.defect == "late result undecided" and not is_current and self.mode == "half":
            self.good += 1
        elif is_current or self.manner.late_counted:
            if self.mode == "half":
                self._tried(now_ns, failed=failed)
            else:
                yield from self._counted(now_ns, failed=failed)

    def _is_lost(self, end: str) -> bool:
        lost = {"uncounted": "on uncounted", "gone": "on cancel", "ok": "on ok"}
        return self.defect == f"permit lost {lost.get(end)}"

    def _meaning(self, end: str, *, trial: bool) -> Meaning:
        if end == "gone":
            return self.manner.cancelled
        if end == "uncounted":
            if self.defect == "4xx counted":
                return "failed"
            return self.manner.trial_uncounted if trial else self.manner.uncounted
        if self.defect == f"{end}s not counted":
            return "ignored"
        if end == "ok":
            return "ok"
        return "failed" if end in self.counts else "ignored"

    # -- closed -----------------------------------------------------------------------------------

    def _counted(self, now_ns: int, *, failed: bool) -> Generator[Until, int | None, None]:
        if self.defect == "racy count" and failed:
            before = list(self.results)
            yield NOW
            self.results = before
        self.results.append((now_ns, failed))
        if self.defect == "never opens" or (self.defect == "opens only once" and self.openings):
            return
        is_judged = failed or (self.manner.judged_each and self._has_rate())
        if is_judged and any(self._trips(trip, now_ns) for trip in self.rules.trips):
            self._open(now_ns)

    def _has_rate(self) -> bool:
        return self.rules.has_rate or any(isinstance(trip, Weak) for trip in self.rules.trips)

    def _needed(self, count: int) -> int:
        return count + {"F - 1": -1, "F + 1": 1}.get(self.defect, 0)

    def _trips(self, trip: object, now_ns: int) -> bool:
        match trip:
            case Consecutive(failures):
                return self._row(self.row_from) >= self._needed(failures)
            case Weak(failures):
                return self._weakly(self._needed(failures), now_ns)
            case Timed():
                live, begun = self._live(trip.within_ns, now_ns)
                if trip.failures is not None:
                    return sum(live) >= self._needed(trip.failures)
                return self._rate(live, begun, trip.rate or Fraction(1), trip.minimum)
            case Counted():
                live = [failed for _, failed in self.results[-trip.last :]]
                begun = min(len(self.begun), trip.last)
                return self._rate(live, begun, trip.rate, trip.minimum)
        raise TypeError(trip)

    def _row(self, since: int = 0) -> int:
        failures = [failed for _, failed in self.results[since:]]
        if self.defect == "success does not reset":
            return sum(failures)
        row = 0
        for failed in reversed(failures):
            if not failed:
                break
            row += 1
        return row

    def _weakly(self, needed: int, now_ns: int) -> bool:
        failures = [failed for _, failed in self.results]
        match self.manner.weakly:
            case "consecutive":
                return self._row() >= needed
            case "cumulative":
                return sum(failures) >= needed
            case "window":
                return sum(self._live(60 * NS_PER_S, now_ns)[0]) >= needed
        return len(failures) >= needed and sum(failures) * 2 >= len(failures)

    def _live(self, within_ns: int, now_ns: int) -> tuple[list[bool], int]:
        if self.defect == "no expiry":
            within_ns = 1 << 60
        if self.defect == "half a window":
            within_ns //= 2
        match self.manner.window:
            case "sliding":
                since = now_ns - within_ns
            case "buckets":
                size = within_ns // self.manner.buckets
                since = (now_ns // size - self.manner.buckets + 1) * size - 1
            case "tumbling":
                since = (now_ns + self.phase_ns) // within_ns * within_ns - self.phase_ns - 1
        live = [failed for at_ns, failed in self.results if at_ns > since]
        return live, sum(at_ns > since for at_ns in self.begun)

    def _rate(self, live: list[bool], begun: int, rate: Fraction, minimum: int) -> bool:
        rate *= {"rate x 0.7": Fraction(7, 10), "rate x 1.5": Fraction(3, 2)}.get(self.defect, 1)
        minimum = 1 if self.defect == "minimum ignored" else self._needed(minimum)
        total = max(begun, len(live)) if self.manner.of_begun else len(live)
        if total < minimum or not total:
            return False
        share = Fraction(sum(live), total)
        return share > rate if self.manner.above and rate < 1 else share >= rate

    # -- open and half-open ---------------------------------------------------------------------------

    def _open(self, now_ns: int) -> None:
        self.mode, self.opened_ns = "open", now_ns
        self.generation += 1
        self.openings += 1
        self._draw_recovery()
        if self.defect == "T doubles" and self.openings > 1:
            self.recovery_ns *= 2
        if self.defect != "S carried over":
            self.good = 0
        self.probed = False

    def _draw_recovery(self) -> None:
        recovery = self.rules.recovery
        if recovery.growth > 1 or recovery.jitter:
            spread = float(recovery.jitter) * self.rng.uniform(-1, 1)
            self.recovery_ns = int(recovery.nominal_ns(self.level) * (1 + spread))

    def _is_over(self, now_ns: int) -> bool:
        if self.defect == "never recovers":
            return False
        opened_ns = self.opened_ns
        if self.manner.coarse and self.recovery_ns >= 10 * NS_PER_S:
            now_ns, opened_ns = now_ns // NS_PER_S * NS_PER_S, opened_ns // NS_PER_S * NS_PER_S
        return now_ns - opened_ns >= self.recovery_ns

    def _timer(self, now_ns: int) -> None:
        if self.mode == "open" and self._is_over(now_ns) and self.defect != "first probe refused":
            self._half()

    def _half(self) -> None:
        self.generation += 1
        self.inside = self.given = 0
        if self.rules.trials is None:
            self._close()
        else:
            self.mode = "half"

    def _late_open(self, now_ns: int, *, failed: bool, closes: bool) -> None:
        if failed and self.manner.late_restarts:
            self.opened_ns = now_ns
        elif not failed and (closes or self.defect == "late success closes"):
            self._close()
        elif failed and self.defect == "simultaneous failures wedge":
            self.recovery_ns *= 100

    def _tried(self, now_ns: int, *, failed: bool) -> None:
        if self.manner.noted:
            self.results.append((now_ns, failed))
        if self.trials.rate is not None:
            self._decided(now_ns, failed=failed)
            return
        if failed:
            if self.defect == "trial failure ignored":
                return
            if self.defect == "trial failure closes":
                self._close()
                return
            opened_ns = self.opened_ns
            self._reopen(now_ns)
            if self.defect == "trial failure keeps the clock":
                self.opened_ns = opened_ns
            return
        self.good += 1
        if self.good >= self.successes:
            self._close()

    def _decided(self, now_ns: int, *, failed: bool) -> None:
        self.good += not failed
        self.bad += failed
        total = self.trials.successes or 1
        if self.good + self.bad < total or (
            self.defect == "late result undecided" and self.good + self.bad > total
        ):
            return
        share, rate = Fraction(self.bad, total), self.trials.rate or Fraction(1)
        if self.bad and (share > rate if self.manner.above and rate < 1 else share >= rate):
            self._reopen(now_ns)
        else:
            self._close()

    def _reopen(self, now_ns: int) -> None:
        self.level += 1
        self.bad = 0
        self._open(now_ns)

    def _close(self) -> None:
        self.mode = "closed"
        self.level = self.bad = 0
        self.generation += 1
        self.closings += 1
        self.good = self.inside = self.given = 0
        if not self.manner.kept or self.rules.trials is None:
            self.results.clear()
            self.begun.clear()
        self.row_from = len(self.results)


def serve(
    breaker: Breaker, dependency: str = "search", statuses: tuple[str, ...] = ("5xx",)
) -> Serve:
    """A service whose every call asks its dependency behind the breaker."""
    lock = [False]

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call
        if breaker.manner.serial:
            yield Until(lambda: not lock[0])
            while lock[0]:
                yield Until(lambda: not lock[0])
            lock[0] = True
        try:
            return (yield from guarded(now))
        finally:
            lock[0] = False

    def guarded(now: Callable[[], int]) -> Serving:
        ticket = yield from breaker.enter(now)
        if ticket is None:
            return 503
        end, status = "ok", 200
        try:
            status = (yield Ask(dependency, breaker.rules.call_timeout_ns)) or 200
            end = _read(status, statuses)
        except TimedOut:
            end, status = "timeout", 504
        except CutOff as error:
            end = "refused connection" if isinstance(error, Refused) else "reset"
            status = 502
        except ClientGone:
            yield from breaker.leave(ticket, "gone", now())
            raise
        yield from breaker.leave(ticket, end, now())
        return status if end == "ok" else 502

    return serving


def _read(status: int, statuses: tuple[str, ...]) -> str:
    if f"{status // 100}xx" in statuses:
        return "failed"
    return "ok" if status < 400 else "uncounted"


def plain(manner: Manner) -> Manner:
    """The same without what would hide a defect in the open."""
    return replace(manner, coarse=False, fewer=False, lease=False)
