"""The types that Toxiproxy has: each decides as its own does, but for what is mended."""

from __future__ import annotations

import pytest

from harness.faults.wire import TYPES
from harness.faults.wire.bandwidth import Bandwidth
from harness.faults.wire.base import NEVER, Ending
from harness.faults.wire.latency import Latency
from harness.faults.wire.limit_data import LimitData
from harness.faults.wire.noop import Noop
from harness.faults.wire.reset_peer import ResetPeer
from harness.faults.wire.slicer import Slicer
from harness.faults.wire.slow_close import SlowClose
from harness.faults.wire.timeout import Timeout
from tests.faults.wire.deciding import DRAWS, MS, chunks, end, joined, played

TWO = chunks((b"ab", 0), (b"cd", 5))


def test_noop_passes() -> None:
    """At once, and the same."""
    assert played(Noop(), [*TWO, end(9)]) == [*TWO, end(9)]


def test_latency_counts_from_when_a_chunk_came() -> None:
    """Chunks overlap on their way: the second does not wait for the first to have left."""
    assert [one.at_ns for one in played(Latency(latency=100), TWO)] == [100 * MS, 105 * MS]


@pytest.mark.parametrize("latency", [0, -1, 9_200_000_000_001])
def test_latency_of_nothing(latency: int) -> None:
    """No delay, a negative one, and one beyond what Toxiproxy can count are none."""
    assert played(Latency(latency=latency), TWO) == TWO


def test_latency_leaves_the_end_alone() -> None:
    """It is late only behind data that is."""
    assert played(Latency(latency=100), [end(3)]) == [end(3)]


