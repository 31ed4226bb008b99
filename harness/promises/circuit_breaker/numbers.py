"""The words as numbers: the rules of the model, and what trials count with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from harness.models.breaker.rules import (
    COARSE_NS,
    EARLY_NS,
    GUARD_NS,
    SEEN_SUCCESSES,
    Consecutive,
    Counted,
    Recovery,
    Rules,
    Timed,
    Trials,
    Trip,
    Weak,
)
from harness.promises.circuit_breaker.words import (
    CircuitBreaker,
    HalfOpenWords,
    RecoveryWords,
    Trips,
)
from harness.units import NS_PER_MS, NS_PER_S

NO_COUNT = 1 << 20
"""More failures than any trial makes."""
_REAL_GUARD_NS = 300 * NS_PER_MS
_REAL_EARLY_NS = 100 * NS_PER_MS


def rules_of(promise: CircuitBreaker, *, frozen: bool = True) -> Rules:
    """What the promise says to the model; a running clock is judged with wider edges."""
    said = promise.half_open
    trials = None if said == "none" else _trials(said)
    form = promise.refusal
    return Rules(
        trips=tuple(_trip(trip, trials) for trip in promise.trips),
        recovery=_recovery(promise, frozen=frozen),
        trials=trials,
        half_open_seen=said is None,
        call_timeout_ns=promise.call_timeout,
        late_success_closes=promise.late_success is not None,
        counts_seen=promise.counts is None,
        prompt=form is not None and form.within is not None,
    )


def _trials(said: HalfOpenWords | str | None) -> Trials:
    if not isinstance(said, HalfOpenWords):
        return Trials()
    if said.rate is not None:
        return Trials(permits=said.permits, successes=said.trials, rate=_exact(said.rate))
    return Trials(permits=said.permits, successes=said.successes)


def _trip(said: Trips, trials: Trials | None) -> Trip:
    rolling = said.window == "rolling"
    if said.consecutive is not None:
        return Consecutive(said.consecutive)
    if said.rate is not None:
        rate, minimum = _exact(said.rate), said.minimum or 1
        if said.calls is not None:
            return Counted(last=said.calls, rate=rate, minimum=minimum)
        within_ns = said.over_ns or 0
        return Timed(within_ns=within_ns, rate=rate, minimum=minimum, rolling=rolling)
    failures = said.failures or 1
    if said.within is not None:
        return Timed(within_ns=said.within, failures=failures, rolling=rolling)
    return Weak(failures, max(failures, (trials and trials.successes) or failures))


def _recovery(promise: CircuitBreaker, *, frozen: bool) -> Recovery:
    said = promise.recovery
    guard_ns = GUARD_NS if frozen else _REAL_GUARD_NS
    early_ns = EARLY_NS if frozen else _REAL_EARLY_NS
    if isinstance(said, RecoveryWords):
        return Recovery(
            after_ns=said.after,
            growth=_exact(said.growth),
            cap_ns=said.cap,
            jitter=_exact(said.jitter),
            exact=said.resolution == "exact",
            within_ns=promise.recovers_within,
            guard_ns=guard_ns,
            early_ns=early_ns,
        )
    return Recovery(
        after_ns=said, within_ns=promise.recovers_within, guard_ns=guard_ns, early_ns=early_ns
    )


def _exact(value: float) -> Fraction:
    """The number as it was written, not as a float holds it."""
    return Fraction(str(value))


@dataclass(frozen=True, slots=True)
class Numbers:
    """What trials count with; all from the rules.

    Attributes:
        rules: of the promise.
        frozen: the clock is held.
    """

    rules: Rules
    frozen: bool

    @property
    def fill(self) -> int:
        """So many pure failures open a fresh breaker: the fewest over all trips."""
        return min(_fill(trip) for trip in self.rules.trips)

    @property
    def fewest(self) -> int:
        """One failure less than this certainly leaves a fresh breaker closed."""
        return min(_fewest(trip) for trip in self.rules.trips)

    @property
    def permits(self) -> int:
        """Trials at once, at least one."""
        trials = self.rules.trials
        return (trials and trials.permits) or 1

    @property
    def successes(self) -> int:
        """Good trials that certainly close it; where that is only seen, as many as are tried."""
        trials = self.rules.trials
        if trials is None:
            return 1
        return trials.successes or SEEN_SUCCESSES

    @property
    def burst(self) -> int:
        """N: calls that are made together."""
        return max(8, self.permits + 3, self.successes + 2)

    @property
    def most(self) -> int:
        """So many failures at most are made until one is refused."""
        return 2 * self.fill + self.successes + 12

    def due_ns(self, level: int = 0) -> int:
        """So long after an opening a call is certainly admitted."""
        recovery = self.rules.recovery
        over_ns = NS_PER_S if recovery.base_ns >= COARSE_NS else 0
        jitter_ns = int(recovery.nominal_ns(level) * recovery.jitter)
        late_ns = recovery.nominal_ns(level) + jitter_ns + over_ns + 2 * recovery.guard_ns
        if recovery.within_ns is None or level:
            return late_ns
        return max(late_ns, recovery.within_ns + 2 * recovery.guard_ns)

    def early_ns(self, level: int = 0) -> int:
        """So long after an opening a call is certainly refused."""
        recovery = self.rules.recovery
        nominal_ns = recovery.nominal_ns(level)
        shortest_ns = nominal_ns - int(nominal_ns * recovery.jitter)
        before_ns = 0 if self.frozen else 2 * recovery.guard_ns
        before_ns += NS_PER_S if recovery.base_ns >= COARSE_NS else 2 * recovery.guard_ns
        return max(shortest_ns // 2, shortest_ns - before_ns)

    @property
    def forgotten_ns(self) -> int:
        """After so long no result of before counts in any window of time; 0 where there is none."""
        ages = [trip.never_ns for trip in self.rules.trips if isinstance(trip, Timed)]
        return max(ages, default=0) and max(ages) + self.rules.recovery.guard_ns


def _fill(trip: Trip) -> int:
    match trip:
        case Consecutive():
            return trip.failures
        case Weak():
            return trip.surely
        case Counted():
            return trip.minimum
        case Timed():
            return trip.minimum if trip.failures is None else trip.failures


def _fewest(trip: Trip) -> int:
    return trip.failures if isinstance(trip, Weak) else _fill(trip)


def reaching(rate: Fraction, under_way: int) -> int:
    """So many failures are over the rate even if calls under way are counted among the results."""
    return NO_COUNT if rate == 1 else floor(under_way * rate / (1 - rate)) + 1


def under(rate: Fraction, total: int) -> int:
    """The most failures among ``total`` results that are still under the rate."""
    return max(0, ceil(rate * total) - 1)


def diluting(rate: Fraction, failures: int) -> int:
    """So many successes keep so many failures under the rate."""
    return floor(failures / rate) - failures + 1
