"""A worker that died: its reaper leaves word for the controller, which tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.ledger import read
from harness.supervisor import Supervisor
from harness.sweep import tend_workers
from tests.supervisor.conftest import EVERYBODY, PROGRAMS, carriers, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sweep.conftest import Owned

    Begin = Callable[..., Owned]


def test_what_its_reaper_did(begin: Begin) -> None:
    """How many processes and folders, once; then nothing is left of it."""
    with Supervisor() as supervisor:
        worker = begin(*PROGRAMS, controller=supervisor.run_id)
        assert until(lambda: len(carriers(worker.run_id)) == EVERYBODY)
        assert list(tend_workers(supervisor.run_id)) == []
        worker.kill(with_reaper=False)
        said = f"a worker died; its reaper ended {EVERYBODY} processes and removed 1 folder"
        assert list(tend_workers(supervisor.run_id)) == [said]
        assert worker.gone()
        assert list(tend_workers(supervisor.run_id)) == []


def test_its_reaper_was_killed_too(begin: Begin) -> None:
    """The controller does it in its stead."""
    with Supervisor() as supervisor:
        worker = begin("deaf", controller=supervisor.run_id)
        worker.kill()
        assert list(tend_workers(supervisor.run_id)) == [
            "a worker died, and its reaper too; what they left was undone (1 process ended)"
        ]
        assert worker.gone()


def is_done(worker: Owned) -> bool:
    """Whether its reaper has left word for the controller."""
    book = read(str(worker.ledger))
    return book is not None and book.done


def test_nobody_is_left_to_tell(begin: Begin) -> None:
    """Whether the controller dies before its worker or after it: no ledger stays behind."""
    for controller_first in (True, False):
        controller = begin()
        worker = begin("deaf", controller=controller.run_id)
        first, second = (controller, worker) if controller_first else (worker, controller)
        first.kill(with_reaper=False)
        if not controller_first:
            assert until(lambda worker=worker: is_done(worker))  # type: ignore[misc]
        second.kill(with_reaper=False)
        assert until(controller.gone)
        assert until(worker.gone)
