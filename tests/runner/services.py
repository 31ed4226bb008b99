"""Rows of simulated services: honest ones, those with a defect, and those of which nobody can say.

They are those of the table "honest algorithm x words" of the semantics, of its list of defects as far
as a simulation shows them, and of what no simulation had shown before: reset, exact, dates, two
promises on one call, a queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from harness.runner.verify import PromiseResult
from harness.seeds import Seed
from harness.units import NS_PER_S
from tests.promises.rate_limit.simulated import (
    All,
    Both,
    Bucket,
    Fixed,
    InTurn,
    Limiter,
    Log,
    Queue,
    Racing,
    TwoBuckets,
)
from tests.runner.service_world import ADVICE, Service, ceil_s, serve, told

Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One parameter set: N calls in W ns, a bucket of B, a phase."""

    count: int
    window_ns: int
    burst: int
    phase_ns: int

    @classmethod
    def by(cls, rng: Random) -> Drawn:
        window_ns = rng.choice([1, 2, 7, 10, 60, 61, 600, 3_600]) * NS_PER_S
        count = round(3 * 1.07 ** rng.randrange(42))
        while window_ns // count < NS_PER_S // 50:
            count = max(3, count // 2)
        return cls(count, window_ns, rng.randint(2, 30), rng.randrange(window_ns))

    @property
    def limit(self) -> str:
        return f"{self.count}/{self.window_ns // NS_PER_S}s"

    @property
    def longer(self) -> str:
        """Three times as many in ten times as long."""
        return f"{3 * self.count}/{10 * self.window_ns // NS_PER_S}s"

    @property
    def log(self) -> Log:
        return Log(self.count, self.window_ns)

    @property
    def long_log(self) -> Log:
        return Log(3 * self.count, 10 * self.window_ns)

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.burst, self.count, self.window_ns)

    @property
    def fixed(self) -> Fixed:
        return Fixed(self.count, self.window_ns, self.phase_ns)

    @property
    def two(self) -> TwoBuckets:
        return TwoBuckets(self.count, self.window_ns, self.phase_ns)


@dataclass(frozen=True, slots=True)
class Row:
    """A limiter, what its service says besides, and the words of its contract."""

    limiter: Callable[[Drawn], Limiter]
    words: Callable[[Drawn], Words]
    service: Callable[[Drawn], Service] = lambda _: Service()
    others: Callable[[Drawn], list[Words]] = lambda _: []

    def verify(self, drawn: Drawn, seed: Seed) -> PromiseResult:
        return serve(
            self.limiter(drawn),
            seed,
            self.service(drawn),
            others=self.others(drawn),
            **self.words(drawn),
        )


def sliding(drawn: Drawn) -> Words:
    return {"limit": drawn.limit}


def fixed(drawn: Drawn) -> Words:
    return {"limit": drawn.limit, "window": "fixed"}


def approximate(drawn: Drawn) -> Words:
    return {"limit": drawn.limit, "window": "approximate"}


def bucket(drawn: Drawn) -> Words:
    return {"limit": drawn.limit, "burst": drawn.burst}


def bucket_of_n(drawn: Drawn) -> Words:
    return {"limit": drawn.limit, "burst": drawn.count}


def counted(drawn: Drawn) -> Words:
    return {"limit": drawn.limit, "refused_count": True}


def several(drawn: Drawn) -> Words:
    return {"limit": [drawn.limit, drawn.longer]}


def minutes(drawn: Drawn, tokens: int = 2) -> Words:
    """A bucket that gets tokens only in steps; W/N is a whole number of seconds."""
    return {
        "limit": f"{drawn.count}/{6 * drawn.count}s",
        "burst": drawn.burst,
        "refill": f"{6 * tokens}s",
    }


def seconds(drawn: Drawn) -> Words:
    return {"limit": f"{drawn.count}/{8 + drawn.count}s", "granularity": "1s"}


