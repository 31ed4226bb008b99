"""The numbers of a rate limit that its trials are built from."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.plan import Expect
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S, Rate

LARGE = 200
"""Caps over this get the reduced set of trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the trials must know of the world that they will be played in.

    Attributes:
        frozen: the target's clock is held.
        margin_ns: ``m``: how near to a border a call may be put.
        per_caller: the most calls of one client at one instant that no other promise may refuse.
        proxy: whether this machine can call from the first trusted proxy's address.
        rng: the stream of this promise's random plans.
        workers: processes that serve.
    """

    frozen: bool
    margin_ns: int
    per_caller: int | None
    proxy: bool
    rng: Random
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A promise in the letters of "What `rate_limit` means": N, W, B, T, g, m, cap."""

    n: int
    w: int
    bucket: bool
    cap: int
    t: int
    g: int
    m: int
    sliding: bool
    recover: int
    frozen: bool
    roomy: bool

    @classmethod
    def of(cls, promise: RateLimit, scene: Scene) -> Numbers:
        """Take the shortest window as the one that is tried; ``roomy`` if the others leave it alone."""
        rate = min(promise.limit, key=lambda limit: limit.window_ns)
        longer = [limit.count for limit in promise.limit if limit is not rate]
        cap = promise.burst or rate.count
        return cls(
            n=rate.count,
            w=rate.window_ns,
            bucket=promise.burst is not None,
            cap=cap,
            t=-(-rate.window_ns // rate.count),
            g=promise.granularity,
            m=scene.margin_ns,
            sliding=promise.window is None,
            recover=rate.window_ns * (2 if promise.window == "approximate" else 1)
            + 2 * promise.granularity,
            frozen=scene.frozen,
            roomy=all(count >= 2 * rate.count + 8 for count in longer),
        )

    @property
    def large(self) -> bool:
        """Whether the reduced set is played."""
        return self.cap > LARGE

    def full(self, used: int = 0) -> Expect | None:
        """What a burst of more than the cap admits when ``used`` calls came just before it.

        The B-th call of a bucket at one instant is free (floats); on a running clock a bucket
        refills while the burst lasts, so that no number can be expected.
        """
        left = max(0, self.cap - used)
        if not self.bucket:
            return Expect.exactly(left)
        return Expect(max(0, left - 1), left) if self.frozen else None

    def none(self) -> Expect | None:
        """All refused, where time stands still or windows do not refill meanwhile."""
        return Expect.exactly(0) if self.frozen or not self.bucket else None

    def if_sliding(self, expect: Expect | None) -> Expect | None:
        """Only sliding windows and buckets say what happens here; other windows are free."""
        return expect if self.sliding else None


def quiet_ns(promise: RateLimit) -> int:
    """How long no call must have come for any honest limiter to have forgotten all of them."""
    longest = 0
    for rate in promise.limit:
        filled = -(-(promise.burst or 0) * rate.window_ns // rate.count)
        longest = max(longest, rate.window_ns, filled)
    return 2 * longest + 2 * promise.granularity


def advice_ns(promise: RateLimit) -> int:
    """The longest Retry-After that is not absurd."""
    return quiet_ns(promise) + NS_PER_S


def smallest(rates: tuple[Rate, ...]) -> int:
    """The smallest count of several limits: what one client may call at one instant."""
    return min(rate.count for rate in rates)
