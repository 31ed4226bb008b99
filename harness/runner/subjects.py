"""Whom the nemesis may hurt in a world: the service that we started, and its stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from harness.errors import CouldNotRun
from harness.faults.process import TARGET, whose
from harness.living import Seen, look
from harness.nemesis import Held, Refused
from harness.runner.topology import Topology
from harness.services import Counting, OnDisk, Service
from harness.targets.ports import connect_error

_HOST: Final = "127.0.0.1"
_CONNECTS: Final = 3

Revive = Callable[[bool], None]
"""Starts a subject again, with its data or without."""


class TheService:
    """All processes of the target.

    Args:
        topology: it runs there.
        revive: starts it again.
    """

    said: Final = whose(TARGET)

    def __init__(self, topology: Topology, revive: Revive) -> None:
        self._topology = topology
        self._revive = revive

    @property
    def address(self) -> tuple[str, int] | None:
        """Of the process that is called."""
        return self._topology.target.host, self._topology.target.port

    def alive(self) -> bool:
        """Whether none of its processes has ended."""
        return self._topology.alive

    def roots(self) -> Sequence[Seen]:
        """The processes that were started."""
        return _living(part.pid for part in self._topology.target.parts())

    def family(self) -> Sequence[Seen]:
        """With all that came from them."""
        return _living(pid for part in self._topology.target.parts() for pid in part.pids())

    def kill(self, *, keep_data: bool) -> int:
        """SIGKILL for all; how many of three connects are refused."""
        del keep_data
        self._topology.target.kill()
        host, port = self._topology.target.host, self._topology.target.port
        tries = [connect_error(host, port) for _ in range(_CONNECTS)]
        refused = sum(isinstance(error, ConnectionRefusedError) for error in tries)
        if refused == 0:
            raise CouldNotRun(
                f"{self.said} was killed, but port {port} refused no connect: {tries[0]}"
            )
        return refused

    def revive(self, *, keep_data: bool) -> None:
        """Start it on the same port."""
        self._revive(keep_data)

    def holds(self) -> Held | None:
        """Nobody can ask it."""
        return None

    def output(self) -> str:
        """Its last lines."""
        return self._topology.target.output()

    def place(self, folder: str) -> str:
        """That folder, or ``{work.dir}``."""
        parts = self._topology.target.parts()
        if len(parts) != 1:
            raise Refused(
                "DiskFull cannot be injected: the service is several processes, which would each see "
                "a disk of their own; a service of one command would settle it"
            )
        return _existing(folder or str(parts[0].folder))

    def small_disk(self, folder: str, size_bytes: int) -> Path:
        """Its folder, as its process sees it."""
        place = self.place(folder)
        if self._topology.disks.get(TARGET) != (folder, size_bytes):
            self._topology.disks[TARGET] = folder, size_bytes
            self.revive(keep_data=True)
        return _seen_by(self._topology.target.pid, place)


class AStore:
    """A store of the target.

    Args:
        store: it.
        topology: it runs there.
        revive: starts it again.
    """

    def __init__(self, store: Service, topology: Topology, revive: Revive) -> None:
        self.said: Final = store.name
        self._store = store
        self._topology = topology
        self._revive = revive

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens."""
        return _HOST, self._store.port

    def alive(self) -> bool:
        """Whether it runs."""
        return self._store.pid is not None

    def roots(self) -> Sequence[Seen]:
        """Its process."""
        return _living([self._store.pid])

    def family(self) -> Sequence[Seen]:
        """With all that came from it."""
        return _living(self._store.pids())

    def kill(self, *, keep_data: bool) -> int:
        """SIGKILL; how many connects are refused."""
        return self._store.cut(keep_data=keep_data)

    def revive(self, *, keep_data: bool) -> None:
        """Start it on the same port, with what it saved."""
        self._revive(keep_data)

    def holds(self) -> Held | None:
        """How much it holds, where it can say that."""
        return Held(*self._store.holds()) if isinstance(self._store, Counting) else None

    def output(self) -> str:
        """Its last lines."""
        return self._store.output()

    def place(self, folder: str) -> str:
        """That folder, or the one with its files."""
        store = self._store
        if not isinstance(store, OnDisk):
            raise Refused(
                f"DiskFull cannot be injected: a store of kind {store.kind} cannot be given a small "
                "disk; a `prefix` and a `folder` of its service would settle it"
            )
        return _existing(folder or str(store.folder))

    def small_disk(self, folder: str, size_bytes: int) -> Path:
        """Its folder, as its process sees it."""
        place = self.place(folder)
        if self._topology.disks.get(self._store.name) != (folder, size_bytes):
            self._topology.disks[self._store.name] = folder, size_bytes
            self._store.cut(keep_data=True)
            self.revive(keep_data=True)
        return _seen_by(self._store.pid, place)


def _living(pids: Iterable[int | None]) -> list[Seen]:
    seen = (look(pid) for pid in pids if pid is not None)
    return [one for one in seen if one is not None and one.lives]


def _existing(place: str) -> str:
    if not Path(place).is_dir():
        raise Refused(f"DiskFull cannot be injected: there is no folder {place}; make it first")
    return place


def _seen_by(pid: int | None, place: str) -> Path:
    if pid is None:
        raise CouldNotRun("it ended as soon as it had a small disk")
    return Path(f"/proc/{pid}/root{place}")