def advised(words: Callable[[Drawn], Words], **more: Any) -> Callable[[Drawn], Words]:
    """And Retry-After."""
    return lambda drawn: {**words(drawn), "exceeded": {"headers": ["Retry-After"]}, **more}


def saying(name: str) -> Callable[[Drawn], Service]:
    """A service with that Retry-After."""
    return lambda _: Service(advice=ADVICE[name])


HEADERS: Final = {
    "limit": "X-Limit",
    "remaining": "X-Remaining",
    "reset": {"header": "X-Reset", "as": "delta"},
}
EPOCH: Final = {**HEADERS, "reset": {"header": "X-Reset", "as": "epoch"}}


def with_headers(
    words: Callable[[Drawn], Words], headers: Mapping[str, Any] = HEADERS
) -> Callable[[Drawn], Words]:
    """And headers on each answer."""
    return lambda drawn: {**words(drawn), "headers_always": headers}


def telling(**off: Any) -> Callable[[Drawn], Service]:
    """A service with those headers, as true as ``off`` leaves them."""
    return lambda drawn: Service(told=told(**off)(drawn.count))


def stored(when_down: str, workers: int = 3) -> Callable[[Drawn], Words]:
    """And a store; each of three processes has a limiter of its own besides."""
    store = {"dependency": "store", "when_down": when_down}
    return lambda drawn: {**sliding(drawn), "store": store, "workers": workers}


def down(does: Any, *, healed: bool = True) -> Callable[[Drawn], Service]:
    """A service that does that while its store is away."""
    return lambda drawn: Service(
        down=does, local=lambda: drawn.log, workers=3, serving=3, healed=healed
    )


def global_beside(drawn: Drawn) -> list[Words]:
    return [{"key": "global", "limit": f"{40 * drawn.count + 40}/{drawn.window_ns // NS_PER_S}s"}]


def both(drawn: Drawn) -> Limiter:
    return Both(drawn.log, Log(40 * drawn.count + 40, drawn.window_ns))


def users_beside(drawn: Drawn) -> list[Words]:
    return [{"key": "user", "limit": f"2/{drawn.window_ns // NS_PER_S}s"}]


