"""Our own types; and draws that depend on offsets, not on reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults.wire.accept_and_hang import AcceptAndHang
from harness.faults.wire.accept_then_reset import AcceptThenReset
from harness.faults.wire.base import NEVER, Ending, WireFault
from harness.faults.wire.corrupt import Corrupt
from harness.faults.wire.draws import Draws
from harness.faults.wire.duplicate import Duplicate
from harness.faults.wire.limit_time import LimitTime
from harness.faults.wire.packet_loss import PacketLoss
from harness.faults.wire.slow_open import SlowOpen
from tests.faults.wire.deciding import DRAWS, MS, chunks, end, joined, played, split, times_ms

DATA = bytes(range(256)) * 40
READS = st.lists(st.integers(1, 3000), max_size=12)
BY_OFFSET = [
    PacketLoss(loss_rate=0.4, correlation=0.3, drop=1),
    Corrupt(probability=0.5, bits=3, block=64),
    Duplicate(probability=0.5, block=100),
]


@pytest.mark.parametrize("fault", BY_OFFSET, ids=lambda fault: fault.type)
@given(sizes=READS)
def test_the_same_bytes_whatever_was_read_at_once(fault: WireFault, sizes: list[int]) -> None:
    """Which bytes are lost, changed or doubled is drawn by offset."""
    whole = joined(played(fault, [*chunks((DATA, 0)), end(1, len(DATA))]))
    assert whole != DATA
    assert joined(played(fault, [*split(DATA, sizes), end(1, len(DATA))])) == whole


@given(sizes=READS)
def test_lost_segments_come_late_and_nothing_is_lost(sizes: list[int]) -> None:
    """A loss is a retransmission: in order, all of it, some later than it came."""
    left = played(PacketLoss(loss_rate=0.3, retransmit=10), split(DATA, sizes))
    assert joined(left) == DATA
    assert times_ms(left)[-1] > 0


def test_a_wire_that_loses_all() -> None:
    """Nothing comes, nothing is dropped."""
    left = played(PacketLoss(loss_rate=1.0), chunks((b"x" * 10, 0)))
    assert [(one.data, one.at_ns) for one in left] == [(b"x" * 10, NEVER)]


def test_share_of_lost_segments() -> None:
    """As told; more right after a loss where losses come in bursts."""
    data = bytes(1460 * 4000)
    alone = len(joined(played(PacketLoss(loss_rate=0.2, drop=1), chunks((data, 0)))))
    assert alone / len(data) == pytest.approx(0.8, abs=0.03)
    bursts = PacketLoss(loss_rate=0.2, correlation=0.5, drop=1)
    # lost in the long run: p = 0.2 (1 - p) + 0.7 p, so p = 0.4
    assert len(joined(played(bursts, chunks((data, 0))))) / len(data) == pytest.approx(
        0.6, abs=0.03
    )


def test_corrupt_flips_so_many_bits_in_its_range() -> None:
    """As many as told in each block, and none outside the range."""
    fault = Corrupt(bits=2, block=128, first_byte=256, last_byte=1023)
    left = joined(played(fault, chunks((DATA, 0))))
    flips = [
        (at, (a ^ b).bit_count())
        for at, (a, b) in enumerate(zip(DATA, left, strict=True))
        if a != b
    ]
    assert sum(count for _, count in flips) == 2 * 6
    assert all(256 <= at < 1024 for at, _ in flips)


def test_duplicate_doubles_blocks() -> None:
    """Each right behind itself, the unfinished one at the end too."""
    assert (
        joined(played(Duplicate(block=4), [*chunks((b"abcdef", 0)), end(1, 6)])) == b"abcdabcdefef"
    )


def test_slow_open_delays_the_first_chunk_only() -> None:
    """What comes later does not wait, but for what is before it."""
    left = played(SlowOpen(delay=50), chunks((b"a", 10), (b"b", 20), (b"c", 100)))
    assert times_ms(left) == [60, 60, 100]


@pytest.mark.parametrize(("reset", "how"), [(0, Ending.CLOSE), (1, Ending.RESET)])
def test_limit_time(reset: int, how: Ending) -> None:
    """Data passes, and does not put the end off."""
    fault = LimitTime(time=50, reset=reset)
    state, left = fault.decide(fault.begin(0), chunks((b"x", 30))[0], 30 * MS, DRAWS)
    assert (list(left), fault.wakes_ns(state), fault.wake(state)) == (
        chunks((b"x", 30)),
        50 * MS,
        how,
    )


def test_openings() -> None:
    """They stand in for the dial, and leave alone what passes."""
    assert AcceptThenReset(timeout=5).opening().reset_after_ns == 5 * MS
    assert AcceptAndHang().opening().reset_after_ns == NEVER
    assert played(AcceptAndHang(), chunks((b"x", 0))) == chunks((b"x", 0))


def test_draws_are_uniform_and_apart() -> None:
    """Mean, spread, and no two names alike."""
    shares = [DRAWS.share(block) for block in range(10_000)]
    assert sum(shares) / 10_000 == pytest.approx(0.5, abs=0.01)
    assert sum(share**2 for share in shares) / 10_000 == pytest.approx(1 / 3, abs=0.01)
    assert len({DRAWS.bits(block, turn) for block in range(100) for turn in range(100)}) == 10_000
    assert Draws.of(7, "a", 1) != Draws.of(7, "a1") != Draws.of(8, "a1")


def test_draws_are_these() -> None:
    """A seed that was printed once gives the same draws for ever."""
    assert [
        Draws.of(7, "redis", 1, "upstream", "loss").below(1000, block) for block in range(4)
    ] == [659, 358, 198, 334]
