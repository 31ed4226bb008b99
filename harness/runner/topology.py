"""The processes of one world: target, stores, witnesses, and the clock that they are given."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.clock.errors import ClockUnavailable
from harness.clock.held import HeldClock
from harness.contract.load import LoadedContract
from harness.errors import CouldNotRun
from harness.faults.process import TARGET
from harness.nemesis import small_disk
from harness.runner.starting import make_target
from harness.runner.witnesses import Witnesses
from harness.services import SERVICES, OnDisk, Service
from harness.supervisor import Supervisor
from harness.targets import Target
from harness.witness.handle import Witness

_READ = "import time; print(time.time_ns(), time.monotonic_ns())"
_LOOK_S = 10.0
_POLL_S = 0.002
_REST_S = 2.0
"""Real seconds that a target may take to come to rest once it has started."""


class Topology:
    """Starts them, dependencies first, and ends them; everything in one thread.

    Args:
        loaded: the contract.
        supervisor: owns the processes.
        allow: hosts outside loopback that an attached target may have.
    Attributes:
        services: the stores that run, by name.
        witnesses: what stands in for other dependencies.
        held: the clock of all of them while it is held, else None.
        disks: which folder of the target or a store lies on a small disk from its next start on, and
            how large that is; an empty path is its private folder.
    """

    def __init__(
        self, loaded: LoadedContract, supervisor: Supervisor, allow: Collection[str]
    ) -> None:
        self.services: dict[str, Service] = {}
        self.witnesses = Witnesses()
        self.held: HeldClock | None = None
        self.disks: dict[str, tuple[str, int]] = {}
        self._loaded = loaded
        self._supervisor = supervisor
        self._allow = allow
        self._target: Target | None = None

    @property
    def target(self) -> Target:
        """The running target."""
        if self._target is None:
            raise CouldNotRun("the target is not running")
        return self._target

    def start(self) -> None:
        """Start all of them on the machine's clock.

        Raises:
            CouldNotRun: one of them does not start.
        """
        self._start({})

    def start_held(self) -> HeldClock:
        """Start all of them on a clock that stands still once they are up and at rest.

        Raises:
            ClockUnavailable: this machine cannot, or the target never rests.
            ClockIgnored: one of them takes its time from elsewhere.
            CouldNotRun: one of them does not start.
        """
        self.held = held = HeldClock(self._supervisor.fresh_directory("clock"))
        self._start(held.environment())
        self.target.check_alive()
        stores = [each.pid for each in self.services.values()]
        witnesses = [each.pid for each in self.witnesses.running.values()]
        for pid in [*stores, *witnesses]:
            if pid is not None:
                held.watch(pid)
        self._hold(held)
        return held

    def end(self) -> None:
        """End all of them; a held clock is released first, so that they can end by themselves."""
        self.witnesses.note()
        if self.held is not None:
            self.held.release()
        if self._target is not None:
            self._target.stop()
            self._target = None
        for service in self.services.values():
            service.stop()
        self.services.clear()
        self.witnesses.stop()
        if self.held is not None:
            self.held.close()
            self.held = None

    @property
    def alive(self) -> bool:
        """Whether the target runs, and no part of it has ended."""
        return self._target is not None and self._target.alive()

    def fit(self, store: Service) -> None:
        """Let a store be on its small disk, if it has one, from its next start on."""
        if isinstance(store, OnDisk):
            store.prefix = self._prefix(store.name, store.folder)

    def heal(self, service: Service) -> None:
        """Bring a store back, empty.

        Its clock runs meanwhile: Valkey measures the clock source when it starts, and would do so
        for ever on one that stands still.
        """
        self.fit(service)
        with self._running():
            service.heal()
        if self.held is not None and service.pid is not None:
            self.held.watch(service.pid)

    def revive(self, *, keep_data: bool) -> None:
        """Start the target again, on the same port; whatever is left of it is ended before.

        Args:
            keep_data: its private folder stays as it is, and its setup does not run.
        Raises:
            CouldNotRun: it does not become ready.
            ClockError: it does not take its time from the held clock any more.
        """
        with self._running():
            self.target.stop()
            for part in self.target.parts():
                if part.folder is not None and not keep_data:
                    _empty(part.folder)
                part.prefix = self._prefix(TARGET, part.folder)
            self.target.start(fresh=not keep_data)
        self.target.check_alive()
        if self.held is not None:
            self._hold(self.held)

    def read_clock(self) -> tuple[int, int]:
        """Wall and monotonic ns, as a process of ours reads them that is given the held clock.

        Raises:
            CouldNotRun: it cannot be started, or does not say.
        """
        env = self._supervisor.environment() | (
            {} if self.held is None else self.held.environment()
        )
        command = [sys.executable, "-S", "-E", "-I", "-c", _READ]
        process = self._supervisor.start(command, name="a look at the clock", env=env)
        until_s = time.monotonic() + _LOOK_S
        while process.alive() and time.monotonic() < until_s:
            time.sleep(_POLL_S)
        said = process.output()
        process.kill()
        try:
            wall_ns, monotonic_ns = map(int, said.split())
        except ValueError as error:
            raise CouldNotRun(
                "a process that was to read the clock did not say it", said
            ) from error
        return wall_ns, monotonic_ns

    def _hold(self, held: HeldClock) -> None:
        """Let the target stand still on the held clock, and see that it is on it.

        Raises:
            ClockUnavailable: it never rests.
            ClockIgnored: a part of it takes its time from elsewhere.
        """
        parts = [(part, part.pid) for part in self.target.parts()]
        for _, pid in parts:
            if pid is not None:
                held.watch(pid)
        held.freeze()
        if not held.settle(_REST_S):
            raise ClockUnavailable(
                "the target never comes to rest, one of its threads computes without pause",
                "A held clock needs a target that sleeps when it has nothing to do",
            )
        for part, pid in parts:
            if pid is None:
                part.check_alive()
            elif part.listens:
                held.supports(pid, part.poke)
            else:
                held.carries(pid)

    def _prefix(self, name: str, folder: Path | None) -> tuple[str, ...]:
        """What starts a process on its small disk; nothing where it has none."""
        if name not in self.disks:
            return ()
        path, size_bytes = self.disks[name]
        return small_disk.prefix(path or str(folder), size_bytes)

    def _start(self, clock: Mapping[str, str]) -> None:
        if self._loaded.contract.target.url is None:
            self._start_dependencies(clock)
        urls = {name: store.url for name, store in self.services.items()}
        urls |= {name: witness.url for name, witness in self.witnesses.running.items()}
        self._target = make_target(self._loaded, self._supervisor, urls, clock, self._allow)
        for part in self._target.parts():
            part.prefix = self._prefix(TARGET, part.folder)
        self._target.start()

    def _start_dependencies(self, clock: Mapping[str, str]) -> None:
        for name, dependency in self._loaded.contract.dependencies.items():
            if dependency.kind == "witness":
                usual = dependency.usual()
                self.witnesses.start(Witness(self._supervisor, name, clock, usual=usual))
                continue
            maker = SERVICES.get(dependency.kind)
            if maker is None:
                raise CouldNotRun(
                    f"dependency {name}: kind {dependency.kind} cannot be started by this version"
                )
            self.services[name] = store = maker(self._supervisor, name, clock)
            self.fit(store)
            store.start()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Let a held clock run at the machine's rate, and hold it again."""
        if self.held is not None:
            self.held.run()
        try:
            yield
        finally:
            if self.held is not None:
                self.held.freeze()


def _empty(folder: Path) -> None:
    """Remove all that a folder holds."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
