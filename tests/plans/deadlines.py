"""Plans against deadlines: silence, dripping, late and broken answers, and clients that dawdle."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from harness.script import HOLD, USUAL, Answer, Cut
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
    in_turn,
    late,
)

GROUNDS: Final = (
    Ground(
        contract="deadline/call",
        promise="deadline-call",
        dependency="model",
        operations=("language",),
        borders_ns={"within": 5 * NS_PER_S, "timeout": 5 * NS_PER_S},
        counts={"callers": 6},
    ),
    Ground(
        contract="deadline/total",
        promise="deadline-total",
        dependency="search",
        operations=("related",),
        beside=("elements",),
        borders_ns={"within": 2 * NS_PER_S, "timeout": NS_PER_S},
        counts={"callers": 6},
        store="redis",
    ),
)


class Deadlines(Drawing):
    """Which calls would wait for an answer after the plan so far."""

    @initialize(
        restart=st.sampled_from((True, False, False, False)),
        cuts=st.sampled_from((True, False, False)),
    )
    def begin(self, restart: bool, cuts: bool) -> None:
        """A service that has been used, or one that was started just now."""
        self.begins(restart=restart, cuts=cuts)

    @rule(data=st.data())
    def hangs(self, data: st.DataObject) -> None:
        """Requests that are not answered."""
        self.answering(HOLD)
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def hangs_then(self, data: st.DataObject) -> None:
        """First not, then somehow."""
        then = self.pick(data, (*PASSING, *FAILING, *BREAKING))
        first = self.pick(data, (HOLD, FAILING[0], BREAKING[0]))
        self.answering(in_turn((first,), then, self.pick(data, ("all", "call"))))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def answers(self, data: st.DataObject) -> None:
        """In any way, at once."""
        self.answering(self.pick(data, (*PASSING, *FAILING, *REFUSING, *BREAKING)))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def is_late(self, data: st.DataObject) -> None:
        """Around a border, or with a share of it for each attempt."""
        borders = tuple(self.ground.borders_ns.values())
        self.answering(late(data, (*borders, borders[0] * 2 // 5, borders[0] // 20)))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def drips(self, data: st.DataObject) -> None:
        """A byte at a time."""
        self.answering(dripping(data, tuple(self.ground.borders_ns.values())))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def breaks(self, data: st.DataObject) -> None:
        """Broken off on the way, each attempt."""
        within_ns = self.ground.borders_ns["within"]
        delay_ns = within_ns * self.pick(data, (10, 40, 95, 105)) // 100
        cut: Cut = self.pick(data, ("before", "within"))
        self.answering(Answer(delay_ns=delay_ns, cut=cut, body="x" * 40))
        self.call(data)
        self.ended(data)

    @precondition(lambda self: self.may_cut)
    @rule(data=st.data())
    def cut_off(self, data: st.DataObject) -> None:
        """Connections that are refused, or never made."""
        self.reach(self.pick(data, UNREACHABLE))
        self.call(data)
        self.ended(data)
        self.reach("open")

    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Clients go away."""
        if not self.held:
            self.answering(HOLD)
            self.call(data)
        self.leave(data)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def released(self, data: st.DataObject) -> None:
        """Those held are answered."""
        self.release(
            self.pick(data, (USUAL, FAILING[0], *BREAKING[:5])), self.pick(data, (1, None))
        )

    @rule(data=st.data())
    def dawdles(self, data: st.DataObject) -> None:
        """A client that reads slowly, or sends half a request, beside one that does not."""
        self.answering(self.pick(data, (USUAL, HOLD)))
        more: dict[str, Any] = self.pick(data, ({"slow": True}, {"part": "half"}))
        self.fire(operation=self.ground.operations[0], fresh=True, **more)
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        """A while, to a border or not."""
        borders = tuple(self.ground.borders_ns.values())
        self.wait(
            self.near(data, borders) if data.draw(st.booleans()) else self.pick(data, SHORT_NS)
        )

    @precondition(lambda self: self.ground.beside)
    @rule(data=st.data())
    def beside(self, data: st.DataObject) -> None:
        """A call that needs no dependency."""
        self.fire(1, operation=self.pick(data, self.ground.beside))

    def call(self, data: st.DataObject) -> None:
        """A call, or several at once."""
        times = self.pick(data, (1, 1, 1, 2, self.ground.counts["callers"]))
        group = self.fire(
            times,
            together=data.draw(st.booleans()),
            fresh=data.draw(st.booleans()),
            operation=self.ground.operations[0],
        )
        self.held[group] = times

    def ended(self, data: st.DataObject) -> None:
        """Mostly to their end, or to about the border."""
        within_ns = self.ground.borders_ns["within"]
        if self.pick(data, (True, True, False)):
            self.jump(10 * within_ns)
            self.held.clear()
        else:
            self.wait(self.near(data, tuple(self.ground.borders_ns.values())))
