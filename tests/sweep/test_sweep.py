"""What a sweep undoes of runs whose reapers died too, and what it leaves alone."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import reaper
from harness.ledger import read, word
from harness.sweep import Run, Standing, gather, overdue, preview, sweep, wait_for_reaper
from tests.supervisor.conftest import EVERYBODY, PROGRAMS, carriers, until
from tests.sweep.conftest import Owned, state, stranger

if TYPE_CHECKING:
    from collections.abc import Callable

    Begin = Callable[..., Owned]


def test_everything_is_undone(begin: Begin, places: Path) -> None:
    """Deaf, stopped and daemonised processes, files, limits, a stranger that stands still: as before."""
    with stranger() as (pid, start):
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        kept = places / "a file"
        kept.write_text("")
        entries = (
            f"file {kept.stat().st_ino} {word(str(kept))}",
            f"limit {pid} {start} {resource.RLIMIT_NOFILE} {limits[0]} {limits[1]}",
            f"stopped {pid} {start}",
        )
        run = begin(*PROGRAMS, entries=entries)
        assert until(lambda: len(carriers(run.run_id)) == EVERYBODY)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (7, limits[1]))
        os.kill(pid, signal.SIGSTOP)
        assert until(lambda: state(pid) == "T")
        run.kill()
        found = run.found()
        assert found.standing is Standing.DEAD
        said = " ".join(preview(found))
        for thing in (run.folder, kept, run.ledger, f"process {pid} ("):
            assert str(thing) in said
        assert not run.gone()  # a preview touches nothing
        swept = sweep(found)
        assert swept.failed == ()
        assert swept.ended == EVERYBODY
        assert run.gone()
        assert not kept.exists()
        assert state(pid) == "S"
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == limits
    assert not run.is_found()


def test_without_a_ledger_the_marks_tell(begin: Begin) -> None:
    """A daemonised process and a folder are known by their marks alone."""
    run = begin("daemon")
    run.kill()
    run.ledger.unlink()
    run.ledger.parent.rmdir()
    assert run.found().standing is Standing.DEAD
    sweep(run.found())
    assert run.gone()


def test_a_run_that_was_stopped_lives(begin: Begin) -> None:
    """A run that stands still for however long is left alone, also without its reaper; so is its twin."""
    stopped, twin = begin("plain"), begin("daemon")
    os.kill(stopped.reaper, signal.SIGKILL)
    stopped.process.send_signal(signal.SIGSTOP)
    assert until(lambda: state(stopped.process.pid) == "T")
    twin.kill()
    assert stopped.found().standing is Standing.LIVES
    sweep(twin.found())
    assert twin.gone()
    with pytest.raises(ValueError, match="lives"):
        sweep(stopped.found())
    assert carriers(stopped.run_id)
    assert stopped.folder.is_dir()
    stopped.process.send_signal(signal.SIGCONT)
    stopped.process.communicate()
    assert stopped.gone()


def test_two_runs_never_touch_each_other(begin: Begin) -> None:
    """One dies and its reaper cleans up; the other has all it had."""
    first, second = begin(*PROGRAMS), begin(*PROGRAMS)
    assert until(lambda: len(carriers(second.run_id)) == EVERYBODY)
    before = sorted(carriers(second.run_id))
    first.kill(with_reaper=False)
    assert until(first.gone)
    assert sorted(carriers(second.run_id)) == before
    assert second.folder.is_dir()
    assert second.ledger.is_file()
    second.kill(with_reaper=False)
    assert until(second.gone)


def test_a_reaper_that_stands_still_is_woken(begin: Begin) -> None:
    """It knows more than a sweep does: it is let do its work."""
    run = begin("deaf")
    run.stop_reaper()
    run.kill(with_reaper=False)
    assert run.found().standing is Standing.CLEANING
    assert wait_for_reaper(run.found())
    assert run.gone()


@pytest.mark.parametrize("kind", ["process", "group", "stopped"])
def test_a_number_that_was_given_to_somebody_else(begin: Begin, kind: str) -> None:
    """Who has the number now is neither killed nor continued."""
    with stranger() as (pid, start):
        run = begin(entries=(f"{kind} {pid} {start - 1}",))
        os.kill(pid, signal.SIGSTOP)
        assert until(lambda: state(pid) == "T")
        run.kill()
        assert str(pid) not in " ".join(preview(run.found()))
        sweep(run.found())
        assert run.gone()
        assert state(pid) == "T"


def test_after_a_restart_of_the_machine(begin: Begin) -> None:
    """Numbers of another boot name nobody; folders are removed."""
    with stranger() as (pid, start):
        run = begin("plain", entries=(f"process {pid} {start}",))
        run.kill()
        reaper.end_all(lambda: reaper.family({}, [f"{reaper.RUN_MARKER}={run.run_id}"], 0), 10)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for path in (run.ledger, run.folder / ".owner"):
            path.write_text(path.read_text().replace(boot, "another"))
        assert run.found().reason == "the machine was started again since"
        sweep(run.found())
        assert run.gone()
        assert state(pid) == "S"


def test_a_ledger_that_was_cut(begin: Begin) -> None:
    """The line that was being written counts for nothing; the rest is undone."""
    with stranger() as (pid, start), stranger() as (other, since):
        run = begin("deaf", entries=(f"process {other} {since}", f"process {pid} {start}"))
        run.kill()
        text = run.ledger.read_bytes()
        run.ledger.write_bytes(text[:-1])
        sweep(run.found())
        assert run.gone()
        assert state(pid) == "S"
        assert until(lambda: state(other) == "")


def test_an_empty_ledger(begin: Begin) -> None:
    """Nothing had been begun; the marks tell of the rest."""
    run = begin("plain")
    run.kill()
    run.ledger.write_bytes(b"stormproof-led")
    sweep(run.found())
    assert run.gone()
    run.ledger.parent.mkdir()
    run.ledger.write_bytes(b"")
    sweep(run.found())
    assert run.gone()


def test_what_carries_no_mark(places: Path) -> None:
    """A folder of such a name, and a process with somebody's marker, are left alone."""
    folder = places / "tmp" / "stormproof-0123456789abcdef-x"
    folder.mkdir()
    (found,) = [run for run in gather() if run.name == "0123456789abcdef"]
    assert found.standing is Standing.UNMARKED
    with pytest.raises(ValueError, match="no mark"):
        sweep(found)
    (folder / ".owner").symlink_to("/etc/hostname")
    assert found.standing is Standing.UNMARKED
    shutil.rmtree(folder)


