"""Plans against circuit breakers: openings, recoveries, trials that fail, hang or come late."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from harness.script import USUAL, Answer
from harness.units import NS_PER_S
from tests.plans.drawing import (
    BREAKING,
    FAILING,
    PASSING,
    REFUSING,
    SHORT_NS,
    UNREACHABLE,
    Drawing,
    Ground,
    dripping,
    late,
)

GROUNDS: Final = (
    Ground(
        contract="sum",
        promise="sum-breaker",
        dependency="model",
        operations=("insight",),
        beside=("language", "topics"),
        borders_ns={"recovery": 60 * NS_PER_S, "window": 60 * NS_PER_S, "timeout": 30 * NS_PER_S},
        counts={"failures": 5, "volume": 10, "successes": 2},
    ),
    Ground(
        contract="breaker/windowed",
        promise="breaker-windowed",
        dependency="model",
        operations=("insight",),
        beside=("language",),
        borders_ns={"recovery": 60 * NS_PER_S, "window": 60 * NS_PER_S, "timeout": 30 * NS_PER_S},
        counts={"failures": 5, "volume": 5, "successes": 2},
    ),
)


class Breakers(Drawing):
    """What a breaker would be after the plan so far: closed, or open since a mark."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: str | None = None

    @initialize(
        restart=st.sampled_from((True, True, True, False)),
        cuts=st.sampled_from((True, False, False)),
    )
    def begin(self, restart: bool, cuts: bool) -> None:
        """Mostly a breaker that has seen nothing."""
        self.begins(restart=restart, cuts=cuts)

    @rule(data=st.data())
    def good(self, data: st.DataObject) -> None:
        """Calls that go well."""
        self.answering(self.pick(data, PASSING if self.may_cut else PASSING[:3]))
        self.call(data, (1, 1, 2, 3))

    @rule(data=st.data())
    def bad(self, data: st.DataObject) -> None:
        """Calls that fail, one less than opens it, as many, or fewer."""
        breaking = BREAKING if self.may_cut else BREAKING[:2]
        self.answering(self.pick(data, (*FAILING[:4], *breaking)))
        count = self.ground.counts["failures"]
        self.call(data, (1, 1, 2, count - 1, count))

    @rule(data=st.data())
    def neither(self, data: st.DataObject) -> None:
        """Calls whose answers say nothing of the dependency."""
        self.answering(self.pick(data, (*REFUSING, FAILING[4])))
        self.call(data, (1, 1, 2, 6))

    @rule(data=st.data())
    def opens(self, data: st.DataObject) -> None:
        """Failures until one is refused."""
        self.answering(self.pick(data, FAILING[:3]))
        self.fire(2 * self.ground.counts["volume"], together=False, until="rejected")
        self.opened = self.mark()

    @rule(data=st.data())
    def recovers(self, data: st.DataObject) -> None:
        """A wait to the border of its recovery, and a call or more."""
        self.wait_for_trials(data)
        self.answering(self.pick(data, (USUAL, USUAL, *FAILING[:2], BREAKING[0], REFUSING[0])))
        self.call(data, (1, 1, 2, 3))
        if data.draw(st.booleans()):
            self.opened = self.mark()

    @rule(data=st.data())
    def closes(self, data: st.DataObject) -> None:
        """A recovery to its end, or to one call before it."""
        self.wait_for_trials(data)
        self.answering(USUAL)
        count = self.ground.counts["successes"]
        self.fire(self.pick(data, (count - 1, count, count)), together=False)
        self.opened = None

    @rule(data=st.data())
    def trials_held(self, data: st.DataObject) -> None:
        """Several at once when trials are due, of which none is answered."""
        self.wait_for_trials(data)
        self.holding(self.pick(data, (1, 2, 4)))

    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        """Calls that hang."""
        self.holding(self.pick(data, (1, 2, 5, 8)), together=data.draw(st.booleans()))

    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        """Some that hang are answered."""
        if not self.held:
            self.holding(self.pick(data, (2, 5, 8)))
        breaking = BREAKING[:4] if self.may_cut else BREAKING[:2]
        answer = self.pick(data, (USUAL, *FAILING[:2], *breaking, REFUSING[0]))
        self.answering(self.pick(data, (USUAL, FAILING[0])))
        order = self.pick(data, ("oldest", "newest", "random"))
        self.release(answer, self.pick(data, (1, 2, None)), order=order)

    @rule(data=st.data())
    def late_results(self, data: st.DataObject) -> None:
        """So many at once that enough of them fail, and others are answered when it is open."""
        count = self.ground.counts["failures"]
        self.holding(count + 3)
        self.answering(self.pick(data, (USUAL, FAILING[0])))
        self.release(FAILING[0], self.pick(data, (count - 1, count, count)))
        self.opened = self.mark()
        spans_ns = (self.ground.borders_ns["recovery"], NS_PER_S)
        self.wait(self.near(data, spans_ns) if data.draw(st.booleans()) else 0)
        self.release(self.pick(data, (USUAL, USUAL, FAILING[0])), self.pick(data, (1, 2, None)))
        self.call(data, (1, 1, 2))

    @rule(data=st.data())
    def slowly(self, data: st.DataObject) -> None:
        """Failures with time between them, that a window just holds or just does not, and one call more."""
        count, window_ns = self.ground.counts["failures"], self.ground.borders_ns["window"]
        self.answering(FAILING[0])
        self.fire(1, operation=self.ground.operations[0])
        self.wait(
            self.pick(data, (window_ns // 2, self.near(data, (window_ns,)), window_ns * 4 // 5))
        )
        self.fire(count - 1, together=False, operation=self.ground.operations[0])
        self.answering(USUAL)
        self.call(data, (1, 1, 2))

    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Clients go away."""
        if not self.held:
            self.holding(self.pick(data, (1, 2, 5)))
        self.leave(data)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def times_out(self, data: st.DataObject) -> None:
        """Until nobody waits, or shortly before that."""
        timeout_ns = self.ground.borders_ns["timeout"]
        if data.draw(st.booleans()):
            self.jump(2 * timeout_ns)
            self.held.clear()
        else:
            self.wait(self.near(data, (timeout_ns,)))

    @rule(data=st.data())
    def late_answers(self, data: st.DataObject) -> None:
        """Answers around the timeout of a call, or a byte at a time."""
        timeout_ns = self.ground.borders_ns["timeout"]
        draw = self.pick(data, (late, late, dripping))
        self.answering(draw(data, (timeout_ns, timeout_ns // 20)))
        group = self.call(data, (1, 2, 5))
        self.held[group] = 5
        if data.draw(st.booleans()):
            self.jump(2 * timeout_ns)
            self.held.clear()

    @rule(data=st.data())
    def passes(self, data: st.DataObject) -> None:
        """Time, long or short."""
        borders = tuple(self.ground.borders_ns.values())
        spans = (*borders, borders[0] // 2, borders[0] * 3 // 2)
        self.wait(self.near(data, spans) if data.draw(st.booleans()) else self.pick(data, SHORT_NS))

    @rule(data=st.data())
    def neighbours(self, data: st.DataObject) -> None:
        """Failures of something else."""
        self.answering(self.pick(data, (Answer(status=400), FAILING[0], USUAL)))
        self.fire(self.pick(data, (1, 2, 6)), operation=self.pick(data, self.ground.beside))
        self.answering(USUAL)

    @precondition(lambda self: self.may_cut)
    @rule(data=st.data())
    def cut_off(self, data: st.DataObject) -> None:
        """Connections that are refused, or never made, and then made again."""
        self.reach(self.pick(data, UNREACHABLE))
        self.call(data, (1, 2, 5))
        if data.draw(st.booleans()):
            self.jump(2 * self.ground.borders_ns["timeout"])
        self.reach("open")

    def wait_for_trials(self, data: st.DataObject) -> None:
        """Until just before or after the time that it stays open, opened first if need be."""
        if self.opened is None:
            self.answering(self.pick(data, FAILING[:3]))
            self.fire(2 * self.ground.counts["volume"], together=False, until="rejected")
            self.opened = self.mark()
        self.wait(self.near(data, (self.ground.borders_ns["recovery"],)), self.opened)

    def call(self, data: st.DataObject, times: tuple[int, ...]) -> str:
        """Calls at once or one by one, of one caller or of many."""
        return self.fire(
            self.pick(data, times),
            together=data.draw(st.booleans()),
            fresh=data.draw(st.booleans()),
            caller=self.pick(data, ("a", "b")),
            operation=self.ground.operations[0],
        )