def test_jitter_is_uniform_over_whole_ms() -> None:
    """From -jitter to jitter - 1, each about as often."""
    came = chunks(*[(b"x", 0)] * 4000)
    delays = [one.at_ns // MS for one in played(Latency(latency=100, jitter=2), came)]
    assert set(delays) == {98, 99, 100, 101}
    assert all(900 < delays.count(delay) < 1100 for delay in set(delays))


def test_normal_jitter() -> None:
    """Ours: two thirds are within one standard deviation, 95 % within two."""
    came = chunks(*[(b"x", 0)] * 4000)
    delays = [one.at_ns / MS for one in played(Latency(latency=1000, jitter=10, normal=1), came)]
    within = [sum(abs(delay - 1000) < span for delay in delays) / 4000 for span in (10, 20)]
    assert within == pytest.approx([0.683, 0.954], abs=0.03)


def test_bandwidth_takes_its_time() -> None:
    """480,000 bytes at 1,000 KB/s are there after 480 ms, in pieces of at most 100 ms."""
    left = played(Bandwidth(rate=1000), chunks(*[(b"x" * 30_000, 0)] * 16))
    assert [one.at_ns for one in left] == [30 * MS * number for number in range(1, 17)]


def test_bandwidth_cuts() -> None:
    """What takes longer than 100 ms leaves in pieces of 100 ms."""
    left = played(Bandwidth(rate=1), chunks((b"x" * 250, 0)))
    assert [(len(one.data), one.at_ns // MS) for one in left] == [(100, 100), (100, 200), (50, 250)]


def test_bandwidth_of_nothing_stalls() -> None:
    """Rate 0: nothing leaves, nothing is lost."""
    assert [(one.data, one.at_ns) for one in played(Bandwidth(rate=0), TWO[:1])] == [(b"ab", NEVER)]


def test_shared_bandwidth() -> None:
    """Ours: who comes second waits until the first has passed."""
    fault = Bandwidth(rate=1, shared=1)
    state, first = fault.decide(fault.begin(0), chunks((b"x" * 50, 0))[0], 0, DRAWS)
    _, second = fault.decide(state, chunks((b"y" * 50, 0))[0], 0, DRAWS)
    assert [one.at_ns // MS for one in (*first, *second)] == [50, 100]


def test_slow_close() -> None:
    """Data passes; the end comes later."""
    assert played(SlowClose(delay=100), [*TWO, end(7)]) == [*TWO, end(107)]


def test_timeout_drops_and_closes_after_silence() -> None:
    """Each chunk puts the close off."""
    fault = Timeout(timeout=50)
    assert fault.wakes_ns(fault.begin(0)) == 50 * MS
    state, left = fault.decide(fault.begin(0), chunks((b"x", 30))[0], 30 * MS, DRAWS)
    assert (fault.wakes_ns(state), left) == (80 * MS, ())
    assert fault.wake(state) is Ending.CLOSE


@pytest.mark.parametrize("timeout", [0, -1])
def test_timeout_of_nothing_never_closes(timeout: int) -> None:
    """Data is dropped, and the source's end passes."""
    fault = Timeout(timeout=timeout)
    assert fault.wakes_ns(fault.begin(0)) == NEVER
    assert played(fault, [*TWO, end(9)]) == [end(9)]


@pytest.mark.parametrize("came", [TWO[:1], [end(0)]])
def test_reset_peer(came: list) -> None:
    """The first chunk, or the end, is replaced by a reset after the timeout."""
    (left,) = played(ResetPeer(timeout=20), came)
    assert (left.data, left.at_ns, left.ending) == (b"", 20 * MS, Ending.RESET)


@pytest.mark.parametrize(
    ("sizes", "limit", "passed"),
    [
        ([50], 50, 50),
        ([100], 100, 100),
        ([150], 100, 100),
        ([25] * 4, 100, 100),
        ([90, 20], 100, 100),
        ([10], 0, 0),
        ([10], -5, 0),
    ],
)
def test_limit_data(sizes: list[int], limit: int, passed: int) -> None:
    """Exactly so many bytes pass, then it closes."""
    left = played(LimitData(bytes=limit), chunks(*[(b"x" * size, 0) for size in sizes]))
    assert len(joined(left)) == passed
    assert left[-1].ending is Ending.CLOSE


def test_limit_data_counts_on_over_an_update() -> None:
    """90 have passed when the limit becomes 100: 10 of 20 more pass."""
    before, after = LimitData(bytes=1000), LimitData(bytes=100)
    state, _ = before.decide(before.begin(0), chunks((b"x" * 90, 0))[0], 0, DRAWS)
    _, left = after.decide(after.renew(state, 0), chunks((b"y" * 20, 0))[0], 0, DRAWS)
    assert [len(one.data) for one in left] == [10, 0]


def test_slicer_of_one_byte() -> None:
    """24 bytes, one at a time, with a pause after each."""
    left = played(Slicer(average_size=1, delay=100), chunks((bytes(range(24)), 0)))
    assert [one.data for one in left] == [bytes([number]) for number in range(24)]
    assert [one.at_ns for one in left] == [100_000 * number for number in range(24)]


@pytest.mark.parametrize(
    ("average", "variation", "mean"), [(1024, 0, 1024), (1024, 512, 998), (1000, 1000, 1217)]
)
def test_sizes_of_slices(average: int, variation: int, mean: int) -> None:
    """On chunks of 32 KiB, what Toxiproxy's own are, measured; none lost, none larger than allowed."""
    data = bytes(1 << 15)
    left = played(
        Slicer(average_size=average, size_variation=variation), chunks(*[(data, 0)] * 100)
    )
    assert len(joined(left)) == len(data) * 100
    assert max(len(one.data) for one in left) <= average + variation
    assert len(data) * 100 / len(left) == pytest.approx(mean, rel=0.04)


@pytest.mark.parametrize("variation", [150, 10_000, -5])
def test_any_variation_ends(variation: int) -> None:
    """A cut outside its piece is moved inside."""
    data = bytes(range(256)) * 64
    left = played(Slicer(average_size=100, size_variation=variation), chunks((data, 0)))
    assert joined(left) == data
    assert all(one.data for one in left)


def test_a_chunk_that_is_small_enough_passes_whole() -> None:
    """It is not cut where a larger one would have been."""
    assert played(Slicer(average_size=100, size_variation=10), chunks((b"x" * 110, 0))) == chunks(
        (b"x" * 110, 0)
    )


def test_what_is_asked_of_each_type_alone() -> None:
    """Only a timeout loses bytes that nobody can get back: taking it away closes."""
    assert [fault for fault in TYPES.values() if fault.is_deadly] == [Timeout]
