"""A plan: a bounded program of calls, waits and faults, drawn before the first byte leaves.

Plans are values. Callers are symbols (``a``, ``b``) that the runner binds to fresh clients; waits
are spans of the target's clock. Only ``Until`` and ``WaitAdvised`` look at answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal

from harness.faults.process import Fault, fault_to_json
from harness.script import USUAL, Answer, Reach, Script

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


@dataclass(frozen=True, slots=True)
class Inject:
    """Begin a fault, and see its effect; it lasts until it is lifted, or the plan ends.

    Several may be in force at once; at the plan's end the youngest is undone first. A fault without
    an effect, at its begin or over its time, makes the trial inconclusive.

    Attributes:
        name: of this fault in this plan, for :class:`Lift`.
        fault: what is done to whom.
    """

    name: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Lift:
    """Undo the fault of that name, and see that it is undone; where there is none, nothing happens."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """From now on the witness ``dependency`` answers by this script; its counts begin anew."""

    dependency: str
    script: Script = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """Begin calls, and go on when the target rests: what has no answer by then stays under way.

    The clock is not moved. A call is *rejected* if it was answered though none of its attempts
    reached a witness, *admitted* if one did.

    Attributes:
        group: name of these calls in this plan, for :class:`Leave`.
        caller: symbol of the client that calls.
        times: how many calls, at least 1.
        together: all are written before the target may rest; else each begins at rest.
        until: one after another, until one is ``rejected`` or ``admitted``, at most ``times``.
        operation: None: the promise's operations in turn; else this one.
        fresh: each call comes from a client of its own.
        connection: ``new`` for each call, or the name of one that is kept alive.
        part: how much of each request is written: all of it, or half.
        slow: the answer is read a byte at a time, one each second of the target's clock.
    """

    group: str
    caller: str = "a"
    times: int = 1
    together: bool = True
    until: Literal["rejected", "admitted"] | None = None
    operation: str | None = None
    fresh: bool = False
    connection: str = "new"
    part: Literal["whole", "half"] = "whole"
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Answer requests that a witness holds, and go on when the target rests.

    Attributes:
        times: how many of them; None: all.
        order: which come first.
        group: only those of the calls of this group; None: of any.
    """

    dependency: str
    answer: Answer = USUAL
    times: int | None = None
    order: Literal["oldest", "newest", "random"] = "oldest"
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """The clients of calls that are under way go away, the oldest first; None: of all in the group.

    Attributes:
        waiting: only calls of which no attempt has reached a witness (True), or has (False).
    """

    group: str
    times: int | None = None
    waiting: bool | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """Let the clock go from one timer of the target to the next until no call is under way.

    It goes on for at most ``most_ns`` from here, and ends at that instant if calls are left.
    """

    most_ns: int


@dataclass(frozen=True, slots=True)
class Reaching:
    """From now on connects to the witness fare so; those that stand are not touched."""

    dependency: str
    how: Reach


@dataclass(frozen=True, slots=True)
class CountResources:
    """Count threads, descriptors and connections of the target, at rest."""


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL one process of the target that holds a request of the group at a witness.

    Its parent may start another; a target of one process cannot be played on after it.
    """

    group: str


Flight = Answering | Fire | Release | Leave | Jump | Reaching | CountResources | Kill
"""Steps of calls that stay under way; where one is in a plan, waits go from timer to timer too."""
Step = Send | Until | Mark | Wait | Phase | WaitAdvised | Cut | Heal | Inject | Lift | Flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One plan with its purpose.

    Attributes:
        name: short name, e.g. ``T1 edge``.
        purpose: what it would expose, in a few words.
        steps: the plan; empty where ``cannot`` says why this target gives it nothing to say.
        needed: *kept* needs this trial to be conclusive.
        cannot: why it could not be planned, and what would settle it.
        fresh: ``quiet``: a world in which everything has been forgotten, by waiting; ``restart``: a
            target that was started just now.
        unless: it is not played, and not needed, where an earlier trial of the same promise showed
            one of these marks (`TrialResult.marks`).
    """

    name: str
    purpose: str
    steps: tuple[Step, ...]
    needed: bool = True
    cannot: str | None = None
    fresh: Literal["quiet", "restart"] = "quiet"
    unless: frozenset[str] = frozenset()

    @property
    def calls(self) -> int:
        """The most calls that the plan makes."""
        return sum(calls_of(step) for step in self.steps)

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
                case Jump():
                    total += step.most_ns
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
        at_ns: the same on the machine's monotonic clock.
        groups: the calls of each group that was fired, by its name.
    """

    steps: tuple[tuple[int, ...], ...]
    first_call: int
    end_call: int
    ended: str | None = None
    began_ns: tuple[int, ...] = ()
    at_ns: tuple[int, ...] = ()
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def calls_of(step: Step) -> int:
    """The most calls that a step makes."""
    match step:
        case Send() | Fire():
            return step.times
        case Until():
            return step.most
        case _:
            return 0


def hurts(steps: Iterable[Step]) -> bool:
    """Whether a plan hurts a process of the service or a store: nothing else may run meanwhile."""
    return any(isinstance(step, Cut | Inject) for step in steps)


def step_to_json(step: Step) -> dict[str, Any]:
    """A JSON object that names the step and gives its settings."""
    values: dict[str, Any] = {"step": type(step).__name__}
    for setting in fields(step):
        value = getattr(step, setting.name)
        if isinstance(value, Send):
            value = step_to_json(value)
        elif isinstance(step, Inject) and setting.name == "fault":
            value = fault_to_json(step.fault)
        elif is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        elif isinstance(step, Answering) and setting.name == "script":
            value = [asdict(rule) for rule in step.script]
        values[setting.name] = value
    return values
