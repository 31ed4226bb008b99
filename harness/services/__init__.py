"""Real stores that a target depends on: one file a store, started and cut off by us.

A third party adds one by an entry point of the group ``stormproof.services``: the kind's name, and
a callable that takes ``(supervisor, name, env)`` and returns a :class:`Service`. Ours win.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from harness.supervisor import Supervisor

_OURS: Final = {"valkey": "harness.services.valkey:Valkey"}


class Service(Protocol):
    """A store on a free loopback port that it keeps as long as it lives."""

    @property
    def name(self) -> str:
        """As in the contract's ``dependencies``."""

    @property
    def kind(self) -> str:
        """Key in :data:`SERVICES`."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    def url(self) -> str:
        """Where it is, without a trailing slash, path or database: ``redis://127.0.0.1:PORT``."""

    @property
    def pid(self) -> int | None:
        """Its process; None while it does not run."""

    def pids(self) -> list[int]:
        """Its process and all that came from it; empty while it does not run."""

    def start(self) -> None:
        """Start it empty and wait until it answers, or raise CouldNotRun."""

    def stop(self) -> None:
        """End it in its own orderly way; idempotent."""

    def kill(self) -> None:
        """SIGKILL; idempotent. What it had not saved is lost."""

    def restart(self, *, keep_data: bool) -> None:
        """Kill and start on the same port, with the data of the last moment or with none."""

    def pause(self) -> None:
        """Stop its process; connections are accepted by the kernel, and nobody answers."""

    def resume(self) -> None:
        """Continue a paused process."""

    def probe(self) -> bool:
        """Whether it answers."""

    def cut(self, *, keep_data: bool = False) -> int:
        """Make it unreachable; the number of connects refused afterwards, at least 1."""

    def heal(self) -> None:
        """Undo :meth:`cut` on the same port, proven by an answer."""

    def output(self) -> str:
        """Its last lines, made harmless."""


@runtime_checkable
class Counting(Protocol):
    """What a store may offer besides: that its data survived can be seen then."""

    def holds(self) -> tuple[int, int]:
        """How many entries it holds, and how many of them never expire."""


@runtime_checkable
class OnDisk(Protocol):
    """What a store may offer besides: its disk can be filled then.

    Attributes:
        prefix: put before its command at its next start: a program that becomes it.
        folder: where it keeps its files.
    """

    prefix: tuple[str, ...]
    folder: Path


ServiceMaker = Callable[["Supervisor", str, Mapping[str, str]], Service]


class _Services(Mapping[str, ServiceMaker]):
    """The known kinds; each is loaded when it is asked for."""

    def __getitem__(self, kind: str) -> ServiceMaker:
        if kind in _OURS:
            maker: ServiceMaker = resolve_name(_OURS[kind])
            return maker
        for entry in entry_points(group="stormproof.services", name=kind):
            other: ServiceMaker = entry.load()
            return other
        raise KeyError(kind)

    def __iter__(self) -> Iterator[str]:
        found = {entry.name for entry in entry_points(group="stormproof.services")}
        return iter(sorted(found | set(_OURS)))

    def __len__(self) -> int:
        return len(list(iter(self)))


SERVICES: Final[Mapping[str, ServiceMaker]] = _Services()
"""Maker of a service by kind."""
