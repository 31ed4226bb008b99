"""What the reaper does when its input ends: everything that is ours, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from harness import reaper
from harness.undo import Undoing
from tests.supervisor.conftest import PYTHON, WAIT, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator

Stranger = subprocess.Popen[bytes]


def start_reaper(run_id: str = "test") -> subprocess.Popen[bytes]:
    """A reaper whose owner is this test."""
    me = reaper.look(os.getpid())
    assert me is not None
    command = reaper.command(run_id, me.pid, me.start)
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def reap(*lines: str, end: str = "\n") -> None:
    """Play one whole life of a reaper."""
    with start_reaper() as process:
        process.communicate(("\n".join(lines) + end).encode())
    assert process.returncode == 0


@contextmanager
def waiting(**env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, with this environment; killed at the end."""
    with subprocess.Popen([*PYTHON, WAIT], env=env, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def alive(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


@pytest.mark.parametrize("kind", ["group", "process"])
def test_a_registered_process_ends(stranger: Stranger, kind: str) -> None:
    """Its number and start stand on the list: it is killed."""
    entry = reaper.process_entry(kind, stranger.pid)
    assert entry is not None
    reap(entry)
    assert stranger.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["group", "process"])
def test_a_number_that_was_given_to_somebody_else_is_left_alone(
    stranger: Stranger, kind: str
) -> None:
    """Same number, another start: that is another process."""
    seen = reaper.look(stranger.pid)
    assert seen is not None
    reap(f"{kind} {stranger.pid} {seen.start - 1}")
    assert alive(stranger)


def test_signals_reach_only_whom_they_are_meant_for(stranger: Stranger) -> None:
    """A signal is sent to a number and a start, or not at all."""
    seen = reaper.look(stranger.pid)
    assert seen is not None
    assert not reaper.send(stranger.pid, seen.start + 1, signal.SIGKILL)
    assert alive(stranger)
    assert reaper.send(stranger.pid, seen.start, signal.SIGKILL)
    stranger.wait(10)
    assert not reaper.send(stranger.pid, seen.start, signal.SIGKILL)


@pytest.mark.parametrize(
    "lines",
    [
        ("{entry}", "done"),
        ("{entry}", "forget {entry}"),
        ("entry",),
        (
            "group x y",
            "group",
            "process 1",
            "group {pid} {start} 3",
            "directory",
            "nonsense {pid} {start}",
        ),
    ],
)
def test_what_is_struck_off_or_makes_no_sense_is_left_alone(
    stranger: Stranger, lines: tuple[str, ...]
) -> None:
    """After ``done``, after ``forget``, and with unreadable lines nothing is harmed."""
    entry = reaper.process_entry("group", stranger.pid)
    assert entry is not None
    _, pid, start = entry.split()
    reap(*(line.format(entry=entry, pid=pid, start=start) for line in lines))
    assert alive(stranger)


def test_a_line_that_was_cut_off_counts_for_nothing(stranger: Stranger) -> None:
    """A last line without its end may name anybody; the lines before it count."""
    with subprocess.Popen([*PYTHON, WAIT]) as second:
        entries = [
            reaper.process_entry("process", process.pid) or "" for process in (second, stranger)
        ]
        reap(*entries, end="")
        assert second.wait(10) == -signal.SIGKILL
    assert alive(stranger)


def test_the_marker_finds_whoever_moved_away() -> None:
    """A process that nobody registered, in a session of its own, is found by its environment."""
    with waiting(STORMPROOF_RUN="test") as ours, waiting(STORMPROOF_RUN="test2") as other:
        reap("")
        assert ours.wait(10) == -signal.SIGKILL
        assert alive(other)


def test_a_reaper_is_deaf_to_what_ends_a_run(stranger: Stranger) -> None:
    """Ctrl-C, SIGTERM and SIGHUP do not end it before its work is done."""
    with start_reaper() as process:
        assert process.stdin is not None
        process.stdin.write(f"{reaper.process_entry('process', stranger.pid)}\n".encode())
        process.stdin.flush()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        assert until(lambda: all(_ignores(process.pid, number) for number in numbers))
        for number in numbers:
            process.send_signal(number)
        assert alive(stranger)
        process.stdin.close()
    assert process.returncode == 0
    assert stranger.wait(10) == -signal.SIGKILL


def _ignores(pid: int, number: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return bool(int(masks["SigIgn"], 16) >> (number - 1) & 1)


def test_directories_are_removed_with_all_they_hold(tmp_path: Path) -> None:
    """Also with odd names, and links to what is not ours."""
    outside = tmp_path / "outside"
    outside.mkdir()
    ours = tmp_path / "\u00f6dd\nname \\n"
    (ours / "a" / "b").mkdir(parents=True)
    (ours / "a" / "b" / "file").write_text("x")
    (ours / "link").symlink_to(outside)
    reap(reaper.directory_entry(str(ours)))
    assert list(tmp_path.iterdir()) == [outside]


def test_folders_that_forbid_everything() -> None:
    """What a program locked up is removed all the same; played by somebody who is not root."""
    folder = Path(tempfile.mkdtemp())
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.chown(folder, 65534, 65534)
                os.setuid(65534)
            inside = folder / "ours" / "a" / "b"
            inside.mkdir(parents=True)
            for path in (inside, inside.parent, inside.parent.parent):
                path.chmod(0)
            reaper.remove(str(folder / "ours"), (folder / "ours").lstat().st_ino)
            os._exit(len(list(folder.iterdir())))
        finally:
            os._exit(99)
    status = os.waitpid(child, 0)[1]
    shutil.rmtree(folder)
    assert status == 0


def test_the_youngest_is_undone_first(tmp_path: Path) -> None:
    """What stands in a folder goes before the folder; the ledger, cut in mid-line, tells what was done."""
    folder, file = tmp_path / "folder", tmp_path / "folder" / "file"
    folder.mkdir()
    file.write_text("")
    entries = [reaper.directory_entry(str(folder)), f"file {file.stat().st_ino} {file}"]
    book = tmp_path / "test.ledger"
    book.write_text("\n".join(["stormproof-ledger 1 test 1:2:3:4:5:6 -", *entries, "group 0 x"]))
    read = book.open()
    reap(f"ledger {book}", *entries[:1])  # the second stands in the file alone
    assert not folder.exists()
    assert not book.exists()
    written = read.read().split("\n")[3:]
    read.close()
    assert written == ["group 0 x~", *(f"undone {entry}" for entry in entries[::-1]), "done", ""]


def test_what_is_about_to_be_made(tmp_path: Path) -> None:
    """Without its number a folder is known by the run's name in its own; another is left alone."""
    for name in ("stormproof-test", "stormproof-other"):
        (tmp_path / name).mkdir()
    reap(*(f"directory 0 {path}" for path in tmp_path.iterdir()))
    assert [path.name for path in tmp_path.iterdir()] == ["stormproof-other"]


def test_who_was_about_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork that has not got its program yet has no marker: it is waited for."""
    marks = {"STORMPROOF_RUN": "test", "STORMPROOF_PROCESS": "7"}
    with ExitStack() as stack:
        started: list[Stranger] = []

        def sleep(_: float) -> None:
            if not started:  # the reaper has looked already, and found nobody
                started.append(stack.enter_context(waiting(**marks)))

        clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        monkeypatch.setattr("harness.undo.undoing.time", clock)
        Undoing("test", ["starting 7"], before=0, note=lambda _: None).run()
        assert started[0].wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("ours", [True, False])
def test_a_stopped_process(stranger: Stranger, ours: bool) -> None:
    """Somebody else's is continued; one of ours is killed."""
    stopped = reaper.process_entry("stopped", stranger.pid)
    assert stopped is not None
    stranger.send_signal(signal.SIGSTOP)
    assert until(lambda: (seen := reaper.look(stranger.pid)) is not None and seen.state == "T")
    reap(stopped.replace("stopped", "group") if ours else "", stopped)
    seen = reaper.look(stranger.pid)
    assert seen is not None
    assert seen.state == ("Z" if ours else "S")


def test_a_directory_that_was_replaced_is_left_alone(tmp_path: Path) -> None:
    """The path alone is no proof: what stands there now is not what was registered."""
    ours, kept = tmp_path / "ours", tmp_path / "kept"
    ours.mkdir()
    kept.mkdir()
    entry = reaper.directory_entry(str(ours))
    ours.rename(tmp_path / "moved")
    ours.symlink_to(kept)
    reap(entry)
    ours.unlink()
    kept.rename(ours)
    reap(entry)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved", "ours"]


def test_members_of_a_dead_leaders_session() -> None:
    """Whoever was in its session while its number was taken is its own; a later one is somebody else's."""
    code = "import os\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\n" + WAIT
    with subprocess.Popen(
        [*PYTHON, code], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        leader.wait(10)
        seen = reaper.look(member)
        assert seen is not None
        leaders = {leader.pid: seen.start}
        try:
            assert member in [
                one.pid for one in reaper.family(leaders, ["NO=one"], before=seen.start)
            ]
            assert reaper.family(leaders, ["NO=one"], before=seen.start - 1) == []
            assert (
                reaper.family({leader.pid: seen.start + 1}, ["NO=one"], before=seen.start + 9) == []
            )
        finally:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def test_an_owner_that_died_while_another_holds_its_pipe(
    stranger: Stranger, repository: Path
) -> None:
    """A forked copy of the owner keeps the pipe open; the reaper sees the owner's death all the same."""
    code = f"""
import os, subprocess, sys
from tests.supervisor.test_reaper import start_reaper
process = start_reaper()
process.stdin.write({reaper.process_entry("process", stranger.pid)!r}.encode() + b"\\n")
process.stdin.flush()
if os.fork():
    os.kill(os.getpid(), 9)
sys.stdin.read()
os._exit(0)
"""
    with program(code, repository) as owner:
        assert stranger.wait(10) == -signal.SIGKILL
        assert owner.wait(10) == -signal.SIGKILL
