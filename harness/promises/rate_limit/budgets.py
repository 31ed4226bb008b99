"""From the words of a promise to the models that decide it."""

from __future__ import annotations

from harness.models.buckets import TokenBucket
from harness.models.fixed import FixedWindow
from harness.models.windows import SlidingWindow
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S, Rate

Budget = SlidingWindow | FixedWindow | TokenBucket


def budgets_of(promise: RateLimit) -> tuple[Budget, ...]:
    """One model for each limit, in the order of the contract."""
    return tuple(_budget(promise, rate) for rate in promise.limit)


def _budget(promise: RateLimit, rate: Rate) -> Budget:
    slack = promise.granularity
    if promise.burst is not None:
        return TokenBucket(promise.burst, rate.count, rate.window_ns, slack, promise.refill)
    if promise.window is None:
        return SlidingWindow(rate.count, rate.window_ns, slack)
    reach = 2 if promise.window == "approximate" else 1
    return FixedWindow(rate.count, rate.window_ns, slack, reach)


def longest_wait_ns(promise: RateLimit) -> int:
    """The longest Retry-After that can be believed: until any budget is whole again, and 1 s."""
    waits = [rate.window_ns for rate in promise.limit]
    if promise.burst is not None:
        waits += [-(-promise.burst * rate.window_ns // rate.count) for rate in promise.limit]
    if promise.window == "approximate":
        waits += [2 * rate.window_ns for rate in promise.limit]
    if promise.refill is not None:
        waits.append(promise.refill)
    return max(waits) + NS_PER_S


def margin_ns(promise: RateLimit) -> int:
    """Widest interval with which steps at an edge can still be decided."""
    if promise.burst is not None:
        return min(rate.window_ns for rate in promise.limit) // (24 * promise.burst)
    return min(rate.window_ns // (16 * (rate.count + 4)) for rate in promise.limit)
