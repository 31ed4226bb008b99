"""The processes of one world: target, stores, witnesses, and the clock that they are given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from harness.clock.errors import ClockUnavailable
from harness.clock.held import HeldClock
from harness.contract.load import LoadedContract
from harness.errors import CouldNotRun
from harness.runner.starting import make_target
from harness.runner.witnesses import Witnesses
from harness.services import SERVICES, Service
from harness.supervisor import Supervisor
from harness.targets import Target
from harness.witness.handle import Witness

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
    """

    def __init__(
        self, loaded: LoadedContract, supervisor: Supervisor, allow: Collection[str]
    ) -> None:
        self.services: dict[str, Service] = {}
        self.witnesses = Witnesses()
        self.held: HeldClock | None = None
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
        parts = [(part, part.pid) for part in self.target.parts()]
        stores = [each.pid for each in self.services.values()]
        witnesses = [each.pid for each in self.witnesses.running.values()]
        for pid in [*(pid for _, pid in parts), *stores, *witnesses]:
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

    def heal(self, service: Service) -> None:
        """Bring a store back, empty.

        Its clock runs meanwhile: Valkey measures the clock source when it starts, and would do so
        for ever on one that stands still.
        """
        with self._running():
            service.heal()
        if self.held is not None and service.pid is not None:
            self.held.watch(service.pid)

    def _start(self, clock: Mapping[str, str]) -> None:
        if self._loaded.contract.target.url is None:
            self._start_dependencies(clock)
        urls = {name: store.url for name, store in self.services.items()}
        urls |= {name: witness.url for name, witness in self.witnesses.running.items()}
        self._target = make_target(self._loaded, self._supervisor, urls, clock, self._allow)
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
            self.services[name] = maker(self._supervisor, name, clock)
            self.services[name].start()

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
