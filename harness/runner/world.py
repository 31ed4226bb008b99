"""One topology: a contract's target with its stores, its clock, and the history of what happened."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Literal, Self

from harness.client import FlightClient, Request
from harness.clock.errors import ClockIgnored, ClockUnavailable
from harness.clock.held import HeldClock
from harness.contract.load import LoadedContract
from harness.contract.model import Contract
from harness.contract.names import Names
from harness.errors import CouldNotRun
from harness.history import Call, History
from harness.plan import Step
from harness.runner.callers import Caller, fresh_callers, invented_addresses
from harness.runner.hurts import Hurts
from harness.runner.journal import Journal
from harness.runner.logins import Logins
from harness.runner.processes import Held
from harness.runner.requests import Composer, call_tokens
from harness.runner.serving import Serving
from harness.runner.times import FrozenTime, NotAtRest, PlanEnded, RealTime, Time
from harness.runner.topology import Topology
from harness.runner.under_way import UnderWay
from harness.runner.witnesses import REACHED, Witnesses
from harness.script import Reach
from harness.seeds import Seed
from harness.services import Service
from harness.supervisor import Supervisor
from harness.targets import Target
from harness.units import NS_PER_S

ClockMode = Literal["auto", "frozen", "real"]
_SILENT_S, _HURT_S = 0.25, 0.5
"""Real seconds for which an answer is waited for on a held clock: from a target that stands still, and
from one that is hurt in another way."""
_JUMP_LIMIT_NS = 120 * NS_PER_S
"""How far one exchange may jump: a target that still has not answered is taken for hung."""


class World:
    """Started on entry, gone on exit; everything is played in the thread that entered.

    Args:
        loaded: the contract.
        supervisor: starts and ends every process.
        seed: where callers and plans are drawn from.
        clock: ``frozen`` insists, ``auto`` falls back to real time with a note, ``real`` never holds.
        allow: hosts outside loopback that an attached target may have.
    Attributes:
        notes: what the reader of the report must know, e.g. why the clock is real.
        hurts: what is done to its processes.
        composer: composes requests to the running target.
        logins: the tokens of its callers.
    """

    def __init__(
        self,
        loaded: LoadedContract,
        supervisor: Supervisor,
        seed: Seed,
        *,
        clock: ClockMode = "auto",
        allow: Collection[str] = (),
    ) -> None:
        self.loaded = loaded
        self.contract = loaded.contract
        self.seed = seed
        self.notes: list[str] = []
        self.time: Time = RealTime()
        self._topology = Topology(loaded, supervisor, allow)
        self._wanted = clock
        self._client: FlightClient | None = None
        self._journal = Journal(lambda: self.now_ns)
        self._jumped_ns = 0
        self._serving: Serving | None = None
        self.hurts = Hurts(
            self._topology, supervisor, self._journal, lambda: self.time, self._is_back
        )
        self._spoiled = False
        self._avoid = {
            proxy
            for promise in self.contract.promises
            for proxy in getattr(promise, "trusted_proxies", ())
        }
        self._invented = invented_addresses()
        self._callers: Iterator[Caller] | None = None
        self._flights: UnderWay | None = None
        self._tokens = call_tokens(supervisor.run_id[:8])
        self._is_fresh = False
        self.composer: Composer
        self.logins: Logins

    # -- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End target and stores; a held clock is released first, so that they can end by themselves."""
        self._end()

    def _end(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = self._flights = None
        self.hurts.release()
        self._topology.end()
        self.hurts.forget()

    def _start(self) -> None:
        attached = self.contract.target.url is not None
        wanted: ClockMode = "real" if attached else self._wanted
        if attached and self._wanted == "frozen":
            raise CouldNotRun(
                "--clock frozen needs a target that we start; target.url names one that runs already"
            )
        if wanted != "real":
            try:
                self.time = FrozenTime(self._topology.start_held())
            except (ClockUnavailable, ClockIgnored) as error:
                if wanted == "frozen":
                    raise CouldNotRun(f"the clock cannot be held: {error}") from error
                self._wanted = "real"
                self.notes.append(f"real time: {error}")
                self._end()
            else:
                self._started()
                return
        self.time = RealTime()
        self._topology.start()
        self._started()

    def _is_back(self) -> None:
        """The target was started again; its store may remember what it does not."""
        deadline_s = self.flights.deadline_s
        self.flights.pump()
        self.flights.leave(self.flights.indexes)
        if self._client is not None:
            self._client.close()
        self._journal.new_client()
        self._started()
        self.flights.deadline_s = deadline_s
        self._is_fresh = False

    def _started(self) -> None:
        self._connect()
        several = any(
            getattr(each, "workers", 1) > 1 or getattr(each, "scope", None) == "process"
            for each in self.contract.promises
        )
        pid = self.target.pid
        self._serving = Serving(pid) if several and pid is not None else None
        self._journal.started(self.time.mode, exclusive=self.contract.target.url is None)
        self._is_fresh = True

    def _connect(self) -> None:
        target = self.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        self.composer = Composer(
            contract=self.contract,
            authority=f"{host}:{target.port}",
            names=_environment(self.contract),
            tokens=self._tokens,
        )
        self._client = FlightClient(
            target.host,
            target.port,
            instant=self._instant,
            next_seq=self._journal.next_seq,
            quiet=self._quiet,
            secured=target.secured,
        )
        self._flights = UnderWay(self._client, self._journal, self.time, self.witnesses)
        self.logins = Logins(self.composer, self._send_one, lambda: self.now_ns)
        if self._callers is None:
            attached = self.contract.target.url is not None
            start = int.from_bytes(os.urandom(3), "big") if attached else 1
            self._callers = fresh_callers(start, self._avoid)

    # -- what the world is --------------------------------------------------------------------

    @property
    def target(self) -> Target:
        """The running target."""
        return self._topology.target

    @property
    def services(self) -> Mapping[str, Service]:
        """The stores that run, by name."""
        return self._topology.services

    @property
    def witnesses(self) -> Witnesses:
        """What stands in for other dependencies."""
        return self._topology.witnesses

    @property
    def now_ns(self) -> int:
        """The target's monotonic clock."""
        return self.time.instant()[0]

    @property
    def wall_ns(self) -> int:
        """The target's wall clock."""
        return self.time.instant()[1]

    @property
    def clock(self) -> HeldClock | None:
        """The held clock, None in real time."""
        return self._topology.held

    @property
    def serving(self) -> int | None:
        """How many processes served since the target started; None where nobody asks, or none is seen."""
        return None if self._serving is None else self._serving.processes

    def history(self) -> History:
        """All that happened since the target started."""
        return self._journal.history(self.witnesses.arrivals())

    def fresh_caller(self) -> Caller:
        """A client that this target has never seen."""
        if self._callers is None:
            raise CouldNotRun("the target is not running")
        return next(self._callers)

    def invented_address(self) -> str:
        """An address that nobody has, for a header that lies."""
        return next(self._invented)

    @property
    def is_fresh(self) -> bool:
        """Whether nobody has called the target since it was started."""
        return self._is_fresh

    @property
    def flights(self) -> UnderWay:
        """The calls that are under way."""
        if self._flights is None:
            raise CouldNotRun("the target is not running")
        return self._flights

    @property
    def usable(self) -> bool:
        """Whether the next promise can be played here too."""
        return not self._spoiled and self._topology.alive

    def spoil(self) -> None:
        """Something here could not do its part: nothing more may be judged in this world."""
        self._spoiled = True

    def check_alive(self) -> None:
        """Raise CouldNotRun, with its last output, if the target has ended, or a part of it.

        Not while it is hurt by our own doing.
        """
        if not self.hurts.excuses_target:
            self.target.check_alive()

    # -- what can be done in it ---------------------------------------------------------------

    def exchange(self, requests: Sequence[Request], *, together: bool) -> list[int]:
        """Make the calls; their indexes in the history."""
        if self._client is None:
            raise CouldNotRun("the target is not running")
        self._jumped_ns = 0
        self._is_fresh = False
        if self.hurts.excuses_target and self.time.mode == "frozen":
            most_s = _SILENT_S if self.hurts.silent else _HURT_S
            made = self._client.exchange(requests, together=together, timeout_s=most_s)
            return self._journal.add(made)
        if self._serving is None:
            return self._journal.add(self._client.exchange(requests, together=together))
        self._serving.begin()
        made = self._client.exchange(requests, together=together)
        self._serving.end()
        return self._journal.add(made)

    def begin(self, requests: Sequence[Request]) -> list[int]:
        """Begin calls that stay under way, all written before any is read; their indexes."""
        self._is_fresh = False
        if self._serving is not None:
            self._serving.begin()
        return self.flights.begin(requests)

    def rest(self) -> None:
        """Wait until all that begun calls set going has come to rest; who computed has served them."""
        self.flights.rest()
        if self._serving is not None:
            self._serving.end()

    def reach(self, dependency: str, how: Reach) -> None:
        """Let connects to a witness fare so from now on, and count that they do."""
        if dependency in self.witnesses.cut:
            self.witnesses.reach(dependency, "open")
            self._journal.healed(dependency, data_kept=True)
        if how != "open":
            effect = self.witnesses.reach(dependency, how)
            self._journal.cut(dependency, REACHED[how], effect)

    def counted(self, held: Held) -> None:
        """Write down what the target's processes hold."""
        self._journal.counted(
            held.pids,
            threads=held.threads,
            descriptors=held.descriptors,
            connections=held.connections,
        )

    def land(self) -> None:
        """End what a plan has left under way: witnesses answer as usual, clients leave."""
        if self._flights is None:
            return
        for dependency in self.witnesses.cut:
            with suppress(PlanEnded):
                self.reach(dependency, "open")
        self.witnesses.clear()
        self._flights.deadline_s = inf
        if self._flights.indexes:
            with suppress(NotAtRest):
                self._flights.rest()
            self._flights.leave(self._flights.indexes)

    def _send_one(self, request: Request, told: Callable[[Call], Call]) -> Call:
        """Make a call; the history gets what ``told`` makes of it."""
        if self._client is None:
            raise CouldNotRun("the target is not running")
        self._jumped_ns = 0
        self._is_fresh = False
        (call,) = self._client.exchange([request], together=False)
        self._journal.add([told(call)])
        return call

    @property
    def is_cut(self) -> bool:
        """Whether a store is away by our own doing, or something else is hurt."""
        return self.hurts.in_force

    def call(self, index: int) -> Call:
        """The call with this index in the history."""
        return self._journal.call(index)

    def move_to(self, target_ns: int) -> None:
        """Let the target's time pass until it shows ``target_ns``."""
        before = self.now_ns
        self.time.move_to(target_ns)
        if self.time.mode == "frozen":
            self._journal.moved(before, "plan")

    def cut(self, dependency: str) -> None:
        """Kill a store and count that nobody answers there any more."""
        self.hurts.cut(dependency)

    def heal(self, dependency: str) -> None:
        """Bring a store back, empty; a held clock runs meanwhile."""
        self.hurts.heal(dependency)

    def prepare(self, steps: Iterable[Step]) -> None:
        """See that all faults of a plan can be injected; what needs a fresh start for that gets one.

        Raises:
            PlanEnded: one cannot.
        """
        self.hurts.prepare(steps, self.restart)

    def restart(self) -> bool:
        """Start target and stores again, empty: a fresh world where neither name nor wait makes one.

        Returns:
            False where nothing is ours to restart (an attached target).
        """
        if self.contract.target.url is not None:
            return False
        self._journal.new_client()
        self._end()
        self._start()
        return True

    def heal_all(self) -> None:
        """Bring back whatever a plan has left cut off or under way, and close its connections."""
        self.land()
        try:
            self.hurts.lift_all()
        except PlanEnded as error:
            raise CouldNotRun(str(error)) from error
        if self._client is not None:
            self._client.forget()

    def _quiet(self) -> bool:
        """No answer for a while: jump a frozen clock to the target's own deadline, within bounds."""
        if self._jumped_ns > _JUMP_LIMIT_NS or self.hurts.silent:
            return False
        self.flights.pump()
        before = self.now_ns
        if (
            not self.time.jump()
        ):  # it proved that all sleep; only then is a look at the answer sound
            if self._client is None or self._client.readable():
                return False
            if not self.time.jump():
                return False
        self._jumped_ns += self.now_ns - before
        self._journal.moved(before, "deadline")
        return True

    def _instant(self) -> tuple[int, int]:
        return self.time.instant()


def _environment(contract: Contract) -> Names:
    """The ``{env.…}`` names that the contract uses."""
    text = contract.model_dump_json()
    used = {name: value for name, value in os.environ.items() if f"{{env.{name}}}" in text}
    return Names.with_environment({}, used)
