"""A worker that dies: the run goes on, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger import Owner
from harness.supervisor import Supervisor
from tests.kill.ending import PATIENCE_S, strike_worker
from tests.kill.machine import descendants, processes
from tests.kill.observer import Observer
from tests.kill.run import TWO_WORKERS, Place, Run


def test_a_workers_reaper_that_is_late(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It left its ledger for a controller that had asked already: the controller removes it."""
    for name, value in place.folders.items():
        monkeypatch.setenv(name, value)
    with Supervisor() as supervisor:
        ledger = Path(place.folders["STORMPROOF_STATE"]) / "late.ledger"
        of_worker = f"stormproof-ledger 1 late {Owner.me()} {supervisor.run_id}\ndone\n"
        ledger.write_text(of_worker)
        ledger.chmod(0o600)
        of_other = ledger.with_name("other.ledger")
        of_other.write_text(of_worker.replace(supervisor.run_id, "somebody"))
    assert not ledger.exists()
    assert of_other.exists()


def test_a_worker_dies_at_work(place: Place, observer: Observer) -> None:
    """What came from it ends at once, its promise is unknown, and the other one has its verdict."""
    run = Run(place, observer, TWO_WORKERS)

    def at_work() -> list[int]:
        serving = {one.pid for one in run.targets()}
        everybody = processes()
        return [
            number
            for number, one in enumerate(run.workers())
            if serving & descendants(everybody, one.pid)
        ]

    assert run.wait_for(at_work), run.said
    worker = run.workers()[at_work()[0]]
    assert strike_worker(run, worker)[1] == []
    assert run.wait() == 3, run.said  # of one contract no trial was played
    assert sorted(run.verdicts.values()) == ["kept", "unknown"], run.said
    record = run.record
    assert record is not None
    reasons = [one["reason"] for one in record["promises"] if one["verdict"] == "unknown"]
    assert reasons[0].startswith("could not run: the process that verified it ended")
    assert "note: a worker died; its reaper ended" in run.said
    assert "Traceback" not in run.said
    assert observer.clean_within(PATIENCE_S)[1] == []
