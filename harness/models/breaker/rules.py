"""What a breaker promises, as numbers: when it trips, recovers, tries and closes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from harness.units import NS_PER_MS, NS_PER_S

GUARD_NS: Final = 5 * NS_PER_MS
"""So late a timer may be on a held clock: ``g``."""
EARLY_NS: Final = NS_PER_MS
"""So early: libuv's timers fire up to half a millisecond before their time."""
COARSE_NS: Final = 10 * NS_PER_S
"""From here on a recovery may be counted in whole seconds, unless it is declared exact."""
SEEN_SUCCESSES: Final = 12
"""So many good trials close a breaker whose ``successes`` are not declared."""


@dataclass(frozen=True, slots=True)
class Consecutive:
    """So many counted failures without a success between."""

    failures: int


@dataclass(frozen=True, slots=True)
class Weak:
    """Failures of which nothing else is said: only pure failures on a fresh breaker are judged.

    Attributes:
        failures: it never opens before so many calls have begun.
        surely: after so many failures and nothing else it is open.
    """

    failures: int
    surely: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Failures, or a share of failures, among the results of the last ``within_ns``.

    Attributes:
        failures: so many of them; None where ``rate`` decides.
        rate: share of failures, once there are ``minimum`` results; None where ``failures`` decides.
        rolling: results are forgotten one by one, never all at once.
    """

    within_ns: int
    failures: int | None = None
    rate: Fraction | None = None
    minimum: int = 1
    rolling: bool = False

    @property
    def surely_ns(self) -> int:
        """A younger result counts."""
        return self.within_ns * 9 // 10

    @property
    def never_ns(self) -> int:
        """An older result does not."""
        return self.within_ns + max(NS_PER_S, self.within_ns // 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A share of failures among the last so many results."""

    last: int
    rate: Fraction
    minimum: int


Trip = Consecutive | Weak | Timed | Counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long it stays open.

    Attributes:
        after_ns: T; None where only ``within_ns`` is promised.
        growth: each opening without a closing before is so many times as long.
        cap_ns: but no longer than this.
        jitter: give or take this share.
        exact: never counted in whole seconds.
        within_ns: some call is admitted at most so long after the opening, if no trial failed.
        guard_ns, early_ns: how late and how early is still in time.
    """

    after_ns: int | None
    growth: Fraction = Fraction(1)
    cap_ns: int | None = None
    jitter: Fraction = Fraction(0)
    exact: bool = False
    within_ns: int | None = None
    guard_ns: int = GUARD_NS
    early_ns: int = EARLY_NS

    @property
    def base_ns(self) -> int:
        """T, or what stands for it."""
        return self.after_ns or self.within_ns or 0

    @property
    def coarse_ns(self) -> int:
        """So much a clock of whole seconds may be off."""
        return 0 if self.exact or self.base_ns < COARSE_NS else NS_PER_S

    def nominal_ns(self, level: int) -> int:
        """T after ``level`` failed trials in a row, without jitter."""
        value = int(self.base_ns * self.growth**level)
        return value if self.cap_ns is None else min(value, self.cap_ns)

    def longest_ns(self, level: int) -> int:
        """The latest instant, from the opening, at which a call may be refused for it."""
        spread = int(self.nominal_ns(level) * self.jitter)
        return self.nominal_ns(level) + spread + self.coarse_ns + self.guard_ns

    def may_be_over(self, age_ns: int, level: int) -> bool:
        """Whether a call may be admitted at this age of the opening."""
        if self.after_ns is None:
            return age_ns > 0
        nominal_ns = self.nominal_ns(level)
        shortest_ns = nominal_ns - int(nominal_ns * self.jitter)
        if self.coarse_ns:
            return age_ns > shortest_ns - self.coarse_ns
        return age_ns >= shortest_ns - self.early_ns

    def next_level(self, level: int) -> int:
        """Of the next opening; levels that differ in nothing are one."""
        return level if self.nominal_ns(level + 1) == self.nominal_ns(level) else level + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What is said of the half-open state; None: nothing is.

    Attributes:
        permits: trials at once.
        successes: so many good ones close it; where ``rate`` is given it is so many in all.
        rate: once that many results are in, such a share of failures reopens it.
    """

    permits: int | None = None
    successes: int | None = None
    rate: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All that one breaker promises.

    Attributes:
        trips: what opens it; whichever is first.
        trials: the half-open state; None: after T it is closed with a clear count.
        half_open_seen: nothing is said of a half-open state, so that there may be none.
        call_timeout_ns: a call that takes longer has failed.
        late_success_closes: a success of a call begun before the opening may close it.
        counts_seen: what counts is not declared, so that other outcomes may count as well.
        prompt: who is refused never waits.
    """

    trips: tuple[Trip, ...]
    recovery: Recovery
    trials: Trials | None = Trials()
    half_open_seen: bool = False
    call_timeout_ns: int | None = None
    late_success_closes: bool = False
    counts_seen: bool = False
    prompt: bool = False

    @property
    def has_rate(self) -> bool:
        """Whether any share of failures is judged."""
        return any(getattr(trip, "rate", None) is not None for trip in self.trips)

    def lease_ns(self, level: int) -> int:
        """When another trial may follow one that hangs."""
        nominal_ns = self.recovery.nominal_ns(level)
        shortest_ns = nominal_ns - int(nominal_ns * self.recovery.jitter) - self.recovery.coarse_ns
        if self.recovery.after_ns is None:
            shortest_ns = 0
        if self.call_timeout_ns is not None:
            shortest_ns = min(shortest_ns, self.call_timeout_ns)
        return shortest_ns - self.recovery.early_ns
