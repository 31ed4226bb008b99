"""The disk under the report folder is full."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from tests.kill.ending import PATIENCE_S
from tests.kill.observer import Observer
from tests.kill.run import SHOP, Place, Run

FILL: Final = 'head -c "$3" /dev/zero >"$2/other"'
ROOM: Final = f'mount -t tmpfs -o size="$1" tmpfs "$2" && {FILL}; shift 3; exec "$@"'


def in_a_small_room(place: Place, size: str, taken: str) -> list[str]:
    """What runs a command with its report folder on a disk of that size, so much of it taken."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ROOM, "sh"]
    return [*unshare, size, str(place.report), taken]


@pytest.fixture
def namespaces(place: Place) -> None:
    """A folder for reports, and a system that lets us mount something there."""
    place.report.mkdir()
    try:
        tried = subprocess.run(
            [*in_a_small_room(place, "64k", "0"), "true"], capture_output=True, check=False
        )
    except OSError as error:
        pytest.skip(f"no unshare: {error}")
    if tried.returncode != 0:
        pytest.skip(f"no disk can be mounted without being root: {tried.stderr.decode()}")


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize(
    ("taken", "code", "said"),
    [
        ("64k", 4, "cannot be used: No space left on device; choose another with --report"),
        ("48k", SHOP.code, "not whole: run.json could not be written: No space left on device"),
    ],
)
def test_a_full_disk(place: Place, observer: Observer, taken: str, code: int, said: str) -> None:
    """Full from the start nothing begins; on the way the verdict stands, and each lack is named."""
    run = Run(place, observer, SHOP, before=in_a_small_room(place, "64k", taken))
    assert run.wait() == code, run.said
    assert said in run.said
    assert "Traceback" not in run.said
    assert observer.clean_within(PATIENCE_S)[1] == []