HONEST: dict[str, Row] = {
    "log": Row(lambda d: d.log, sliding),
    "log, closed": Row(lambda d: Log(d.count, d.window_ns, closed=True), sliding),
    "log in ms": Row(lambda d: Log(d.count, d.window_ns, stamp=1_000_000), sliding),
    "large log": Row(
        lambda d: Log(d.count + 201, d.window_ns),
        lambda d: {"limit": f"{d.count + 201}/{d.window_ns // NS_PER_S}s"},
    ),
    "fixed": Row(lambda d: d.fixed, fixed),
    "from first call": Row(lambda d: Fixed(d.count, d.window_ns, None), fixed),
    "log as fixed": Row(lambda d: d.log, fixed),
    "two buckets": Row(lambda d: d.two, approximate),
    "fixed as approximate": Row(lambda d: d.fixed, approximate),
    "bucket": Row(lambda d: d.bucket, bucket),
    "large bucket": Row(
        lambda d: Bucket(d.burst + 201, d.count, d.window_ns),
        lambda d: {"limit": d.limit, "burst": d.burst + 201},
    ),
    "steps": Row(
        lambda d: Bucket(d.burst, d.count, 6 * d.count * NS_PER_S, 12 * NS_PER_S, d.phase_ns),
        minutes,
    ),
    "log of all": Row(lambda d: Log(d.count, d.window_ns, counts_refusals=True), counted),
    "log in seconds": Row(
        lambda d: Log(d.count, (8 + d.count) * NS_PER_S, stamp=NS_PER_S), seconds
    ),
    "two limits": Row(lambda d: All([d.log, d.long_log]), several),
    "two limits of all": Row(
        lambda d: All(
            [
                Log(d.count, d.window_ns, counts_refusals=True),
                Log(3 * d.count, 10 * d.window_ns, counts_refusals=True),
            ]
        ),
        lambda d: several(d) | {"refused_count": True},
    ),
    "two fixed limits": Row(
        lambda d: All([d.fixed, Fixed(3 * d.count, 10 * d.window_ns, d.phase_ns)]),
        lambda d: several(d) | {"window": "fixed"},
    ),
    "one for all": Row(
        lambda d: Both(Log(1 << 30, d.window_ns), d.log), lambda d: sliding(d) | {"key": "global"}
    ),
    "beside one for all": Row(both, sliding, others=global_beside),
    "one for all beside": Row(
        lambda d: Both(Log(2, d.window_ns), d.log),
        lambda d: sliding(d) | {"key": "global"},
        others=users_beside,
    ),
    "log, advised": Row(lambda d: d.log, advised(sliding), saying("ceil")),
    "log, a date": Row(lambda d: d.log, advised(sliding), saying("date")),
    "log, an obsolete date": Row(lambda d: d.log, advised(sliding), saying("obsolete date")),
    "log, a date of C": Row(lambda d: d.log, advised(sliding), saying("asctime")),
    "log, always W": Row(
        lambda d: d.log,
        advised(sliding),
        lambda d: Service(advice=lambda *_: str(ceil_s(d.window_ns))),
    ),
    "fixed, advised": Row(lambda d: d.fixed, advised(fixed), saying("ceil")),
    "two buckets, advised": Row(lambda d: d.two, advised(approximate), saying("ceil")),
    "bucket, advised": Row(lambda d: d.bucket, advised(bucket), saying("date")),
    "log of all, advised": Row(
        lambda d: Log(d.count, d.window_ns, counts_refusals=True), advised(counted), saying("ceil")
    ),
    "log, exact": Row(
        lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
        lambda d: (
            advised(sliding, retry_after="exact")(d)
            | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"}
        ),
        saying("ceil"),
    ),
    "log, exact date": Row(
        lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
        lambda d: (
            advised(sliding, retry_after="exact")(d)
            | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"}
        ),
        saying("date"),
    ),
    "log, headers": Row(lambda d: d.log, with_headers(sliding), telling()),
    "log, headers, epoch": Row(
        lambda d: d.log,
        with_headers(sliding, EPOCH),
        telling(reset=lambda whole, wall: str(ceil_s(wall + whole))),
    ),
    "fixed, headers": Row(lambda d: d.fixed, with_headers(fixed), telling()),
    "two buckets, headers": Row(lambda d: d.two, with_headers(approximate), telling()),
    "bucket, headers": Row(lambda d: d.bucket, with_headers(bucket), telling()),
    "log of all, headers": Row(
        lambda d: Log(d.count, d.window_ns, counts_refusals=True), with_headers(counted), telling()
    ),
    **{
        f"store, {does}": Row(lambda d: d.log, stored(does), down(does))
        for does in ("open", "closed", "local")
    },
    "two workers": Row(
        lambda d: d.log, lambda d: sliding(d) | {"workers": 2}, lambda _: Service(serving=2)
    ),
}

UNTRUE: Final[Mapping[str, Words]] = {
    "one more remains": {"more": 1},
    "one fewer remains": {"more": -1},
    "remaining constant": {"constant": 2},
    "wrong limit": {"limit": 1},
    "none on any": {"leave_out": ["x-remaining"]},
    "reset absurd": {"reset": lambda *_: "864000"},
    "reset epoch for delta": {"reset": lambda whole, wall: str(ceil_s(wall + whole))},
    "reset no number": {"reset": lambda *_: "soon"},
}

