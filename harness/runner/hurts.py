"""What is done to the processes of a world: by the nemesis, written into the history, undone at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from harness.clock.held import HeldClock
from harness.errors import CouldNotRun
from harness.faults.process import (
    TARGET,
    ClockStepped,
    DiskFull,
    Fault,
    ProcessKilled,
    ProcessPaused,
)
from harness.ledger import Ledger
from harness.nemesis import Injected, Nemesis, NotInEffect, Refused, Subject
from harness.plan import Inject, Step
from harness.runner.journal import Journal
from harness.runner.subjects import AStore, TheService
from harness.runner.times import PlanEnded, Time
from harness.runner.topology import Topology
from harness.supervisor import Supervisor


class Hurts:
    """The faults of one world.

    Args:
        topology: whom it may hurt.
        supervisor: keeps the ledger.
        journal: the history.
        clock: the target's time.
        back: the target was started again, and has not been called yet.
    Attributes:
        nemesis: carries them out; what it begins and ends is written down.
        any: something was injected since the world was started.
    """

    def __init__(
        self,
        topology: Topology,
        supervisor: Supervisor,
        journal: Journal,
        clock: Callable[[], Time],
        back: Callable[[], None],
    ) -> None:
        self._topology = topology
        self._journal = journal
        self._time = clock
        scene = _Scene(topology, supervisor, journal, self._revive, self._revive_store)
        self._cuts: dict[str, Injected] = {}
        self._back = back
        self.nemesis: Final = Nemesis(scene, began=self._began, ended=self._ended)
        self.any = False

    # -- steps of a plan -----------------------------------------------------------------------

    def prepare(self, steps: Iterable[Step], restart: Callable[[], object]) -> None:
        """See that all of a plan's faults can be injected, and start anew if one needs a small disk.

        Raises:
            PlanEnded: one cannot.
        """
        faults = [step.fault for step in steps if isinstance(step, Inject)]
        try:
            for fault in faults:
                self.nemesis.check(fault)
        except Refused as error:
            raise PlanEnded(str(error)) from error
        disks = {f.subject: (f.folder, f.size_bytes) for f in faults if isinstance(f, DiskFull)}
        if disks != self._topology.disks:
            self._topology.disks.clear()
            self._topology.disks.update(disks)
            restart()

    def inject(self, name: str, fault: Fault) -> None:
        """Begin a fault.

        Raises:
            PlanEnded: it cannot be, or was not seen to be in effect.
        """
        try:
            self.nemesis.begin(fault, name)
        except (Refused, NotInEffect) as error:
            raise PlanEnded(str(error)) from error
        self._time().rest()

    def lift(self, name: str) -> None:
        """End the fault of that name, if there is one.

        Raises:
            PlanEnded: it was not in effect all the time.
        """
        injected = self.nemesis.named(name)
        if injected is not None:
            self.nemesis.end(injected)
            self._time().rest()
            _see_effect([injected])

    def lift_all(self) -> None:
        """End all faults, the youngest first.

        Raises:
            PlanEnded: one was not in effect all the time.
        """
        if self.nemesis.in_force:
            self._cuts.clear()
            ended = self.nemesis.end_all()
            self._time().rest()
            _see_effect(ended)

    # -- a store that goes away ----------------------------------------------------------------

    def cut(self, dependency: str) -> None:
        """Kill a store and count that nobody answers there any more; once is enough."""
        if dependency in self._cuts:
            return
        try:
            self._cuts[dependency] = self.nemesis.begin(ProcessKilled(dependency))
        except Refused as error:
            raise PlanEnded(str(error)) from error

    def heal(self, dependency: str) -> None:
        """Bring it back, empty."""
        injected = self._cuts.pop(dependency, None)
        if injected is not None:
            self.nemesis.end(injected)
            if injected.ended is not None and injected.ended.doubt is not None:
                raise CouldNotRun(injected.ended.doubt)

    # -- what others must know -----------------------------------------------------------------

    @property
    def in_force(self) -> bool:
        """Whether something is hurt by our own doing."""
        return bool(self.nemesis.in_force)

    @property
    def excuses_target(self) -> bool:
        """Whether the target may fail to answer, or have ended, by our own doing."""
        return any(
            one.fault.subject == TARGET and not isinstance(one.fault, ClockStepped)
            for one in self.nemesis.in_force
        )

    @property
    def silent(self) -> bool:
        """Whether the target cannot answer at all."""
        return any(
            one.fault.subject == TARGET and isinstance(one.fault, ProcessPaused)
            for one in self.nemesis.in_force
        )

    def release(self) -> None:
        """All processes are about to be ended."""
        self.nemesis.release()

    def forget(self) -> None:
        """All processes are gone."""
        self.nemesis.forget()
        self._cuts.clear()
        self.any = False

    # -- how -----------------------------------------------------------------------------------

    def _began(self, one: Injected) -> None:
        self.any = True
        fault = one.fault
        self._journal.cut(
            fault.subject, fault.word, one.effect.count, name=one.name, said=one.effect.said
        )

    def _ended(self, one: Injected) -> None:
        assert one.ended is not None
        crashed = one.restarted and not isinstance(one.fault, ProcessKilled)
        self._journal.healed(
            one.fault.subject,
            data_kept=one.data_kept,
            name=one.name,
            said="ended of it, and is back" if crashed else one.fault.after,
            doubt=one.ended.doubt,
        )

    def _revive(self, keep_data: bool) -> None:
        before_ns = self._time().instant()[0]
        self._topology.revive(keep_data=keep_data)
        self._settled(before_ns)
        self._back()

    def _revive_store(self, name: str) -> None:
        before_ns = self._time().instant()[0]
        self._topology.heal(self._topology.services[name])
        self._settled(before_ns)

    def _settled(self, before_ns: int) -> None:
        if self._topology.held is not None:
            self._journal.moved(before_ns, "settle")


class _Scene:
    """What the nemesis may see of a world."""

    def __init__(
        self,
        topology: Topology,
        supervisor: Supervisor,
        journal: Journal,
        revive: Callable[[bool], None],
        revive_store: Callable[[str], None],
    ) -> None:
        self._topology = topology
        self._supervisor = supervisor
        self._journal = journal
        self._revive = revive
        self._revive_store = revive_store

    @property
    def run_id(self) -> str:
        return self._supervisor.run_id

    @property
    def ledger(self) -> Ledger:
        return self._supervisor.ledger

    @property
    def clock(self) -> HeldClock | None:
        return self._topology.held

    def subject(self, name: str) -> Subject:
        if name == TARGET:
            if not self._topology.target.parts():
                raise Refused(
                    "the service runs already, and is not ours to hurt; `target.command` would settle it"
                )
            return TheService(self._topology, self._revive)
        if name not in self._topology.services:
            known = ", ".join([TARGET, *self._topology.services])
            raise Refused(f"there is no store {name!r} here that could be hurt; there are {known}")
        store = self._topology.services[name]
        return AStore(store, self._topology, lambda _: self._revive_store(name))

    def read_clock(self) -> tuple[int, int]:
        return self._topology.read_clock()

    def answered(self, since_ns: int) -> int:
        return sum(call.status is not None for call in self._journal.since(since_ns))

    def unserved(self, since_ns: int) -> int:
        calls = self._journal.since(since_ns)
        return sum(call.ended_ns is not None and (call.status or 599) >= 500 for call in calls)


def _see_effect(ended: Iterable[Injected]) -> None:
    doubts = (one.ended.doubt for one in ended if one.ended is not None)
    doubt = next((doubt for doubt in doubts if doubt is not None), None)
    if doubt is not None:
        raise PlanEnded(doubt)
