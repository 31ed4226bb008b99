"""The models alone: least witnesses, and histories too long to try every border."""

from __future__ import annotations

import pytest

from harness.models.buckets import TokenBucket
from harness.models.fixed import FixedWindow
from harness.models.intervals import FOREVER, Interval, Taken, Use
from harness.models.windows import SlidingWindow


def points(*times: int) -> list[Interval]:
    """Calls in turn, each at one instant."""
    return [Interval(time, time, 2 * n, 2 * n + 1, n) for n, time in enumerate(times)]


def test_the_earliest_excess_is_shown_with_its_least_calls() -> None:
    """N + 1 calls of the first window that is too full, though others follow."""
    excess = SlidingWindow(2, 10, 1).upper(Taken.of(points(0, 9, 20, 21, 22, 23, 24))).excess()
    assert excess is not None
    assert (excess.from_ns, excess.to_ns, excess.bound, excess.windows) == (20, 22, 2, 1)
    assert excess.calls == (2, 3, 4)


def test_a_chain_of_windows_is_shown_as_so_many_windows() -> None:
    """No window holds two whole intervals, still three do not fit into two windows."""
    calls = [Interval(0, 0, 0, 1, 0), Interval(5, 15, 2, 3, 1), Interval(18, 18, 4, 5, 2)]
    excess = SlidingWindow(1, 10, 1).upper(Taken.of(calls)).excess()
    assert excess is None
    calls[2] = Interval(17, 17, 4, 5, 2)
    excess = SlidingWindow(1, 10, 1).upper(Taken.of(calls)).excess()
    assert excess is not None
    assert (excess.bound, excess.windows, excess.calls) == (2, 2, (0, 1, 2))


def test_a_bucket_shows_only_the_calls_that_emptied_it() -> None:
    """What had been refilled before is left out."""
    excess = TokenBucket(3, 3, 30, 1).upper(Taken.of(points(0, 100, 100, 100, 100))).excess()
    assert excess is not None
    assert (excess.calls, excess.bound) == ((1, 2, 3, 4), 3)


def test_a_long_history_of_fixed_windows_loses_its_oldest_calls_first() -> None:
    """Too many borders to try: what is left still accuses, and an honest history never does."""
    honest = [window * 1_000 + n for window in range(400) for n in range(5)]
    assert FixedWindow(5, 1_000, 1).upper(Taken.of(points(*honest))).excess() is None
    greedy = [*honest, *(400_000 + n for n in range(11))]
    excess = FixedWindow(5, 1_000, 1).upper(Taken.of(points(*greedy))).excess()
    assert excess is not None
    assert len(excess.calls) == 11
    assert excess.from_ns == 400_000


@pytest.mark.parametrize(
    "model", [SlidingWindow(2, 10, 1), FixedWindow(2, 10, 1), TokenBucket(2, 2, 10, 1)]
)
def test_what_was_used_is_shown_at_its_fullest(
    model: SlidingWindow | FixedWindow | TokenBucket,
) -> None:
    """Of two calls only the one in reach counts; the judged call itself never does."""
    calls = points(0, 35, 36)
    unused = model.lower(Use.of(calls)).unused(calls[2])
    assert (unused.used, unused.calls, unused.at_ns) == (1, (1,), 36)


def test_a_lost_call_is_owed_nothing_that_could_be_said() -> None:
    """Asking is a mistake of the caller, and told as one."""
    lost = Interval(0, FOREVER, 0, FOREVER, 0)
    use = Use.of([*points(0, 0, 0), lost])
    with pytest.raises(ValueError, match="call 0 has no answer"):
        SlidingWindow(1, 10, 1).lower(use).owes(lost, counted=True)


def test_a_sum_of_budgets_is_a_budget() -> None:
    """Processes that each limit by themselves give their sum."""
    assert SlidingWindow(2, 10, 1).times(3) == SlidingWindow(6, 10, 1)
    assert FixedWindow(2, 10, 1, 2).times(3) == FixedWindow(6, 10, 1, 2)
    assert TokenBucket(2, 3, 10, 1).times(3) == TokenBucket(6, 9, 10, 1)
