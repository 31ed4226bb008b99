"""Figures of ``make bench``: what this process and this machine hold before and after many short runs.

Of twenty runs nineteen are a supervisor with one process that listens, in this Python process; the
twentieth is a whole ``stormproof verify``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from harness.supervisor import Supervisor
from tests.kill.ending import PATIENCE_S
from tests.kill.observer import Observer
from tests.kill.run import SHOP, Place, Run

WHOLE: Final = 20
"""One run in so many is a whole one."""
SERVES: Final = (
    "import socket, os, signal\n"
    "listener = socket.create_server(('127.0.0.1', 0))\n"
    "open(os.environ['TMPDIR'] + '/ready', 'w').close()\n"
    "signal.pause()\n"
)


@dataclass(frozen=True, slots=True)
class Held:
    """How many there are."""

    descriptors: int
    processes: int
    files: int
    ports: int

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, each.name)} {each.name}" for each in fields(self))


def held(place: Place, observer: Observer) -> Held:
    """Descriptors of ours; processes and ports of the runs; files in their folders."""
    left = observer.left()
    return Held(
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 (as many as there are)
        processes=sum(one.startswith("process ") for one in left),
        files=sum(1 for folder in place.private for _ in folder.rglob("*")),
        ports=sum(one.startswith(("port ", "Unix socket ")) for one in left),
    )


def short_runs(home: Path, count: int) -> tuple[Held, Held]:
    """What is held before and after so many runs.

    Raises:
        RuntimeError: a whole run ended otherwise than it should.
    """
    place = Place(home)
    with place.observer() as observer, _used(place):
        before = held(place, observer)
        for number in range(1, count + 1):
            if number % WHOLE:
                _supervised()
            else:
                run = Run(place, observer, SHOP)
                if run.wait() != SHOP.code:
                    raise RuntimeError(run.said)
        observer.clean_within(PATIENCE_S)
        return before, held(place, observer)


@contextmanager
def _used(place: Place) -> Iterator[None]:
    """Let supervisors of this process use a place, too."""
    kept = {name: os.environ.get(name) for name in place.folders}
    temporary, tempfile.tempdir = tempfile.tempdir, None
    os.environ.update(place.folders)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        for name, value in kept.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _supervised() -> None:
    """A process that listens, and its end."""
    with Supervisor() as supervisor:
        command = [sys.executable, "-S", "-E", "-I", "-c", SERVES]
        process = supervisor.start(command, name="it", env=supervisor.environment())
        while not (supervisor.directory / "tmp" / "ready").exists():
            if not process.alive():
                raise RuntimeError(process.output())


def main(count: int = 1_000) -> bool:
    """Print both; False if they differ."""
    with tempfile.TemporaryDirectory(prefix="short-") as home:
        before, after = short_runs(Path(home), count)
    whole = count // WHOLE
    print(f"before {count} short runs ({whole} of them whole ones): {before}; after: {after}")
    return before == after


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1])))