LYING: dict[str, Row] = {
    "one too many": Row(lambda d: Log(d.count + 1, d.window_ns), sliding),
    "one too few": Row(lambda d: Log(d.count - 1, d.window_ns), sliding),
    "large, one too many": Row(
        lambda d: Log(d.count + 202, d.window_ns),
        lambda d: {"limit": f"{d.count + 201}/{d.window_ns // NS_PER_S}s"},
    ),
    "fixed, one too many": Row(lambda d: Fixed(d.count + 1, d.window_ns, d.phase_ns), fixed),
    "fixed, one too few": Row(lambda d: Fixed(d.count - 1, d.window_ns, d.phase_ns), fixed),
    "fixed as a window": Row(lambda d: d.fixed, sliding),
    "from first call as a window": Row(lambda d: Fixed(d.count, d.window_ns, None), sliding),
    "two buckets as a window": Row(lambda d: d.two, sliding),
    "two buckets as fixed": Row(lambda d: d.two, fixed),
    "bucket as a window": Row(lambda d: Bucket(d.count, d.count, d.window_ns), sliding),
    "bucket as fixed": Row(lambda d: Bucket(d.count, d.count, d.window_ns), fixed),
    "bucket as approximate": Row(lambda d: Bucket(d.count, d.count, d.window_ns), approximate),
    "large bucket as fixed": Row(
        lambda d: Bucket(d.count + 201, d.count + 201, d.window_ns),
        lambda d: {"limit": f"{d.count + 201}/{d.window_ns // NS_PER_S}s", "window": "fixed"},
    ),
    "whole seconds as a window": Row(
        lambda d: Log(d.count, (8 + d.count) * NS_PER_S, stamp=NS_PER_S),
        lambda d: {"limit": f"{d.count}/{8 + d.count}s"},
    ),
    "log as a bucket": Row(lambda d: d.log, bucket_of_n),
    "fixed as a bucket": Row(lambda d: d.fixed, bucket_of_n),
    "steps as a bucket": Row(
        lambda d: Bucket(d.burst, d.count, 6 * d.count * NS_PER_S, 36 * NS_PER_S, d.phase_ns),
        lambda d: {"limit": f"{d.count}/{6 * d.count}s", "burst": d.burst},
    ),
    "refusals counted": Row(lambda d: Log(d.count, d.window_ns, counts_refusals=True), sliding),
    "drained by refusals": Row(
        lambda d: Bucket(d.burst, d.count, d.window_ns, drained_by_refusals=True), bucket
    ),
    "bucket one too big": Row(lambda d: Bucket(d.burst + 1, d.count, d.window_ns), bucket),
    "bucket one too small": Row(lambda d: Bucket(d.burst - 1, d.count, d.window_ns), bucket),
    "bucket a tenth too fast": Row(
        lambda d: Bucket(d.burst, d.count * 11, d.window_ns * 10), bucket
    ),
    "bucket a tenth too slow": Row(
        lambda d: Bucket(d.burst, d.count * 9, d.window_ns * 10), bucket
    ),
    "bucket twice as fast": Row(lambda d: Bucket(d.burst, d.count * 2, d.window_ns), bucket),
    "window doubled": Row(lambda d: Log(d.count, d.window_ns * 2), sliding),
    "window a tenth short": Row(lambda d: Log(d.count, d.window_ns * 9 // 10), sliding),
    "window a tenth long": Row(lambda d: Log(d.count, d.window_ns * 11 // 10), sliding),
    "fixed a tenth short": Row(lambda d: Fixed(d.count, d.window_ns * 9 // 10, d.phase_ns), fixed),
    "first call a tenth long": Row(lambda d: Fixed(d.count, d.window_ns * 11 // 10, None), fixed),
    "race": Row(lambda d: Racing(d.log), sliding),
    "race at the brink": Row(
        lambda d: Racing(Log(d.count + 201, d.window_ns)),
        lambda d: {"limit": f"{d.count + 201}/{d.window_ns // NS_PER_S}s"},
    ),
    "second limit off": Row(lambda d: d.log, several),
    "refusals charged to the second": Row(lambda d: InTurn([d.long_log, d.log]), several),
    "always refuses": Row(lambda d: Log(0, d.window_ns), sliding),
    "one for all per key": Row(lambda d: d.log, lambda d: sliding(d) | {"key": "global"}),
    "one budget for all keys": Row(lambda d: Both(Log(1 << 30, d.window_ns), d.log), sliding),
    "500 for 429": Row(lambda d: d.log, sliding, lambda _: Service(refusal=500)),
    "503 for 429": Row(lambda d: d.log, sliding, lambda _: Service(refusal=503)),
    **{
        f"Retry-After {name}": Row(lambda d: d.log, advised(sliding), saying(name))
        for name in ("zero", "epoch", "fraction", "absurd", "missing")
    },
    **{
        f"Retry-After {name}": Row(
            lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
            lambda d: advised(sliding)(d) | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"},
            saying(name),
        )
        for name in ("floor", "one", "ms", "past date", "date without zone")
    },
    "Retry-After forgets the refusal": Row(
        lambda d: Log(d.count, d.window_ns, counts_refusals=True),
        advised(counted),
        lambda d: Service(advice=lambda *_: str(max(1, ceil_s(d.window_ns) // 2))),
    ),
    "always W as exact": Row(
        lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
        lambda d: (
            advised(sliding, retry_after="exact")(d)
            | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"}
        ),
        lambda d: Service(advice=lambda *_: str(9 + d.window_ns // NS_PER_S)),
    ),
    **{
        f"headers, {name}": Row(lambda d: d.log, with_headers(sliding), telling(**off))
        for name, off in UNTRUE.items()
    },
    "headers, reset now": Row(
        lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
        lambda d: with_headers(sliding)(d) | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"},
        telling(reset=lambda *_: "0"),
    ),
    "headers, reset in ms": Row(
        lambda d: Log(d.count, 9 * NS_PER_S + d.window_ns),
        lambda d: (
            with_headers(sliding, EPOCH)(d) | {"limit": f"{d.count}/{9 + d.window_ns // NS_PER_S}s"}
        ),
        telling(reset=lambda whole, wall: str((wall + whole) // 1_000_000)),
    ),
    "headers, none on refusals": Row(
        lambda d: d.log,
        with_headers(sliding),
        lambda d: Service(told=told()(d.count), told_refused=told(leave_out=["x-limit"])(d.count)),
    ),
    "headers, only on refusals": Row(
        lambda d: d.log,
        with_headers(sliding),
        lambda d: Service(told=told(leave_out=["x-limit"])(d.count), told_refused=told()(d.count)),
    ),
    "headers, bucket has one fewer": Row(
        lambda d: d.bucket, with_headers(bucket), telling(more=-1)
    ),
    **{
        f"store {declared}, does {does}": Row(lambda d: d.log, stored(declared), down(does))
        for declared in ("open", "closed", "local")
        for does in ("open", "closed", "local", "error")
        if does != declared
    },
    "store, never limits again": Row(lambda d: d.log, stored("open"), down("open", healed=False)),
}


def queued(words: Callable[[Drawn], Words], *, slow: int = 1) -> Row:
    """Few calls a window: nobody is refused, so that a plan that waits for it takes long."""
    return Row(
        lambda d: Queue(2, slow * d.window_ns), lambda d: words(replace(d, count=2, burst=2))
    )


UNDECIDED: dict[str, Row] = {
    "queue": queued(sliding),
    "queue as fixed": queued(fixed),
    "queue as approximate": queued(approximate),
    "queue as a bucket": queued(bucket),
    "queue as a log of all": queued(counted),
    "queue as two limits": queued(several, slow=4),
    "one worker": Row(
        lambda d: d.log, lambda d: sliding(d) | {"workers": 2}, lambda _: Service(serving=1)
    ),
    "workers out of sight": Row(
        lambda d: d.log, lambda d: sliding(d) | {"workers": 2}, lambda _: Service(serving=None)
    ),
    "beside one that is full first": Row(
        lambda d: Both(d.log, Log(d.count + 1, d.window_ns)),
        sliding,
        others=lambda d: [{"key": "global", "limit": f"{d.count + 1}/{d.window_ns // NS_PER_S}s"}],
    ),
}
