"""Each fault on real processes: seen to be in effect, undone, and an ineffective one is noticed."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from harness.errors import CouldNotRun
from harness.faults.process import (
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.history import FaultBegan, FaultEnded, TargetStarted
from harness.living import look
from harness.nemesis import Nemesis, NotInEffect
from harness.nemesis.looks import memory_bytes, stands
from harness.runner.world import World
from harness.units import NS_PER_S
from tests.nemesis.conftest import ask, body, call, entries

MIB = 1 << 20


def pids(world: World) -> list[int]:
    """The processes of the service."""
    return [pid for part in world.target.parts() for pid in part.pids()]


def pid(world: World) -> int:
    """The process that is called."""
    found = world.target.pid
    assert found is not None
    return found


# -- paused ------------------------------------------------------------------------------------------


def test_a_paused_service_answers_nobody(world: World, nemesis: Nemesis) -> None:
    """It stands still with its child in another session, on the ledger, and goes on as it was."""
    before = pids(world)
    assert len(before) == 2
    with nemesis.paused("target") as injected:
        assert injected.effect.count == 2
        assert all(stands(each) for each in before)
        stopped = [entry.split(" ")[1] for entry in entries(world, "stopped")]
        assert sorted(stopped) == sorted(map(str, before))
        assert call(world).status is None
    assert not any(stands(each) for each in before)
    assert pids(world) == before
    assert injected.ended is not None
    assert injected.ended.doubt is None
    began, ended = world.history().events[-3], world.history().events[-1]
    assert isinstance(began, FaultBegan)
    assert (began.dependency, began.fault, began.effect) == ("target", "paused", 2)
    assert isinstance(ended, FaultEnded)
    assert (ended.dependency, ended.data_kept, ended.said) == ("target", True, "runs again")


def test_a_paused_store_keeps_all_it_has(world: World, nemesis: Nemesis) -> None:
    """Nobody answers there, and nothing is lost."""
    assert ask(world, "SET kept 1") == "+OK"
    with nemesis.paused("redis") as injected:
        assert injected.effect.count == 1
        assert ask(world, "PING") == ""
    assert ask(world, "GET kept") == "$1"


def end(world: World) -> None:
    """Somebody else kills the service."""
    os.kill(pid(world), signal.SIGKILL)
    while world.target.alive():
        pass


def wake(number: int) -> int:
    os.kill(number, signal.SIGCONT)
    return 0


def wake_shortly(number: int) -> int:
    """It runs, perhaps for a moment only, and stands still when anybody looks."""
    os.kill(number, signal.SIGCONT)
    while (seen := look(number)) is not None and seen.state == "T":
        pass
    os.kill(number, signal.SIGSTOP)
    while not stands(number):
        pass
    return 0


@pytest.mark.parametrize(
    ("act", "said"),
    [(wake, "let go on by somebody else"), (wake_shortly, "computed .* ms meanwhile")],
)
def test_a_pause_that_somebody_ends_is_none(
    world: World, nemesis: Nemesis, act: Callable[[int], int], said: str
) -> None:
    """Whoever ran meanwhile was not paused, also if it stands still again in the end."""
    with pytest.raises(NotInEffect, match=said), nemesis.paused("target"):
        act(pid(world))


def test_a_process_that_dies_while_it_is_paused(world: World, nemesis: Nemesis) -> None:
    """It was not paused to the end, and the service is started again."""
    old = pid(world)
    with pytest.raises(NotInEffect, match="has ended meanwhile"), nemesis.paused("target"):
        end(world)
    assert pid(world) != old


# -- killed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_data", [True, False])
def test_a_killed_store_comes_back(world: World, nemesis: Nemesis, keep_data: bool) -> None:
    """Refused meanwhile; another process on the same port, with its data or without."""
    assert ask(world, "FLUSHALL") == "+OK"
    assert ask(world, "SET kept 1") == "+OK"
    old = world.services["redis"].pid
    with nemesis.killed("redis", keep_data=keep_data) as injected:
        assert injected.effect.count >= 1
        assert ask(world, "PING") == ""
    assert world.services["redis"].pid != old
    assert ask(world, "DBSIZE") == f":{keep_data:d}"
    assert injected.data_kept is keep_data


@pytest.mark.parametrize("keep_data", [True, False])
def test_a_killed_service_comes_back(world: World, nemesis: Nemesis, keep_data: bool) -> None:
    """The same port, another process, a start in the history; its folder as it was, or empty."""
    assert body(world, "note") == "done"
    old, port = pids(world), world.target.port
    with nemesis.killed("target", keep_data=keep_data):
        assert call(world).error == "refused"
        world.check_alive()  # that it is gone is our own doing
    assert world.target.port == port
    assert not set(old) & set(pids(world))
    assert body(world, "notes") == ("a" if keep_data else "")
    assert any(isinstance(event, TargetStarted) for event in world.history().events[-4:])
    assert world.clock is not None
    assert world.clock.settle(5.0)


def test_a_store_that_came_back_by_itself(world: World, nemesis: Nemesis) -> None:
    """Somebody else had started it: it was not gone all the time."""
    with pytest.raises(NotInEffect, match="ran again before"), nemesis.killed("redis"):
        world._topology.heal(world.services["redis"])


@pytest.mark.parametrize(("older", "held"), [(False, 0), (True, 1)])
def test_data_that_did_not_survive_is_noticed(
    world: World, nemesis: Nemesis, older: bool, held: int
) -> None:
    """What should have been kept, and is not there: all of it, or what came since somebody's backup."""
    folder = getattr(world.services["redis"], "folder", None)
    assert isinstance(folder, Path)
    dump, backup = folder / "dump.rdb", folder / "backup"
    told = [ask(world, command) for command in ("FLUSHALL", "SET kept 1", "SAVE")]
    dump.rename(backup)
    assert [*told, ask(world, "SET more 2")] == ["+OK"] * 4
    with (
        pytest.raises(NotInEffect, match=f"of 2 entries it holds {held}"),
        nemesis.killed("redis", keep_data=True),
    ):
        dump.unlink() if not older else backup.replace(dump)


