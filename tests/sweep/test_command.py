"""``stormproof sweep`` and ``stormproof doctor``, as people see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cli import app, doctor
from harness.living import look
from harness.plugin.session import _left_behind
from harness.sweep import Run, gather
from tests.sweep.conftest import Owned, stranger

if TYPE_CHECKING:
    from collections.abc import Callable

    Begin = Callable[..., Owned]
    Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run ``stormproof sweep`` for these runs alone: others may be somebody's on this machine."""

    def run(*runs: Owned, words: tuple[str, ...] = ()) -> tuple[int, str]:
        def ours() -> list[Run]:
            return [run for run in gather() if run.name in {one.run_id for one in runs}]

        monkeypatch.setattr("harness.cli.sweep.gather", ours)
        monkeypatch.setattr("harness.cli.doctor.gather", ours)
        code = app.run(["sweep", *words])
        return code, " ".join(capsys.readouterr().out.split())

    return run


def test_a_dry_run_and_then_a_real_one(begin: Begin, command: Command) -> None:
    """The first says what the second does; a run that lives is named and left alone."""
    dead, alive = begin("deaf"), begin("deaf")
    dead.kill()
    code, said = command(dead, alive, words=("--dry-run",))
    assert code == 0
    assert f"run {dead.run_id}: process {dead.process.pid} has ended, and its reaper too" in said
    assert f"would be undone folder {dead.folder}: removed with all it holds" in said
    assert f"run {alive.run_id} left alone: process {alive.process.pid} lives" in said
    assert "1 dead run; nothing was touched: this was a dry run" in said
    leftovers = doctor._leftovers()
    assert not leftovers.there
    assert str(dead.folder) in leftovers.said
    assert "stormproof sweep" in leftovers.cost
    assert any("left things behind" in note for note in _left_behind())
    code, said = command(dead, alive)
    assert code == 0
    assert f"undone folder {dead.folder}: removed with all it holds" in said
    assert f"undone file {dead.ledger}: removed" in said
    assert "swept up after 1 dead run; nothing of them is left" in said
    assert dead.gone()
    assert doctor._leftovers().there
    assert command(dead, alive)[1].endswith("nothing of a dead run is left")
    alive.process.communicate()


def test_something_cannot_be_undone(begin: Begin, command: Command) -> None:
    """Exit code 1, the reason and what to do."""
    with stranger() as (pid, start):
        run = begin(entries=(f"limit {pid} {start} 999 1 1",))
        run.kill()
        code, said = command(run)
        assert code == 1
        assert f"not undone process {pid} does not get its limits back" in said
        assert "start it again" in said
        assert "something is left" in said
    assert command(run)[0] == 0


def test_a_reaper_at_work_is_waited_for(begin: Begin, command: Command) -> None:
    """A reaper that stands still is woken; what it does needs no sweep."""
    run = begin("deaf")
    run.stop_reaper()
    run.kill(with_reaper=False)
    code, said = command(run, words=("--dry-run",))
    assert code == 0
    assert "left alone: process" in said
    code, said = command(run)
    assert code == 0
    assert "its reaper is cleaning up; waiting for it" in said
    assert run.gone()


def test_workers_of_a_dead_controller(begin: Begin, command: Command) -> None:
    """They die with the sweep of their controller, and their own reapers' work is waited for."""
    worker = begin("deaf")
    seen = look(worker.process.pid)
    assert seen is not None
    controller = begin(entries=(f"process {seen.pid} {seen.start}",))
    controller.kill()
    code, said = command(controller, worker)
    assert code == 0, said
    assert f"undone process {seen.pid} (" in said
    assert worker.gone()
    assert controller.gone()