def test_what_cannot_be_undone_stays_on_the_ledger(begin: Begin) -> None:
    """It was tried again, the rest was done, the reason is written down; the next sweep tries again."""
    with stranger() as (pid, start):
        run = begin("deaf", entries=(f"limit {pid} {start} 999 1 1",))
        run.kill(with_reaper=False)
        assert until(lambda: not run.folder.exists() and not carriers(run.run_id))
        assert until(lambda: not run.found().reapers)
        assert [one.name for one in overdue() if one.name == run.run_id] == [run.run_id]
        book = read(str(run.ledger))
        assert book is not None
        assert list(book.failed) == book.entries == [f"limit {pid} {start} 999 1 1"]
        (said,) = sweep(run.found()).failed
        assert f"process {pid} does not get its limits back" in said
        assert run.ledger.exists()
    assert sweep(run.found()).failed == ()  # the process has ended meanwhile
    assert run.gone()


NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--mount-proc", "--fork")


def _can_unshare() -> bool:
    done = subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False)
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(not _can_unshare(), reason="no user namespaces here")


@needs_namespaces
@pytest.mark.parametrize("first", [True, False], ids=["as first process", "below a shell"])
def test_in_a_namespace_of_its_own(begin: Begin, first: bool) -> None:
    """There the reaper does its work; where the kernel ends it with the namespace, a sweep does."""
    shell = () if first else ("sh", "-c", '"$@"; sleep 100', "sh")
    run = begin("deaf", "daemon", before=(*NAMESPACE, *shell))
    found = run.found()
    assert found.standing is Standing.ELSEWHERE
    owner = _with_namespace_pid(found, 1 if first else None)
    os.kill(owner, signal.SIGKILL)
    if first:
        assert until(lambda: not carriers(run.run_id))
        assert until(lambda: run.found().standing is Standing.DEAD), run.found()
        sweep(run.found())
    assert until(run.gone)
    run.process.kill()


def _with_namespace_pid(run: Run, wanted: int | None) -> int:
    """The owner's number as it is here."""
    (owner,) = run.owners.values()
    inner = owner.pid if wanted is None else wanted
    assert owner.pid == inner
    place = owner.place.split(":")[1]
    for seen in reaper.everyone():
        try:
            lines = Path(f"/proc/{seen.pid}/status").read_text().splitlines()
            same = str(Path(f"/proc/{seen.pid}/ns/pid").readlink()) == f"pid:[{place}]"
        except OSError:
            continue
        numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
        if same and numbers[-1] == str(inner):
            return seen.pid
    raise AssertionError("the owner is not there")