# -- limits ------------------------------------------------------------------------------------------


def change(number: int, which: int) -> None:
    now, hard = resource.prlimit(number, which)
    resource.prlimit(number, which, (now + 1, hard))


def soft(number: int, which: int) -> int:
    return resource.prlimit(number, which)[0]


@pytest.mark.parametrize("spare", [0, 3])
def test_a_service_out_of_descriptors(world: World, nemesis: Nemesis, spare: int) -> None:
    """Nobody is accepted any more, once the spare ones are used up; the limits are as before then."""
    before = [resource.prlimit(each, resource.RLIMIT_NOFILE) for each in pids(world)]
    with nemesis.out_of_descriptors("target", spare=spare) as injected:
        assert injected.effect.count == 2
        assert len(entries(world, "limit")) == 2
        assert call(world).status == (200 if spare else None)
    assert injected.ended is not None
    assert injected.ended.count >= 1
    assert [resource.prlimit(each, resource.RLIMIT_NOFILE) for each in pids(world)] == before


def test_a_store_out_of_descriptors(world: World, nemesis: Nemesis) -> None:
    """Nobody calls it, so we see by a connection of our own that it takes none."""
    with nemesis.out_of_descriptors("redis") as injected:
        pass
    assert injected.ended is not None
    assert injected.ended.said == "1 connections were not accepted"


def test_descriptors_that_become_free(world: World, nemesis: Nemesis) -> None:
    """Who closes some may open some: nobody was kept out."""
    assert body(world, "open") == "done"
    with (
        pytest.raises(NotInEffect, match="nobody was seen to be kept from opening one"),
        nemesis.out_of_descriptors("target", spare=2),
    ):
        assert body(world, "close") == "done"


@pytest.mark.parametrize(
    ("fault", "which"),
    [
        (DescriptorsExhausted("redis"), resource.RLIMIT_NOFILE),
        (MemoryLimited("redis"), resource.RLIMIT_AS),
    ],
)
def test_a_limit_that_somebody_changes(
    world: World, nemesis: Nemesis, fault: Fault, which: int
) -> None:
    """It is not ours any more, so nobody knows what it did."""
    number = world.services["redis"].pid
    assert number is not None
    with pytest.raises(NotInEffect, match="was changed meanwhile"), nemesis.inject(fault):
        change(number, which)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("grow", "it said 1 times that it lacks memory"),
        ("grow_little", "1 of its processes came near the limit"),
    ],
)
def test_a_service_short_of_memory(
    world: World, nemesis: Nemesis, operation: str, said: str
) -> None:
    """It asks for more than there is, or for nearly all of it."""
    with nemesis.short_of_memory("target", headroom="16MiB") as injected:
        assert len(entries(world, "limit")) == 2
        call(world, operation)
    assert injected.ended is not None
    assert injected.ended.said == said
    assert soft(pid(world), resource.RLIMIT_AS) == resource.RLIM_INFINITY


def test_a_service_that_dies_for_want_of_memory(world: World, nemesis: Nemesis) -> None:
    """That is the fault's effect; it is started again, and the history says so."""
    old = pid(world)
    with nemesis.short_of_memory("target") as injected:
        assert call(world, "abort").status is None
    assert injected.ended is not None
    assert injected.ended.said == "1 of its processes ended of it"
    assert injected.restarted
    assert pid(world) != old
    ended = world.history().events[-1]
    assert isinstance(ended, FaultEnded)
    assert ended.said == "ended of it, and is back"
    assert not ended.data_kept


