"""A chain by itself: chunks in, bytes out, and what time it is, is said by the test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.faults.wire import TYPES
from harness.faults.wire.base import NEVER, NS_PER_MS, Chunk, Ending
from harness.faults.wire.draws import Draws
from harness.proxy.chain import Chain
from harness.proxy.stage import Budget, Life, Stage
from harness.proxy.wires import Toxic

MS = NS_PER_MS


@dataclass
class Writer:
    """What a chain ends in: takes bytes while it is ready.

    Attributes:
        written: bytes, and how it ended.
        told: names of toxics that did something, and of those that ended it.
        wants_more: the chain asked for another turn.
    """

    ready: bool = True
    written: list[Any] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    wants_more: bool = False

    def is_ready(self) -> bool:
        """See :class:`harness.proxy.stage.Sink`."""
        return self.ready

    def write(self, data: bytes) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.written.append(data)

    def finish(self, how: Ending) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.written.append(how)

    def hit(self, stage: Stage, offset: int) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.told.append(f"{stage.toxic.name} at {offset}")

    def cut(self, stage: Stage, how: Ending) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.told.append(f"{stage.toxic.name} {how.value}")

    def again(self) -> None:
        """See :class:`harness.proxy.stage.Sink`."""
        self.wants_more = True


@dataclass
class Rig:
    """A chain of toxics, named by their kinds and places."""

    writer: Writer = field(default_factory=Writer)
    budget: Budget = field(default_factory=lambda: Budget(1 << 20))
    offset: int = 0

    def __post_init__(self) -> None:
        self.chain = Chain(self.writer)

    def stage(self, kind: str, now_ms: int = 0, **settings: int) -> Stage:
        """One more, not in the chain yet."""
        toxic = Toxic(kind, "upstream", 1.0, TYPES[kind](**settings))
        return Stage(
            toxic, "upstream", Life(), lambda: Draws(7), self.writer, self.budget, now_ms * MS
        )

    def build(self, *stages: Stage, now_ms: int = 0) -> None:
        """These from now on."""
        self.chain.restage(stages, now_ms * MS)
        self.pump(now_ms)

    def push(self, data: bytes, at_ms: int = 0) -> None:
        """A chunk from the source."""
        self.chain.push(Chunk(self.offset, data, at_ms * MS), at_ms * MS)
        self.offset += len(data)

    def end(self, at_ms: int = 0) -> None:
        """The source has sent all."""
        self.chain.push(Chunk(self.offset, b"", at_ms * MS, Ending.END), at_ms * MS)

    def pump(self, at_ms: int) -> list[Any]:
        """What has been written by then."""
        if self.chain.stages:
            self.chain.pump(at_ms * MS)
        return self.writer.written


def test_latencies_in_a_row_add_up_under_load() -> None:
    """The second counts from when the first let go, however many are under way."""
    rig = Rig()
    rig.build(rig.stage("latency", latency=100), rig.stage("latency", latency=50))
    for number in range(10):
        rig.push(bytes([number]), number)
    assert rig.pump(149) == []
    assert rig.pump(152) == [b"\0", b"\1", b"\2"]
    assert rig.chain.wakes_ns() == 153 * MS


def test_pauses_are_kept_when_the_writer_was_blocked() -> None:
    """A slicer does not catch up on pieces that were due meanwhile."""
    rig = Rig()
    rig.build(rig.stage("slicer", average_size=1, delay=10_000))
    rig.writer.ready = False
    rig.push(b"abc")
    assert rig.chain.wakes_ns() == NEVER
    rig.writer.ready = True
    assert rig.pump(500) == [b"a"]
    assert rig.chain.wakes_ns() == 510 * MS
    assert rig.pump(510) == [b"a", b"b"]


def test_bandwidth_does_not_catch_up_on_a_blocked_writer() -> None:
    """Nor does it count the time of its own timers' lateness against who sends."""
    rig = Rig()
    rig.build(rig.stage("bandwidth", rate=1))
    rig.push(b"x" * 10)
    rig.push(b"y" * 10)
    assert rig.pump(13) == [b"x" * 10]
    assert rig.chain.wakes_ns() == 20 * MS, "from when it should have left"
    rig.writer.ready = False
    rig.pump(20)
    rig.push(b"z" * 10, 20)
    rig.writer.ready = True
    rig.pump(300)
    assert rig.chain.wakes_ns() == 310 * MS


