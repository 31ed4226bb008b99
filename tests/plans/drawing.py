"""What all models of plans have in common: a machine of Hypothesis whose rules write steps, and answers.

A machine knows what a healthy service would make of its plan so far, and draws accordingly: waits to
just before and just after the borders of the promise, answers to those who wait, clients that leave
while there are any. It plays nothing; when it ends, the plan is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from harness.plan import Answering, Fire, Jump, Leave, Mark, Reaching, Release, Step, Trial, Wait
from harness.script import HOLD, USUAL, Answer, Rule, Script, always
from harness.units import NS_PER_MS, NS_PER_S

Value = TypeVar("Value")
Freshness = Literal["quiet", "restart"]

OFFSETS_MS: Final = (-1000, -10, -3, -1, 0, 1, 3, 10, 1000)
"""How far from a border a wait may end: where timers are coarse, on it, and well beside it."""
FAILING: Final[tuple[Answer, ...]] = (
    Answer(status=503),
    Answer(status=500),
    Answer(status=502, close=True),
    Answer(status=504, body=""),
    Answer(status=429),
)
REFUSING: Final[tuple[Answer, ...]] = (Answer(status=404), Answer(status=400, close=True))
BREAKING: Final[tuple[Answer, ...]] = (
    Answer(cut="before"),
    Answer(cut="before", cut_by="close"),
    Answer(cut="within"),
    Answer(cut="within", cut_by="close", status=503),
    Answer(cut="after"),
    Answer(length_off=7, close=True),
    Answer(length_off=7),
)
"""Answers that do not come whole, or may not."""
UNREACHABLE: Final[tuple[Literal["refuse", "black_hole"], ...]] = (*("refuse",) * 7, "black_hole")
"""Few black holes: the kernel tries to connect again after seconds that nobody can move."""
PASSING: Final[tuple[Answer, ...]] = (
    USUAL,
    Answer(close=True),
    Answer(content_type="text/plain", body="no JSON"),
    Answer(length_off=-1, close=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What plans of one promise are drawn on.

    Attributes:
        contract: as `fixtures.mutants.contract_of` names it.
        promise: its id there.
        dependency: the witness.
        operations: of the promise.
        beside: other operations, that may be called meanwhile.
        borders_ns: spans that the promise names, by name.
        counts: numbers of calls that it names.
        store: a store that may be cut, None where there is none.
        kills: the target has several processes of which one may be killed.
        most: so many calls may be under way at once; a service with fewer threads makes more wait.
    """

    contract: str
    promise: str
    dependency: str
    operations: tuple[str, ...]
    beside: tuple[str, ...] = ()
    borders_ns: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    store: str | None = None
    kills: bool = False
    most: int = 18

    @property
    def longest_ns(self) -> int:
        """Longer than any call of a healthy service lasts."""
        return 6 * max(self.borders_ns.values())