def test_a_service_that_needs_no_memory(world: World, nemesis: Nemesis) -> None:
    """It never met the limit, and the text says how much was left."""
    with (
        pytest.raises(NotInEffect, match="MiB were left; less headroom_bytes would settle it"),
        nemesis.short_of_memory("target", headroom="64MiB"),
    ):
        assert call(world).status == 200
    size, peak = memory_bytes(pid(world))
    assert 0 < size <= peak


# -- disk --------------------------------------------------------------------------------------------


def filler(world: World) -> Path:
    """The file that fills a disk, as the ledger names it."""
    (entry,) = entries(world, "file")
    return Path(entry.split(" ", 2)[2])


def test_a_service_whose_disk_is_full(world: World, nemesis: Nemesis) -> None:
    """What its folder held is there, nothing can be added, and the machine's disk is not touched."""
    assert body(world, "note") == "done"
    with nemesis.disk_full("target", size="1MiB") as injected:
        assert injected.effect.count == 1
        assert "No space left" in body(world, "note_more")
        assert body(world, "notes").split()[1:] == ["a", "b"]
        work = world.target.parts()[0].folder
        assert work is not None
        assert [each.name for each in work.iterdir()] == ["a"]
        assert filler(world).stat().st_size <= MIB
    assert body(world, "note_more") == "done"
    assert body(world, "notes") == "a b"
    # The disk is there still, so a second time nobody is started again.
    number = pid(world)
    with nemesis.disk_full("target", size="1MiB"):
        assert "No space left" in body(world, "note_last")
    assert pid(world) == number


def test_a_store_whose_disk_is_full(world: World, nemesis: Nemesis) -> None:
    """It cannot save what it holds, and it came onto its small disk with what it held."""
    ask(world, "SET kept 1")
    with nemesis.disk_full("redis", size="64KiB"):
        assert ask(world, "GET kept") == "$1"
        assert ask(world, "SAVE").startswith("-ERR")
    assert ask(world, "SAVE") == "+OK"


def test_a_disk_that_somebody_empties(world: World, nemesis: Nemesis) -> None:
    """What filled it is gone before its time."""
    with (
        pytest.raises(NotInEffect, match="what filled it was removed meanwhile"),
        nemesis.inject(DiskFull("target", size_bytes=MIB)),
    ):
        filler(world).unlink()


# -- clock -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["1h", "-90s"])
def test_a_wall_clock_that_is_set(world: World, nemesis: Nemesis, by: str) -> None:
    """The service reads it; what counts from the boot stays, and afterwards all is as it was."""
    by_ns = {"1h": 3_600, "-90s": -90}[by] * NS_PER_S
    before_ns, boot_ns = int(body(world, "clock")), world.now_ns
    with nemesis.clock_stepped(by):
        assert int(body(world, "clock")) == before_ns + by_ns
        assert world.now_ns == boot_ns
    assert int(body(world, "clock")) == before_ns


def test_a_wall_clock_that_somebody_sets_again(world: World, nemesis: Nemesis) -> None:
    """Then nobody knows what the service read."""
    before_ns = int(body(world, "clock"))
    assert world.clock is not None
    with pytest.raises(NotInEffect, match="by somebody else"), nemesis.inject(ClockStepped()):
        world.clock.skew_wall(7)
    assert int(body(world, "clock")) == before_ns


# -- several -----------------------------------------------------------------------------------------


def test_faults_end_in_reverse_order(world: World, nemesis: Nemesis) -> None:
    """Whatever was not lifted is, the youngest first."""
    for fault in (ProcessPaused("target"), ProcessKilled("redis"), ClockStepped()):
        nemesis.begin(fault)
    ended = nemesis.end_all()
    assert [type(one.fault) for one in ended] == [ClockStepped, ProcessKilled, ProcessPaused]
    words = [e.dependency for e in world.history().events if isinstance(e, FaultEnded)]
    assert words[-3:] == ["target", "redis", "target"]
    assert [one.ended is not None and one.ended.doubt for one in ended] == [None] * 3


def test_what_a_block_raises_comes_first(world: World, nemesis: Nemesis) -> None:
    """The fault is undone, and what was found of it stands beside the error."""
    with pytest.raises(ZeroDivisionError) as raised, nemesis.paused("redis"):
        _ = 1 / wake(world.services["redis"].pid or 0)
    assert "let go on by somebody else" in "".join(raised.value.__notes__)
    assert nemesis.in_force == ()


def test_a_service_that_is_gone_cannot_be_hurt(world: World, nemesis: Nemesis) -> None:
    """It is told with its last output, and nothing is left on the ledger."""
    end(world)
    for fault in (ProcessPaused("target"), DescriptorsExhausted("target")):
        with pytest.raises(CouldNotRun, match="does not run"):
            nemesis.begin(fault)
    assert not entries(world, "stopped")
    with suppress(CouldNotRun), nemesis.killed("target"):
        pass
