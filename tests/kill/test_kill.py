"""Whatever ends a run, and whenever: nothing of it is left, and the next run works.

``make prove`` does the same two hundred times (`tests/kill/prove.py`).
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from tests.kill.ending import ASKED, KILLED, Moment, end, moments, undisturbed
from tests.kill.run import SHOP, TWO_WORKERS, Place, Scenario
from tests.kill.short_runs import short_runs

KILLS: Final = list(islice(moments(random.Random(6), (SHOP, TWO_WORKERS), KILLED), 10))
WORDS: Final = list(islice(moments(random.Random(7), (SHOP, TWO_WORKERS), ASKED), 4))
_usual_s: dict[Scenario, float] = {}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One place for all these runs: each must leave it as it was."""
    return Place(tmp_path_factory.mktemp("killed"))


def usual_s(place: Place, scenario: Scenario) -> float:
    """How long a run takes that nobody disturbs; it must leave nothing either."""
    if scenario not in _usual_s:
        _usual_s[scenario], wrong = undisturbed(place, scenario)
        assert not wrong, "\n".join(wrong)
    return _usual_s[scenario]


def name(moment: Moment) -> str:
    """What a test is called."""
    return f"{moment.scenario.workers}-{moment.ending.name.lower()}-{moment.part:.2f}"


@pytest.mark.parametrize("moment", KILLS, ids=name)
def test_sigkill(shared: Place, moment: Moment) -> None:
    """The whole group, the controller, a worker; after the reapers, `stormproof sweep` must help."""
    point = end(shared, moment, usual_s(shared, moment.scenario))
    assert not point.wrong, str(point)


@pytest.mark.parametrize("moment", WORDS, ids=name)
def test_asked_to_end(shared: Place, moment: Moment) -> None:
    """Ctrl-C, once and twice, SIGTERM, and a terminal that is closed."""
    point = end(shared, moment, usual_s(shared, moment.scenario))
    assert not point.wrong, str(point)


def test_the_next_run_works(shared: Place) -> None:
    """In the same folders, after all that."""
    assert undisturbed(shared, TWO_WORKERS)[1] == []


def test_moments_are_drawn_fairly() -> None:
    """The same ones each time; every ending for both, and a worker only where there are several."""
    again = islice(moments(random.Random(6), (SHOP, TWO_WORKERS), KILLED), 10)
    assert list(again) == KILLS
    of = {
        each: {one.ending for one in KILLS if one.scenario is each} for each in (SHOP, TWO_WORKERS)
    }
    assert of == {SHOP: {*KILLED} - {KILLED[2]}, TWO_WORKERS: {*KILLED}}


def test_short_runs_use_nothing_up(tmp_path: Path) -> None:
    """Descriptors, processes, files and ports are as many after twenty runs as before."""
    before, after = short_runs(tmp_path, 20)
    assert before == after
