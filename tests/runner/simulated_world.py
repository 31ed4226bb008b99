"""A world without sockets: a simulated limiter in virtual time, for plans by the thousand.

It offers what the player and the verification ask of a real world. The bytes on the wire and the
processes are proved elsewhere, against real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

from harness.client import Request
from harness.contract.load import LoadedContract
from harness.contract.model import Contract
from harness.contract.names import Names
from harness.history import Call, ClockMoved, Event, FaultBegan, FaultEnded, History, TargetStarted
from harness.promises.rate_limit.words import RateLimit
from harness.runner.callers import Caller, fresh_callers, invented_addresses
from harness.runner.logins import Logins
from harness.runner.requests import Composer
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.promises.rate_limit.notation import EPOCH_NS
from tests.promises.rate_limit.simulated import Limiter


@dataclass
class _Time:
    mode: Literal["frozen", "real"] = "frozen"


@dataclass
class SimulatedWorld:
    """One key an identity or address; an answer takes up to ``widest_ns`` of virtual time."""

    contract: Contract
    limiter: Limiter
    seed: Seed
    widest_ns: int = 0
    when_down: str | None = None
    retry_after_s: int | None = None
    now_ns: int = 0
    notes: list[str] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)
    _seq: int = 0
    _cut: bool = False

    def __post_init__(self) -> None:
        self.rng: Random = self.seed.stream("world")
        self.now_ns = self.rng.randrange(3_600 * NS_PER_S)
        self.time = _Time()
        self.composer = Composer(contract=self.contract, authority="simulated", names=Names({}))
        self.logins = Logins(self.composer, _nobody_logs_in, lambda: self.now_ns)
        self._callers: Iterator[Caller] = fresh_callers(1, ())
        self._invented = invented_addresses()
        self._events.append(
            TargetStarted(
                seq=self._next(), at_ns=0, target_ns=self.now_ns, clock="frozen", exclusive=True
            )
        )

    @property
    def wall_ns(self) -> int:
        return EPOCH_NS + self.now_ns

    def history(self) -> History:
        return History(tuple(self._events))

    def fresh_caller(self) -> Caller:
        return next(self._callers)

    def invented_address(self) -> str:
        return next(self._invented)

    def call(self, index: int) -> Call:
        return self._calls[index]

    @property
    def serving(self) -> int | None:
        """Its processes cannot be seen: it has none."""
        return None

    def check_alive(self) -> None:
        return

    def spoil(self) -> None:
        return

    def heal_all(self) -> None:
        if self._cut:
            self.heal("store")

    def move_to(self, target_ns: int) -> None:
        if target_ns > self.now_ns:
            before, self.now_ns = self.now_ns, target_ns
            self._events.append(
                ClockMoved(
                    seq=self._next(),
                    at_ns=self._seq,
                    from_target_ns=before,
                    to_target_ns=self.now_ns,
                    why="plan",
                )
            )

    def cut(self, dependency: str) -> None:
        self._cut = True
        self._events.append(
            FaultBegan(
                seq=self._next(),
                at_ns=self._seq,
                target_ns=self.now_ns,
                dependency=dependency,
                fault="killed",
                effect=1,
            )
        )

    def heal(self, dependency: str) -> None:
        self._cut = False
        self._events.append(
            FaultEnded(
                seq=self._next(),
                at_ns=self._seq,
                target_ns=self.now_ns,
                dependency=dependency,
                data_kept=True,
            )
        )

    def exchange(self, requests: Sequence[Request], *, together: bool) -> list[int]:
        first = len(self._calls)
        order = list(range(len(requests)))
        if together:
            self.rng.shuffle(order)
        written = [self._next() for _ in requests] if together else []
        answers = [self._answer(requests[place]) for place in order]
        by_place = dict(zip(order, answers, strict=True))
        for place, request in enumerate(requests):
            seq = written[place] if together else self._next()
            self._record(request, seq, self._next(), admitted=by_place[place])
        return list(range(first, len(self._calls)))

    def _answer(self, request: Request) -> bool:
        if self._cut and self.when_down is not None:
            return self.when_down == "open"
        key = request.source if request.identity is None else str(request.identity)
        return self.limiter.admits(str(key), self.now_ns)

    def _record(self, request: Request, written: int, answered: int, *, admitted: bool) -> None:
        headers = ()
        if not admitted and self.retry_after_s is not None:
            headers = (("retry-after", str(self.retry_after_s)),)
        self._calls.append(
            Call(
                operation=request.operation,
                caller=request.caller,
                identity=request.identity,
                source=request.source or "127.0.0.1",
                forwarded=request.forwarded,
                connection=len(self._calls),
                written_seq=written,
                answered_seq=answered,
                written_ns=written,
                first_byte_ns=answered,
                last_byte_ns=answered,
                sent_target_ns=self.now_ns,
                answered_target_ns=self.now_ns,
                sent_wall_ns=self.wall_ns,
                answered_wall_ns=self.wall_ns,
                status=200 if admitted else 429,
                headers=headers,
            )
        )
        self._events.append(self._calls[-1])

    def _next(self) -> int:
        self._seq += 1
        return self._seq


def simulated_contract(**promise: Any) -> Contract:
    """A contract with one promise, keyed by an API key unless it says otherwise."""
    words = {"id": "p", "kind": "rate_limit", "operation": "list", "key": "user", **promise}
    return Contract.model_validate(
        {
            "contract": 1,
            "service": "simulated",
            "target": {"url": "http://127.0.0.1:1"},
            "dependencies": {"store": {"kind": "valkey"}},
            "identities": {"user": {"header": "X-API-Key", "value": "key-{n}"}},
            "operations": {"list": {"call": "GET /"}},
            "promises": (RateLimit.model_validate(words, strict=False),),
        },
        strict=False,
    )


def simulated_loaded(folder: Path = Path("/nowhere"), **promise: Any) -> LoadedContract:
    """That contract as if it had been read from a file in ``folder``."""
    return LoadedContract(
        contract=simulated_contract(**promise),
        path=folder / "contract.yaml",
        directory=folder,
        sha256="0" * 64,
        lines={"p": 1},
    )


def _nobody_logs_in(request: Request, _: object) -> Call:
    raise AssertionError(f"{request} was sent, and no identity logs in")


def simulate(
    limiter: Limiter, seed: Seed, *, thorough: bool = False, shrink_s: float = 0.0, **promise: Any
) -> PromiseResult:
    """Verify one promise against a simulated limiter; what it finds is shrunk only if asked for."""
    contract = simulated_contract(**promise)
    down = promise.get("store", {}).get("when_down")
    world = SimulatedWorld(contract, limiter, seed, when_down=down)
    verification = Verification(
        cast("World", world),
        contract.promises[0],
        600.0,
        lambda *_: None,
        thorough=thorough,
        shrink_s=shrink_s,
    )
    return verification.run()
