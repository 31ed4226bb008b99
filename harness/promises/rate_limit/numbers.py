"""The numbers of a rate limit that its trials are built from."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.plan import Expect
from harness.promises.rate_limit.budgets import budgets_of
from harness.promises.rate_limit.words import RateLimit
from harness.units import Rate

LARGE = 200
"""Caps over this get the reduced set of trials."""
ONE = Expect.exactly(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the trials must know of the world that they will be played in.

    Attributes:
        frozen: the target's clock is held.
        margin_ns: ``m``: how near to a border a call may be put.
        per_caller: the most calls of one client at one instant that no other promise may refuse.
        proxy: whether this machine can call from the first trusted proxy's address.
        rng: the stream of this promise's random plans.
    """

    frozen: bool
    margin_ns: int
    per_caller: int | None
    proxy: bool
    rng: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A promise in the letters of "What `rate_limit` means": N, W, B, T, g, m, cap.

    Attributes:
        n, w: the limit with the shortest window.
        bucket: whether it is a bucket; ``cap`` is its size, else N.
        t: W/N, rounded up.
        step: the least span in which a bucket certainly gets a token: T, or its declared step.
        g, m: granularity, and how near to a border a call may be put.
        sliding: no other windows are declared, so that each step has one right answer.
        recover: after so long without an admitted call all of the budget is there again.
        frozen: the clock is held.
        roomy: further limits leave the trials of the shortest one alone.
    """

    n: int
    w: int
    bucket: bool
    cap: int
    t: int
    step: int
    g: int
    m: int
    sliding: bool
    recover: int
    frozen: bool
    roomy: bool

    @classmethod
    def of(cls, promise: RateLimit, scene: Scene) -> Numbers:
        """Take the shortest window as the one that is tried."""
        budgets = budgets_of(promise)
        rate, budget = min(
            zip(promise.limit, budgets, strict=True), key=lambda pair: pair[0].window_ns
        )
        longer = [limit.count for limit in promise.limit if limit is not rate]
        each = -(-rate.window_ns // rate.count)
        return cls(
            n=rate.count,
            w=rate.window_ns,
            bucket=promise.burst is not None,
            cap=promise.burst or rate.count,
            t=each,
            step=each if promise.refill is None else promise.refill,
            g=promise.granularity,
            m=scene.margin_ns,
            sliding=promise.window is None and promise.refill is None,
            recover=budget.memory_ns + promise.granularity,
            frozen=scene.frozen,
            roomy=all(count >= 2 * rate.count + 8 for count in longer),
        )

    @property
    def large(self) -> bool:
        """Whether the reduced set is played."""
        return self.cap > LARGE

    @property
    def after(self) -> int:
        """How long after an edge a call is safely behind it: 2g, or in real time as long as a burst."""
        return 2 * self.g if self.frozen else self.m

    def full(self, used: int = 0) -> Expect | None:
        """What a burst of more than the cap admits when ``used`` calls came just before it.

        The B-th call of a bucket at one instant is free (floats); on a running clock a bucket
        refills while the burst lasts, so that no number can be expected.
        """
        left = max(0, self.cap - used)
        if not self.bucket:
            return Expect.exactly(left)
        return Expect(max(0, left - 1), left) if self.frozen else None

    def last(self) -> Expect | None:
        """What is admitted at the instant at which the cap has just been used up."""
        if self.bucket:
            return Expect(0, 1) if self.frozen else None
        return Expect.exactly(0)

    def none(self) -> Expect | None:
        """All refused, where time stands still or windows do not refill meanwhile."""
        return Expect.exactly(0) if self.frozen or not self.bucket else None

    def if_sliding(self, expect: Expect | None) -> Expect | None:
        """Other windows, and buckets that refill in steps, are free here: their phase is not known."""
        return expect if self.sliding else None

    def if_roomy(self, expect: Expect | None) -> Expect | None:
        """Where further limits are near, they may refuse as well."""
        return expect if self.roomy else None


def exactly(admitted: int) -> Expect:
    """Just so many."""
    return Expect.exactly(admitted)


def quiet_ns(promise: RateLimit) -> int:
    """How long no call must have come for any honest limiter to have forgotten all of them."""
    longest = 0
    for rate, budget in zip(promise.limit, budgets_of(promise), strict=True):
        filled = -(-(promise.burst or 0) * rate.window_ns // rate.count)
        longest = max(longest, 2 * rate.window_ns, 2 * filled, budget.memory_ns)
    return longest + 2 * promise.granularity


def smallest(rates: tuple[Rate, ...]) -> int:
    """The smallest count of several limits: what one client may call at one instant."""
    return min(rate.count for rate in rates)
