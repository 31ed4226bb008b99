"""Plans against concurrency limits: slots and places that fill, and come back in every way."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from harness.plan import Kill
from harness.script import HOLD, USUAL
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

_TIMEOUT: Final = {"timeout": 30 * NS_PER_S}
GROUNDS: Final = (
    Ground(
        contract="sum",
        promise="sum-bulkhead",
        dependency="model",
        operations=("export",),
        beside=("language", "insight"),
        borders_ns=_TIMEOUT,
        counts={"limit": 4, "queue": 4},
    ),
    Ground(
        contract="bulkhead/cancellable",
        promise="bulkhead-cancellable",
        dependency="search",
        operations=("related",),
        borders_ns={"timeout": 10 * NS_PER_S},
        counts={"limit": 4, "queue": 4},
    ),
    Ground(
        contract="bulkhead/by_org",
        promise="bulkhead-by-org",
        dependency="model",
        operations=("export",),
        beside=("language",),
        borders_ns=_TIMEOUT,
        counts={"limit": 4, "queue": 4},
    ),
    Ground(
        contract="bulkhead/workers",
        promise="bulkhead-workers",
        dependency="model",
        operations=("export",),
        beside=("language",),
        borders_ns=_TIMEOUT,
        counts={"limit": 4, "queue": 0},
        kills=True,
    ),
)


class Limits(Drawing):
    """How many calls would be inside and waiting after the plan so far."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False

    @initialize(
        restart=st.sampled_from((True, False, False, False)),
        cuts=st.sampled_from((True, False, False)),
    )
    def begin(self, restart: bool, cuts: bool) -> None:
        """A limiter that has been used, or one that was started just now."""
        self.begins(restart=restart, cuts=cuts)

    @rule(data=st.data())
    def fills(self, data: st.DataObject) -> None:
        """As many as there are slots, or places too, or some more; none of them is answered."""
        limit, queue = self.ground.counts["limit"], self.ground.counts["queue"]
        counts = (1, limit - 1, limit, limit + 1, limit + queue, limit + queue + 1, 2 * limit + 3)
        self.hold(data, counts)

    @rule(data=st.data())
    def in_line(self, data: st.DataObject) -> None:
        """All slots are taken, others come one by one, and one or two of those inside end."""
        self.answering(HOLD)
        self.hangs = True
        self.held[self.call(data, (self.ground.counts["limit"],))] = 4
        self.held[self.call(data, (2, 3), together=False)] = 3
        answer = self.pick(data, (USUAL, USUAL, FAILING[0], BREAKING[0]))
        self.release(answer, self.pick(data, (1, 2)), order=self.pick(data, ("oldest", "random")))

    @rule(data=st.data())
    def one_more(self, data: st.DataObject) -> None:
        """A call or two."""
        self.hold(data, (1, 1, 2))

    @rule(data=st.data())
    def passes_through(self, data: st.DataObject) -> None:
        """Calls that are answered at once, in any way."""
        self.answering(self.pick(data, (*PASSING, *FAILING, *REFUSING, *BREAKING)))
        self.call(data, (1, 2, 5, 9), together=data.draw(st.booleans()))

    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        """Some of those held are answered, and those who come after them are held or not."""
        if not self.held:
            self.hold(data, (4, 6, 8))
        self.answering(self.pick(data, (HOLD, HOLD, USUAL, FAILING[0])))
        answer = self.pick(data, (USUAL, USUAL, FAILING[0], *BREAKING[:5], REFUSING[0]))
        order = self.pick(data, ("oldest", "newest", "random"))
        self.release(answer, self.pick(data, (1, 1, 2, 4, None)), order=order)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ends_of_group(self, data: st.DataObject) -> None:
        """The same for calls of one group."""
        group = self.pick(data, sorted(self.held))
        answer = self.pick(data, (USUAL, FAILING[0], BREAKING[0]))
        self.release(answer, self.pick(data, (1, None)), group=group)

    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Clients go away, inside or waiting."""
        if not self.held:
            self.hold(data, (2, 5, 8))
        self.leave(data)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def times_out(self, data: st.DataObject) -> None:
        """Until nobody waits, or shortly before."""
        timeout_ns = self.ground.borders_ns["timeout"]
        if data.draw(st.booleans()):
            self.jump(4 * timeout_ns)
            self.held.clear()
        else:
            self.wait(self.near(data, (timeout_ns, timeout_ns // 2)))

    @rule(data=st.data())
    def late_answers(self, data: st.DataObject) -> None:
        """Answers around the timeout, or a byte at a time."""
        timeout_ns = self.ground.borders_ns["timeout"]
        draw = self.pick(data, (late, dripping))
        self.answering(draw(data, (timeout_ns, timeout_ns // 20)))
        self.held[self.call(data, (1, 4, 6, 9))] = 9

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        """A while."""
        self.wait(self.pick(data, SHORT_NS))

    @precondition(lambda self: self.ground.beside)
    @rule(data=st.data())
    def beside(self, data: st.DataObject) -> None:
        """Calls of another operation, which the limit does not speak of."""
        self.answering(self.pick(data, (USUAL, HOLD, FAILING[0])))
        operation = self.pick(data, self.ground.beside)
        self.held[self.fire(self.pick(data, (1, 2, 5)), operation=operation)] = 5

    @precondition(lambda self: self.may_cut)
    @rule(data=st.data())
    def cut_off(self, data: st.DataObject) -> None:
        """Connections that are refused, or never made, and then made again."""
        self.reach(self.pick(data, UNREACHABLE))
        self.call(data, (1, 4, 6, 9))
        if data.draw(st.booleans()):
            self.jump(4 * self.ground.borders_ns["timeout"])
            self.held.clear()
        self.reach("open")

    @precondition(lambda self: self.ground.kills and self.hangs)
    @rule(data=st.data())
    def killed(self, data: st.DataObject) -> None:
        """A worker dies with what it holds, and another takes its place."""
        group = self.hold(data, (1, 2, 4))
        self.steps.append(Kill(group=group))

    def hold(self, data: st.DataObject, times: tuple[int, ...]) -> str:
        """Calls that are not answered."""
        self.answering(HOLD)
        self.hangs = True
        group = self.call(data, times, together=data.draw(st.booleans()))
        self.held[group] = 9
        return group

    def call(self, data: st.DataObject, times: tuple[int, ...], **more: Any) -> str:
        """Calls of one caller or of many."""
        return self.fire(
            self.pick(data, times),
            fresh=data.draw(st.booleans()),
            caller=self.pick(data, ("a", "b")),
            operation=self.ground.operations[0],
            **more,
        )