class Drawing(RuleBasedStateMachine):
    """One plan in the making.

    Attributes:
        ground: what it is drawn on.
        drawn: where whole plans go, of all machines of this class.
        steps: written so far.
        held: by group, how many of its calls are under way, at most.
        fresh: what the plan wants of the world before.
        may_cut: the dependency may go away, and answers may be torn: of that a check can tell little.
    """

    ground: ClassVar[Ground]
    drawn: ClassVar[list[Trial]]

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.held: dict[str, int] = {}
        self.fresh: Freshness = "quiet"
        self.marks = 0
        self.may_cut = False

    def teardown(self) -> None:
        """The plan is whole; each makes a call."""
        if not any(isinstance(step, Fire) for step in self.steps):
            self.fire(operation=self.ground.operations[0])
        steps = tuple(self.steps)
        self.drawn.append(Trial(name="drawn", purpose="", steps=steps, fresh=self.fresh))

    def begins(self, *, restart: bool, cuts: bool) -> None:
        """Whether the target is to be started just before, and whether what nobody can see happens."""
        self.fresh = "restart" if restart else "quiet"
        self.may_cut = cuts

    # -- parts of rules ---------------------------------------------------------------------------

    def pick(self, data: st.DataObject, values: Sequence[Value]) -> Value:
        """One of these."""
        return data.draw(st.sampled_from(values))

    def answering(self, script: Script | Answer) -> None:
        """The dependency answers so from now on."""
        rules = always(script) if isinstance(script, Answer) else script
        self.steps.append(Answering(dependency=self.ground.dependency, script=rules))

    def fire(self, times: int = 1, **more: Any) -> str:
        """Calls; the name of their group."""
        if sum(self.held.values()) + times > self.ground.most:
            self.release(USUAL, None)
            self.jump(self.ground.longest_ns)
            self.held.clear()
        group = f"any-{len(self.steps)}"
        self.steps.append(Fire(group=group, times=times, **more))
        return group

    def holding(self, times: int, **more: Any) -> str:
        """Calls that the dependency leaves without an answer."""
        self.answering(HOLD)
        group = self.fire(times, **more)
        self.held[group] = times
        return group

    def release(self, answer: Answer, times: int | None, **more: Any) -> None:
        """Some of those held are answered."""
        self.steps.append(
            Release(dependency=self.ground.dependency, answer=answer, times=times, **more)
        )
        if times is None and "group" not in more:
            self.held.clear()

    def leave(self, data: st.DataObject) -> None:
        """Clients of a group go away."""
        group = self.pick(data, sorted(self.held))
        times = self.pick(data, (1, None, 2))
        waiting = self.pick(data, (None, None, True, False))
        self.steps.append(Leave(group=group, times=times, waiting=waiting))
        if times is None and waiting is None:
            del self.held[group]

    def mark(self) -> str:
        """Remember this instant."""
        self.marks += 1
        name = f"m{self.marks}"
        self.steps.append(Mark(name))
        return name

    def wait(self, ns: int, since: str = "now") -> None:
        """Let the clock pass."""
        if ns > 0:
            self.steps.append(Wait(ns=ns, since=since))

    def near(self, data: st.DataObject, spans_ns: Sequence[int]) -> int:
        """A span that ends before, at or just after one of these."""
        span_ns = self.pick(data, spans_ns)
        return max(0, span_ns + self.pick(data, OFFSETS_MS) * NS_PER_MS)

    def jump(self, most_ns: int) -> None:
        """From timer to timer until no call is under way."""
        self.steps.append(Jump(most_ns=most_ns))

    def reach(self, how: Literal["open", "refuse", "black_hole"]) -> None:
        """Connects fare so from now on."""
        self.steps.append(Reaching(self.ground.dependency, how))


def late(data: st.DataObject, spans_ns: Sequence[int]) -> Answer:
    """An answer that comes before, at or just after one of these spans."""
    by_ms = data.draw(st.sampled_from((-1000, -10, 10, 1000)))
    span_ns = data.draw(st.sampled_from(spans_ns))
    status = data.draw(st.sampled_from((200, 503)))
    return Answer(status=status, delay_ns=max(0, span_ns + by_ms * NS_PER_MS))


def dripping(data: st.DataObject, spans_ns: Sequence[int]) -> Answer:
    """An answer that comes a byte at a time, in some share of one of these spans each."""
    share = data.draw(st.sampled_from((20, 4, 1)))
    what: Literal["all", "body"] = data.draw(st.sampled_from(("body", "all")))
    each_ns = max(NS_PER_MS, data.draw(st.sampled_from(spans_ns)) // share)
    return Answer(trickle_ns=each_ns, trickle=what, body="x" * 40)


def in_turn(answers: Sequence[Answer], then: Answer | None, per: Literal["all", "call"]) -> Script:
    """These one after another, counted so."""
    return (Rule(answers=tuple(answers), then=then, per=per),)


SHORT_NS: Final = (NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 10 * NS_PER_S)
