"""A simulated service around a simulated limiter: what it says in its headers, its store, its processes.

Everything that a contract can promise beside numbers, told truly or not, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

from harness.client import Request
from harness.contract.model import Contract
from harness.history import FaultEnded
from harness.promises.rate_limit.words import RateLimit
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.units import NS_PER_MS, NS_PER_S
from tests.promises.rate_limit.simulated import Limiter, Queue, Racing, Telling
from tests.runner.simulated_world import SimulatedWorld, simulated_contract

Advice = Callable[[int, int], str | None]
"""From the wait in ns, and the wall clock in ns, to a header's value; None: no header."""
Told = Callable[[Telling, str, int, int], Mapping[str, str]]
"""From the limiter, the key, the instant and the wall clock to headers of each answer."""


def ceil_s(ns: int) -> int:
    """Whole seconds, rounded up."""
    return -(-ns // NS_PER_S)


def date(ns: int, form: str = "%a, %d %b %Y %H:%M:%S GMT") -> str:
    """An instant of the wall clock as an HTTP date, rounded up to whole seconds."""
    return datetime.fromtimestamp(ceil_s(ns), tz=UTC).strftime(form)


ADVICE: Final[Mapping[str, Advice]] = {
    "ceil": lambda wait, _: str(ceil_s(wait)),
    "date": lambda wait, wall: date(wall + wait),
    "obsolete date": lambda wait, wall: date(wall + wait, "%A, %d-%b-%y %H:%M:%S GMT"),
    "asctime": lambda wait, wall: date(wall + wait, "%a %b %e %H:%M:%S %Y"),
    "floor": lambda wait, _: str(wait // NS_PER_S),
    "zero": lambda *_: "0",
    "one": lambda *_: "1",
    "epoch": lambda wait, wall: str(ceil_s(wall + wait)),
    "ms": lambda wait, _: str(max(1_000, -(-wait // NS_PER_MS))),
    "fraction": lambda wait, _: f"{wait / NS_PER_S:.1f}",
    "absurd": lambda *_: "864000",
    "missing": lambda *_: None,
    "past date": lambda _, wall: date(wall - 9 * NS_PER_S),
    "date without zone": lambda wait, wall: date(wall + wait, "%a, %d %b %Y %H:%M:%S"),
}


def told(
    *,
    more: int = 0,
    limit: int = 0,
    reset: Advice = lambda whole, _: str(ceil_s(whole)),
    leave_out: Sequence[str] = (),
    constant: int | None = None,
) -> Callable[[int], Told]:
    """Headers with the limit, what remains and when all is there again; each may be off."""

    def of(cap: int) -> Told:
        def headers(limiter: Telling, key: str, now: int, wall: int) -> Mapping[str, str]:
            left = limiter.left(key, now) if constant is None else constant
            all_of_them = {
                "x-limit": str(cap + limit),
                "x-remaining": str(max(0, left + more)),
                "x-reset": reset(limiter.whole(key, now), wall),
            }
            return {
                name: value
                for name, value in all_of_them.items()
                if value is not None and name not in leave_out
            }

        return headers

    return of


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a service does besides admitting and refusing.

    Attributes:
        advice: its Retry-After.
        told: its headers on every answer.
        told_refused: on refusals instead, where they differ.
        down: what it does while its store is away.
        local: a limiter of a process that limits by itself then.
        workers: so many of them.
        healed: whether it limits again after that.
        serving: how many of its processes are seen to serve.
        refusal: status of a refusal.
    """

    advice: Advice | None = None
    told: Told | None = None
    told_refused: Told | None = None
    down: Literal["open", "closed", "local", "error", "store"] = "open"
    local: Callable[[], Limiter] | None = None
    workers: int = 1
    healed: bool = True
    serving: int | None = 1
    refusal: int = 429


@dataclass
class ServiceWorld(SimulatedWorld):
    """A world around it; its clock is moved by a service that makes callers wait."""

    service: Service = field(default_factory=Service)
    _processes: list[Limiter] = field(default_factory=list)
    _was_cut: bool = False
    _said: dict[int, Mapping[str, str]] = field(default_factory=dict)

    @property
    def serving(self) -> int | None:
        """How many processes were seen to serve."""
        return self.service.serving

    def cut(self, dependency: str) -> None:
        super().cut(dependency)
        self._was_cut = True
        if self.service.local is not None:
            self._processes = [self.service.local() for _ in range(self.service.workers)]

    def heal(self, dependency: str) -> None:
        """The store comes back empty."""
        super().heal(dependency)
        last = self._events.pop()
        assert isinstance(last, FaultEnded)
        self._events.append(replace(last, data_kept=False))

    def exchange(self, requests: Sequence[Request], *, together: bool) -> list[int]:
        if isinstance(self.limiter, Racing) and together:
            self.limiter.began()
            made = super().exchange(requests, together=together)
            self.limiter.ended()
            return made
        if isinstance(self.limiter, Queue):
            return self._queued(self.limiter, requests, together=together)
        return super().exchange(requests, together=together)

    def _queued(self, queue: Queue, requests: Sequence[Request], *, together: bool) -> list[int]:
        """Each call is answered when it is let through; the clock jumps there."""
        first, sent_ns = len(self._calls), self.now_ns
        releases = []
        for request in requests:
            at = queue.release(self._key(request), sent_ns if together else self.now_ns)
            releases.append((self.now_ns, at))
            self.move_to(self.now_ns if together else at)
        written = [self._next() for _ in requests]
        for (sent, at), request, seq in zip(releases, requests, written, strict=True):
            self._record(request, seq, self._next(), admitted=True)
            late = replace(
                self._calls[-1],
                sent_target_ns=sent,
                sent_wall_ns=sent + self.wall_ns - self.now_ns,
                answered_target_ns=at,
                answered_wall_ns=at + self.wall_ns - self.now_ns,
            )
            self._calls[-1] = self._events[-1] = late
        self.move_to(max(at for _, at in releases))
        return list(range(first, len(self._calls)))

    @staticmethod
    def _key(request: Request) -> str:
        return str(request.source if request.identity is None else request.identity)

    def _answer(self, request: Request) -> bool:
        admitted = self._admits(request)
        self._said[id(request)] = self._headers(self._key(request), admitted=admitted)
        return admitted

    def _admits(self, request: Request) -> bool:
        if self._cut and self.service.down == "local":
            process = self.rng.choice(self._processes)
            return process.admits(self._key(request), self.now_ns)
        if self._cut and self.service.down != "store":
            return self.service.down == "open"
        if self._was_cut and not self._cut and not self.service.healed:
            return True
        return self.limiter.admits(self._key(request), self.now_ns)

    def _record(self, request: Request, written: int, answered: int, *, admitted: bool) -> None:
        super()._record(request, written, answered, admitted=admitted)
        call, service = self._calls[-1], self.service
        status = 200 if admitted else service.refusal
        if self._cut and service.down == "error":
            status = 500
        headers = tuple(self._said.pop(id(request), {}).items())
        shown = replace(call, status=status, headers=headers)
        self._calls[-1] = self._events[-1] = shown

    def _headers(self, key: str, *, admitted: bool) -> Mapping[str, str]:
        service, limiter = self.service, cast("Telling", self.limiter)
        found: dict[str, str] = {}
        if service.advice is not None and not admitted:
            value = service.advice(limiter.wait(key, self.now_ns), self.wall_ns)
            found |= {} if value is None else {"retry-after": value}
        tell = service.told if admitted or service.told_refused is None else service.told_refused
        if tell is not None:
            found.update(tell(limiter, key, self.now_ns, self.wall_ns))
        return found


def contract_of(others: Sequence[Mapping[str, Any]], **promise: Any) -> Contract:
    """A contract whose first promise is judged; the others cover the same calls."""
    contract = simulated_contract(**promise)
    operation = contract.operations["list"].model_copy(update={"identity": "user"})
    contract = contract.model_copy(update={"operations": {"list": operation}})
    beside = tuple(
        RateLimit.model_validate(
            {"id": f"other{n}", "kind": "rate_limit", "operation": "list", **words}, strict=False
        )
        for n, words in enumerate(others)
    )
    return contract.model_copy(update={"promises": (*contract.promises, *beside)})


def serve(
    limiter: Limiter,
    seed: Seed,
    service: Service,
    *,
    others: Sequence[Mapping[str, Any]] = (),
    **promise: Any,
) -> PromiseResult:
    """Verify one promise against a simulated service."""
    contract = contract_of(others, **promise)
    world = ServiceWorld(contract, limiter, seed, service=service)
    verification = Verification(
        cast("World", world), contract.promises[0], 600.0, lambda *_: None, shrink_s=0.0
    )
    return verification.run()