def test_a_source_is_read_while_there_is_room() -> None:
    """Two chunks of those that hold up, many of those that only wait for their time."""
    serial, deep = Rig(), Rig()
    serial.build(serial.stage("bandwidth", rate=0))
    deep.build(deep.stage("latency", latency=1000))
    for rig, most in ((serial, 2), (deep, 1025)):
        count = 0
        while rig.chain.accepts():
            rig.push(b"x")
            count += 1
        assert count == most
    tight = Rig(budget=Budget(100))
    tight.build(tight.stage("latency", latency=1000))
    while tight.chain.accepts():
        tight.push(b"x" * 60)
    assert tight.chain.held_bytes() == 180
    tight.chain.clear()
    assert tight.budget.left_bytes == 100


def test_what_is_in_a_toxic_that_goes_stays_in_order() -> None:
    """The last ones' first; what the first ones hold goes to the next that stays."""
    rig = Rig()
    first, second, third = (rig.stage("latency", latency=span) for span in (100, 100, 500))
    rig.build(first, second, third)
    rig.push(b"1")
    rig.pump(100)
    rig.pump(200)  # in the third
    rig.push(b"2", 200)
    rig.pump(300)  # in the second
    rig.push(b"3", 300)
    rig.end(301)
    rig.build(third, now_ms=302)
    assert rig.pump(302) == []
    rig.build(now_ms=303)
    assert rig.writer.written == [b"1", b"2", b"3", Ending.END]


def test_an_update_restarts_what_waits() -> None:
    """Data leaves at once; a close that waits, waits anew."""
    rig = Rig()
    stage = rig.stage("slow_close", delay=100)
    rig.build(stage)
    rig.end(0)
    stage.renew(Toxic("slow_close", "upstream", 1.0, TYPES["slow_close"](delay=50)), 90 * MS)
    assert rig.pump(99) == []
    assert rig.pump(149) == [Ending.END]


def test_ends_of_toxics_take_their_way_through_the_others() -> None:
    """And each is told of by who made it."""
    rig = Rig()
    rig.build(rig.stage("limit_data", bytes=2), rig.stage("slow_close", delay=30))
    rig.push(b"abc", 10)
    assert rig.pump(39) == [b"ab"]
    assert rig.pump(40) == [b"ab", Ending.CLOSE]
    assert rig.writer.told == ["limit_data at 0", "limit_data close", "slow_close at 2"]


def test_many_pieces_are_moved_a_few_at_a_time() -> None:
    """Others get their turn between."""
    rig = Rig()
    rig.build(rig.stage("slicer", average_size=1))
    rig.push(bytes(10_000))
    assert rig.writer.wants_more
    assert len(rig.writer.written) < 1000
    while len(rig.writer.written) < 10_000:
        rig.pump(0)


@pytest.mark.parametrize(
    ("kind", "settings", "dropped", "added"),
    [
        ("timeout", {}, 10, 0),
        ("limit_data", {"bytes": 4}, 6, 0),
        ("duplicate", {"block": 5}, 0, 10),
    ],
)
def test_what_it_did_is_counted(
    kind: str, settings: dict[str, int], dropped: int, added: int
) -> None:
    """In bytes that did not leave, and that left but had not come."""
    rig = Rig()
    stage = rig.stage(kind, **settings)
    rig.build(stage)
    rig.push(bytes(10))
    counters = stage.life.counters
    assert (counters.hits, counters.hit_bytes) == (1, 10)
    assert (counters.dropped_bytes, counters.added_bytes) == (dropped, added)
