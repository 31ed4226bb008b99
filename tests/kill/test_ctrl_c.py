"""Ctrl-C while a run is at work, once and twice."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress

import pytest

from tests.kill.ending import INTERRUPTED, PATIENCE_S, signal_group
from tests.kill.observer import Observer
from tests.kill.run import PRICES, TWO_WORKERS, Place, Run, Scenario


@pytest.mark.parametrize(("scenario", "times"), [(PRICES, 3), (TWO_WORKERS, 1), (TWO_WORKERS, 2)])
def test_ctrl_c(place: Place, observer: Observer, scenario: Scenario, times: int) -> None:
    """Once: it closes in order and says where its record is. Again: it ends at once, and clean."""
    run = Run(place, observer, scenario)
    assert run.wait_for(run.targets), run.said
    for _ in range(times):
        signal_group(run, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            run.popen.wait(0.1)
    assert run.wait() == INTERRUPTED, run.said
    assert "Traceback" not in run.said
    assert "interrupted" in run.said
    assert observer.clean_within(PATIENCE_S)[1] == []
