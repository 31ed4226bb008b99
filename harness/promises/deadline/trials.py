"""The trials; their numbers are those of "What `deadline` means", section 3.

Each fault has a trial of its own, so that a breaker which one of them opens spoils no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Jump,
    Leave,
    Reaching,
    Release,
    Step,
    Trial,
    Wait,
)
from harness.promises.base import Surroundings
from harness.promises.deadline.words import Deadline
from harness.script import HOLD, USUAL, Answer, Reach, Rule, Script, always
from harness.units import NS_PER_MS, NS_PER_S

PROBE: Final = "probe"
"""Group of the calls that meet the fault."""
BEFORE: Final = "before"
AFTER: Final = "after"
"""Groups of the bursts that show whether the service serves as it did at the start."""
CONTROL: Final = "control"
"""Group of a call that meets no fault, while others do."""
QUICK: Final = "quick"
"""Group of a call that needs no dependency: in real time it shows that the machine is not slow."""
LEAKS: Final = "leaks told"
"""Mark of a trial whose counts decided."""
GAP_NS: Final = 10 * NS_PER_MS
"""``g``: so much before and after the call's own timeout, where its timers have no steps."""
_LOOKS: Final = 10
_ONE_BY_ONE: Final = 25
"""So many D after which even a service that serves one call at a time has done with a batch."""
_LEFT_ONE_BY_ONE: Final = 60
"""And with fifty calls whose clients have left, each of which it may still serve for D."""
_LOOKS_REAL: Final = 4
_BATCHES: Final = (20, 20, 10)
_POOL: Final = 20
_LETTERS: Final = "x" * 400
_MOST_COUNTED_NS: Final = 600 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What the trials of one operation are made of.

    Attributes:
        operation: its name.
        suffix: after the trials' names, where there are several operations.
        dependencies: its witnesses, in the order in which it uses them.
        d_ns: D.
        look_ns: so long is looked for an answer.
        settle_ns: so long is waited before resources are counted.
        frozen: the clock is held.
        bare: an operation that needs no dependency, None where there is none.
    """

    operation: str
    suffix: str
    dependencies: tuple[str, ...]
    d_ns: int
    look_ns: int
    settle_ns: int
    frozen: bool
    bare: str | None

    @property
    def first(self) -> str:
        """The dependency that it asks first."""
        return self.dependencies[0]

    def fire(self, group: str, times: int = 1) -> Fire:
        """Calls of clients of their own."""
        return Fire(group=group, times=times, operation=self.operation, fresh=True)

    @property
    def heal(self) -> tuple[Step, ...]:
        """All dependencies answer again, and what they held is let go."""
        return tuple(
            step
            for each in self.dependencies
            for step in (
                Answering(dependency=each),
                Reaching(each, "open"),
                Release(dependency=each),
            )
        )

    @property
    def afresh(self) -> tuple[Step, ...]:
        """Connections that the service keeps are closed, so that the next call must connect."""
        return (
            *(
                Answering(dependency=d, script=always(Answer(close=True)))
                for d in self.dependencies
            ),
            self.fire("closing", _POOL),
            Jump(most_ns=self.look_ns),
        )


def trials(promise: Deadline, around: Surroundings) -> tuple[Trial, ...]:
    """The trials of the declared words: the spans first, what is left behind last."""
    found: list[Trial] = []
    counted: list[Trial] = []
    for operation in promise.operation:
        n = _numbers(promise, around, operation)
        if isinstance(n, str):
            found.append(Trial(name="T1 hang", purpose=_HANG, steps=(), cannot=n))
            continue
        found += [*_silent(n), *_unreachable(n), *_failing(n), *_second(n), *_several(n)]
        found += [*_call_timeout(promise, n), *_slow_clients(promise, n)]
        counted += _leaks(n)
    return (*found, *counted)


def _numbers(promise: Deadline, around: Surroundings, operation: str) -> Numbers | str:
    spec = around.operations.get(operation)
    uses = spec.uses if spec is not None else ()
    kinds = {name: each.kind for name, each in around.dependencies.items()}
    dependencies = tuple(name for name in uses if kinds.get(name) == "witness")
    if not dependencies:
        return (
            f"operation {operation} names no witness under `uses`, so no dependency can be made to "
            "hang; name the dependency, of kind witness, that the operation waits for"
        )
    d_ns = promise.within
    return Numbers(
        operation=operation,
        suffix=f" {operation}" if len(promise.operation) > 1 else "",
        dependencies=dependencies,
        d_ns=d_ns,
        look_ns=(_LOOKS if around.frozen else _LOOKS_REAL) * d_ns,
        settle_ns=(_LOOKS if around.frozen else 1) * d_ns,
        frozen=around.frozen,
        bare=next((name for name, each in around.operations.items() if not each.uses), None),
    )


_HANG: Final = "takes the request and says nothing"


def _case(n: Numbers, name: str, purpose: str, steps: Sequence[Step]) -> Trial:
    """The fault, one call, and as long as it takes."""
    quick = () if n.frozen or n.bare is None else (Fire(group=QUICK, operation=n.bare, fresh=True),)
    return Trial(
        name=f"{name}{n.suffix}",
        purpose=f"a dependency {purpose}",
        steps=(*steps, n.fire(PROBE), Jump(most_ns=n.look_ns), *quick, *n.heal),
    )


def _scripted(n: Numbers, script: Script) -> tuple[Step, ...]:
    return (Answering(dependency=n.first, script=script),)


def _silent(n: Numbers) -> Iterator[Trial]:
    """T1 and T2: it takes the request."""
    yield _case(n, "T1 hang", _HANG, _scripted(n, always(HOLD)))
    every_ns = n.d_ns // 4
    body = Answer(trickle_ns=every_ns, trickle="body", body=_LETTERS)
    whole = replace(body, trickle="all")
    yield _case(n, "T2 body drips", "sends a body a byte at a time", _scripted(n, always(body)))
    yield _case(n, "T2 head drips", "sends all a byte at a time", _scripted(n, always(whole)))


def _unreachable(n: Numbers) -> Iterator[Trial]:
    """T3 and half of T4: there is no connection."""
    cases: tuple[tuple[str, Reach, str], ...] = (
        ("T3 black hole", "black_hole", "cannot be connected to, and nobody says so"),
        ("T4 refused", "refuse", "refuses connections"),
    )
    for name, how, purpose in cases:
        yield _case(n, name, purpose, (*n.afresh, Reaching(n.first, how)))


def _failing(n: Numbers) -> Iterator[Trial]:
    """The rest of T4, and T5: each attempt fails, some way on."""
    reset = Answer(delay_ns=n.d_ns * 2 // 5, cut="within", body=_LETTERS)
    yield _case(n, "T4 reset", "resets within each body", _scripted(n, always(reset)))
    for share in (45, 95):
        late = Answer(status=503, delay_ns=n.d_ns * share // 100)
        purpose = f"fails each attempt after 0.{share} D"
        yield _case(n, f"T5 late 0.{share}", purpose, _scripted(n, always(late)))


def _second(n: Numbers) -> Iterator[Trial]:
    """T6: nothing is broken by giving up, but it is told."""
    script = (Rule(answers=(HOLD,), then=USUAL, per="call"),)
    trial = _case(n, "T6 second answers", "hangs once, then answers", _scripted(n, script))
    yield replace(trial, needed=False)


def _several(n: Numbers) -> Iterator[Trial]:
    """T7: several dependencies."""
    if len(n.dependencies) < 2:
        return
    hang = tuple(Answering(dependency=each, script=always(HOLD)) for each in n.dependencies)
    yield _case(n, "T7 all hang", "hangs, and so do all others", hang)
    late = always(Answer(delay_ns=n.d_ns * 3 // 5))
    turns = tuple(Answering(dependency=each, script=late) for each in n.dependencies[:-1])
    last = Answering(dependency=n.dependencies[-1], script=always(HOLD))
    yield _case(n, "T7 in turn", "answers late, and the next one hangs", (*turns, last))


def _call_timeout(promise: Deadline, n: Numbers) -> Iterator[Trial]:
    """The declared timeout of one call, and a byte at a time within it."""
    c_ns = promise.call_timeout
    if c_ns is None:
        return
    drip = Answer(trickle_ns=c_ns * 9 // 10, trickle="body", body=_LETTERS)
    yield _case(
        n, "T2 body drips slower", "sends a byte within each timeout", _scripted(n, always(drip))
    )
    gap_ns = GAP_NS + (promise.resolution or 0)
    for name, delay_ns, purpose in (
        ("T9 just in time", c_ns - gap_ns, "answers just within the call's timeout"),
        ("T9 just too late", c_ns + gap_ns, "answers just after the call's timeout"),
    ):
        script = (Rule(answers=(Answer(delay_ns=max(delay_ns, 0)),), then=HOLD, per="call"),)
        trial = _case(n, name, purpose, _scripted(n, script))
        cannot = None
        if delay_ns <= 0:
            cannot = "the timers' steps are as long as the call's timeout: it cannot be told early"
        if not n.frozen:
            cannot = "10 ms cannot be told on a real clock; a held clock would settle it"
        yield trial if cannot is None else replace(trial, steps=(), cannot=cannot)


def _slow_clients(promise: Deadline, n: Numbers) -> Iterator[Trial]:
    """T8: clients that dawdle."""
    control = (n.fire(CONTROL), Jump(most_ns=n.look_ns))
    slow = Fire(group="slow", operation=n.operation, fresh=True, slow=True)
    yield Trial(
        name=f"T8 slow reader{n.suffix}",
        purpose="a client that reads a byte a second keeps nobody else waiting",
        steps=(slow, *control, *n.heal),
    )
    name, purpose = f"T8 half request{n.suffix}", "a request that is sent half is answered or cut"
    due_ns = promise.slow_client
    if due_ns is None:
        cannot = "`slow_client` is not declared"
        yield Trial(name=name, purpose=purpose, steps=(), needed=False, cannot=cannot)
        return
    half = Fire(group="half", operation=n.operation, fresh=True, part="half")
    steps = (half, n.fire(CONTROL), Jump(most_ns=max(n.look_ns, 2 * due_ns)), *n.heal)
    yield Trial(name=name, purpose=purpose, steps=steps)


# -- what is left behind ------------------------------------------------------------------------------


def _leaks(n: Numbers) -> Iterator[Trial]:
    """The last two of T1 and T8: two hundred calls each, and twice as many where those say neither."""
    yield from _twice(n, "T1 leaks", _LEFT, leaves=False)
    leavers = "200 clients that go away meanwhile leave nothing behind"
    if n.frozen:
        yield from _twice(n, "T8 leavers", leavers, leaves=True)
        return
    cannot = (
        "200 calls that nobody waits for would take too long on a real clock; a held one settles it"
    )
    name = f"T8 leavers{n.suffix}"
    yield Trial(name=name, purpose=leavers, steps=(), cannot=cannot)


def _twice(n: Numbers, name: str, purpose: str, *, leaves: bool) -> Iterator[Trial]:
    """The trial, and the same again where the first says neither."""
    again = f"{name} again{n.suffix}"
    if not n.frozen and n.d_ns * 20 > _MOST_COUNTED_NS:
        cannot = "200 timeouts would take too long on a real clock; a held clock would settle it"
        yield Trial(name=again, purpose=purpose, steps=(), cannot=cannot)
        return
    steps = tuple(_counting(n, leaves=leaves))
    first = Trial(name=f"{name}{n.suffix}", purpose=purpose, steps=steps, needed=False)
    yield first
    marks = frozenset({f"{LEAKS} {first.name}"})
    yield replace(first, name=again, needed=True, unless=marks)


_LEFT: Final = (
    "200 calls of a silent dependency leave nothing behind, and the service serves as before"
)


def _counting(n: Numbers, *, leaves: bool) -> Iterator[Step]:
    """Counts before, and after each 50 calls, while the dependency is silent still; then it lets go."""
    look_ns = _ONE_BY_ONE * n.d_ns if n.frozen else n.look_ns
    yield n.fire(BEFORE, _POOL)
    yield Jump(most_ns=look_ns)
    yield Wait(ns=n.settle_ns)
    yield CountResources()
    for each in n.dependencies:
        yield Answering(dependency=each, script=always(HOLD))
    for step in range(1, 5):
        for batch, times in enumerate(_BATCHES, start=1):
            group = f"{PROBE} {step}.{batch}"
            yield n.fire(group, times)
            yield Leave(group=group) if leaves else Jump(most_ns=look_ns)
        if leaves:  # one more, who stays: it is served when the service has done with the others
            yield n.fire(f"{PROBE} {step}, last")
            yield Jump(most_ns=_LEFT_ONE_BY_ONE * n.d_ns)
        yield Wait(ns=n.settle_ns)
        yield CountResources()
    for each in n.dependencies:
        yield Answering(dependency=each)
    yield n.fire(AFTER, _POOL)
    yield Jump(most_ns=look_ns)
    yield from n.heal
    yield Wait(ns=n.settle_ns)
    yield CountResources()
