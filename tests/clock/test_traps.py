"""Traps that make a careless clock lie: each has bitten once."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.clock import page as page_module
from harness.clock.errors import NothingToWaitFor
from harness.clock.held import HeldClock
from harness.clock.threads import Scan, Threads
from harness.clock.unsent import Unsent
from tests.clock.conftest import PATIENCE_S, PROGRAMS, SECOND_NS, Program, Start, free_port


def talk(start: Start, clock: HeldClock, calls: int, *, who: str = "client") -> list[str]:
    """Calls between two programs whose kernel holds back every second half."""
    port = str(free_port())
    assert start("talker.py", "server", port).answer() == "ready"
    client = start("talker.py", who, port)
    assert client.answer() == "ready"
    clock.freeze()
    return call_until_timeout(client, calls)


def call_until_timeout(program: Program, calls: int) -> list[str]:
    """What it said, up to its first time-out."""
    said: list[str] = []
    while len(said) < calls and "timeout" not in said:
        program.tell("call")
        said.append(program.jump_to_answer()[0])
    return said


@pytest.mark.parametrize("who", ["client", "crowd"])
def test_bytes_held_by_nagle_make_no_false_jump(start: Start, clock: HeldClock, who: str) -> None:
    """Everybody sleeps for 40 ms, yet nobody times out: the kernel still has something to say.

    Thirty calls one by one, and six hundred of which twenty are under way at once.
    """
    assert set(talk(start, clock, 30, who=who)) == {"answered"}


def test_without_the_question_nagle_would_make_false_jumps(
    start: Start, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap is real: the test above can fail."""
    monkeypatch.setattr(Unsent, "of", lambda *_: False)
    assert "timeout" in talk(start, clock, 30)


def ask_a_helper(start: Start, clock: HeldClock, folder: Path, *, watch: bool) -> list[str]:
    """Calls to a process that does not run under the clock and computes for a while."""
    to, back = folder / "to", folder / "back"
    os.mkfifo(to)
    os.mkfifo(back)
    with os.fdopen(os.open(to, os.O_RDWR), "rb") as source, back.open("r+b", buffering=0) as sink:
        helper = subprocess.Popen(
            [sys.executable, PROGRAMS / "helper.py", "20"], stdin=source, stdout=sink
        )
    try:
        if watch:
            clock.watch(helper.pid)
        asker = start("asker.py", to, back)
        assert asker.answer() == "ready"
        clock.freeze()
        return call_until_timeout(asker, 10)
    finally:
        helper.kill()
        helper.wait(PATIENCE_S)


@pytest.mark.parametrize("watch", [True, False])
def test_a_process_left_out_of_the_scan_makes_false_jumps(
    start: Start, clock: HeldClock, tmp_path: Path, watch: bool
) -> None:
    """With every process of the path in the scan nobody times out; without one, somebody does."""
    assert ("timeout" in ask_a_helper(start, clock, tmp_path, watch=watch)) is not watch


def test_a_new_child_is_in_the_scan_before_it_has_a_slot(start: Start, clock: HeldClock) -> None:
    """A child off the clock computes while its parent waits with a time-out: no jump meanwhile."""
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.freeze()
    assert clock.settle()
    program.tell("computing_child 5")
    assert program.jump_to_answer()[0].endswith(" ended")


def fill_slots(clock: HeldClock, count: int, owner_pid: int) -> None:
    """Let ``count`` slots belong to somebody else."""
    for index in range(count):
        at = page_module.HEADER_BYTES + page_module.SLOT_BYTES * index
        struct.pack_into("<Q", clock._page._map, at, owner_pid << 32 | os.getpid())
    struct.pack_into("<I", clock._page._map, page_module.USED_AT, count)


def test_a_full_table_is_no_end_but_a_doubt(start: Start, clock: HeldClock) -> None:
    """A program without a slot waits as exactly; but the clock says that it proves nothing any more."""
    fill_slots(clock, page_module.SLOTS, os.getpid())
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.freeze()
    begun_ns = clock.now_ns()
    program.tell("event 60")
    while not clock.doubt:
        time.sleep(0.001)
    clock.advance(60 * SECOND_NS)
    before, after, outcome = program.answer().split()
    assert (int(before), int(after), outcome) == (begun_ns, begun_ns + 60 * SECOND_NS, "False")
    assert "slots" in clock.doubt
    assert not clock.settle()
    assert clock.jump() is None


def test_slots_of_the_dead_are_taken_again(start: Start, clock: HeldClock) -> None:
    """Owners that were killed cannot give theirs back; the next program finds that out."""
    ended = subprocess.Popen(["true"])
    ended.wait(PATIENCE_S)
    fill_slots(clock, 1000, ended.pid)
    program = start("waits.py")
    assert program.answer() == "ready"
    assert clock._page.slots_used == 1000
    clock.freeze()
    program.tell("sleep 5")
    before, after, _ = program.jump_to_answer()[0].split()
    assert int(after) - int(before) == 5 * SECOND_NS


