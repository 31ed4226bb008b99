"""A place for a run, and who watches it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.observer import Observer
from tests.kill.run import Place

if sys.platform != "linux":
    pytest.skip("the observer needs /proc", allow_module_level=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Folders of a run's own."""
    return Place(tmp_path)


@pytest.fixture
def observer(place: Place) -> Iterator[Observer]:
    """Who watches that place; what it finds at the end of the test, it ends."""
    with place.observer() as observer:
        yield observer
