"""A plan: a bounded program of calls, waits and faults, drawn before the first byte leaves.

Plans are values. Callers are symbols (``a``, ``b``) that the runner binds to fresh clients; waits
are spans of the target's clock. Only ``Until`` and ``WaitAdvised`` look at answers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

Advised = Literal["retry_after", "delta", "epoch"]
"""What a header that tells of an instant is made of."""


@dataclass(frozen=True, slots=True)
class Expect:
    """How many calls of a step a healthy target admits; the others it refuses.

    A step that answers otherwise, without breaking the promise, makes its trial inconclusive.
    """

    least: int
    most: int

    @classmethod
    def exactly(cls, admitted: int) -> Expect:
        """Just so many."""
        return cls(admitted, admitted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Make calls: one after another, or all written before any answer is read.

    Attributes:
        caller: symbol of the client that calls.
        times: how many calls, at least 1.
        together: write all before reading any.
        connection: ``new`` for each call, or the name of one that is kept alive.
        forwarded: template of X-Forwarded-For: ``*`` is an invented address, other for each
            call; ``@b`` is the address of caller ``b``. None sends no header.
        via_proxy: connect from the first trusted proxy's address instead of the caller's own.
        per_caller: spread the calls over as many fresh clients as are needed, at most so many
            each (shared keys); None: all from ``caller``.
        expect: what a healthy target answers, None where any answer is right.
    """

    caller: str
    times: int = 1
    together: bool = False
    connection: str = "new"
    forwarded: str | None = None
    via_proxy: bool = False
    per_caller: int | None = None
    expect: Expect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """Repeat ``send`` (its ``times`` is 1) until an answer is a refusal, at most ``most`` times."""

    send: Send
    most: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Remember this instant of the target's clock under a name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let the target's clock pass until ``ns`` after ``since``.

    ``since`` is the name of a mark, ``now``, or ``admitted``: the answer of the last admitted call
    of this plan. An instant that has passed already is no wait.
    """

    ns: int
    since: str = "now"


@dataclass(frozen=True, slots=True)
class Phase:
    """Wait until the target's wall clock is ``ns`` past a whole second, in [0, 1 s)."""

    ns: int


@dataclass(frozen=True, slots=True)
class WaitAdvised:
    """Wait as long as the last refusal's ``header`` said, and ``extra_ns`` more (or, below 0, less).

    Where it said nothing that can be read, or more than ``most_ns``, the plan ends here.

    Attributes:
        reads: how the header's value is meant: as Retry-After (seconds or an HTTP date), as a number
            of seconds, or as seconds since the epoch.
    """

    extra_ns: int
    most_ns: int
    header: str = "retry-after"
    reads: Advised = "retry_after"


@dataclass(frozen=True, slots=True)
class Cut:
    """Take a dependency away (killed), and count that it is gone."""

    dependency: str


@dataclass(frozen=True, slots=True)
class Heal:
    """Bring a dependency back, empty, on the same address, and see it answer."""

    dependency: str


Step = Send | Until | Mark | Wait | Phase | WaitAdvised | Cut | Heal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One plan with its purpose.

    Attributes:
        name: short name, e.g. ``T1 edge``.
        purpose: what it would expose, in a few words.
        steps: the plan; empty where ``cannot`` says why this target gives it nothing to say.
        needed: *kept* needs this trial to be conclusive.
        cannot: why it could not be planned, and what would settle it.
    """

    name: str
    purpose: str
    steps: tuple[Step, ...]
    needed: bool = True
    cannot: str | None = None

    @property
    def calls(self) -> int:
        """The most calls that the plan makes."""
        return sum(_calls(step) for step in self.steps)

    @property
    def span_ns(self) -> int:
        """About how much of the target's time the plan takes: its waits, added up."""
        total = 0
        marks: dict[str, int] = {}
        for step in self.steps:
            match step:
                case Mark():
                    marks[step.name] = total
                case Wait():
                    total = max(total, marks.get(step.since, total) + step.ns)
                case WaitAdvised():
                    total += min(step.most_ns, step.extra_ns + 60 * 1_000_000_000)
                case _:
                    pass
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of a trial's plan: for each step the indexes of its calls in the history.

    Attributes:
        steps: as many as the plan has steps; shorter where the plan ended early.
        first_call, end_call: the range of call indexes that belong to it (others may lie between).
        ended: why the plan ended before its last step, or None.
        began_ns: the target's monotonic clock when each step that was begun began, and at the end.
    """

    steps: tuple[tuple[int, ...], ...]
    first_call: int
    end_call: int
    ended: str | None = None
    began_ns: tuple[int, ...] = ()


def _calls(step: Step) -> int:
    match step:
        case Send():
            return step.times
        case Until():
            return step.most
        case _:
            return 0


def step_to_json(step: Step) -> dict[str, Any]:
    """A JSON object that names the step and gives its settings."""
    values: dict[str, Any] = {"step": type(step).__name__}
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, Expect):
            value = {"least": value.least, "most": value.most}
        elif isinstance(value, Send):
            value = step_to_json(value)
        values[field.name] = value
    return values