def test_a_page_of_another_version_is_left_alone(start: Start, clock: HeldClock) -> None:
    """An older library beside a newer page does nothing, rather than something wrong."""
    struct.pack_into("<I", clock._page._map, 4, 99)
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.advance(1000 * SECOND_NS)
    said = int(program.ask("now 0").split()[0])
    assert said <= time.monotonic_ns()
    assert clock.state() == []


def test_a_stopped_process_does_not_hold_time_up(start: Start, clock: HeldClock) -> None:
    """Paused by SIGSTOP, its timers count for nothing; continued, it catches up."""
    stopped, other = start("waits.py"), start("waits.py")
    assert (stopped.answer(), other.answer()) == ("ready", "ready")
    clock.freeze()
    stopped.tell("sleep 10")
    assert clock.settle()
    os.kill(stopped.pid, signal.SIGSTOP)
    other.tell("sleep 60")
    assert other.jump_to_answer()[1] == 1
    with pytest.raises(NothingToWaitFor):
        other_idle(clock)
    os.kill(stopped.pid, signal.SIGCONT)
    before, after, _ = stopped.answer().split()
    assert int(after) - int(before) == 60 * SECOND_NS


def other_idle(clock: HeldClock) -> None:
    """Jump although nobody can be woken by that."""
    assert clock.settle()
    clock.jump()


def test_an_answer_before_the_look_is_never_jumped_over(start: Start, clock: HeldClock) -> None:
    """The first call after the target woke only proves; the caller looks; the next one moves."""
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.freeze()
    begun_ns = clock.now_ns()
    program.tell("sleep 1")
    calls = 0
    while clock.now_ns() == begun_ns:
        assert not program.has_answered()
        moved = clock.jump()
        calls += 1
    assert calls >= 2
    assert moved == clock.now_ns() == begun_ns + SECOND_NS


def test_bytes_written_by_the_caller_itself_may_be_held(start: Start, clock: HeldClock) -> None:
    """After the proof that all sleep, half a line in the kernel's hands: nobody runs, yet no jump."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = start("talker.py", "patient", str(listener.getsockname()[1]))
        connection = listener.accept()[0]
    with connection:
        assert program.answer() == "ready"
        clock.freeze()
        program.tell("wait")
        assert clock.settle()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.send(b"answer")
        assert clock.jump() is None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        assert program.jump_to_answer() == ("answered", 0)


def test_without_futex_waitv_waits_are_sliced_and_exact(start: Start, clock: HeldClock) -> None:
    """An older kernel or a sandbox: slower to wake, the same times, and still provable."""
    program: Program = start("without_waitv.py")
    assert program.answer() == "ready"
    assert clock._page.sliced == 1
    clock.freeze()
    for kind in ("sleep", "event", "queue_get", "lock", "select", "cond_timedwait", "futex"):
        program.tell(f"{kind} 30")
        before, after, *_ = program.jump_to_answer()[0].split()
        assert int(after) - int(before) == 30 * SECOND_NS


def test_a_wake_up_has_no_timeout(start: Start) -> None:
    """libstdc++ ends a static's initialisation so, in any program, and leaves its timeout to chance."""
    program = start("waits.py")
    assert program.answer() == "ready"
    assert program.ask("wake 0").split()[2] == "0"


def test_who_reaps_a_child_is_awake(start: Start, clock: HeldClock) -> None:
    """A thread says that it sleeps while it still reaps in ``waitpid``, for long on a busy machine."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        program = start("waiter.py")
        assert program.answer() == "ready"
        clock.freeze()
        for _ in range(15):
            child = int(program.ask("go"))
            assert clock.settle(PATIENCE_S)
            os.kill(child, signal.SIGKILL)
            assert clock.settle(PATIENCE_S)
            assert program.has_answered(), clock.state()
            assert program.answer() == "reaped"
    finally:
        for one in busy:
            one.kill()
            one.wait()


def test_a_thread_of_which_the_kernel_tells_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that could run is not asleep; one that has not run for a while must do, if nobody tells."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinner:
        threads = Threads()
        try:
            threads.watch(spinner.pid)
            assert threads.discover(())
            thread = (spinner.pid, spinner.pid)
            seen = Scan({thread: b"1 2 3"}, frozenset({thread}))
            monkeypatch.setattr("harness.clock.threads.UNCLEAR_S", 3600.0)
            assert not threads.are_off([thread], seen)
            assert not threads.are_off([thread], seen)
            monkeypatch.setattr("harness.clock.threads.UNCLEAR_S", -1.0)
            assert threads.are_off([thread], seen)
            assert not threads.are_off([thread], Scan({thread: b"1 2 4"}, frozenset({thread})))
        finally:
            threads.close()
            spinner.kill()
