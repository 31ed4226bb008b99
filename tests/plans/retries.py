"""Plans against retries: failures in any order, advice, hanging attempts, several callers, none left."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from harness.plan import Cut, Heal
from harness.script import HOLD, USUAL, Answer
from harness.units import NS_PER_MS, NS_PER_S
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

ADVICE: Final = ("0", "1", "7", "45", "{date+1}", "{date+7}", "{date-5}", "soon")
_STATUSES: Final = (400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
GROUNDS: Final = (
    Ground(
        contract="sum",
        promise="sum-retry",
        dependency="model",
        operations=("topics", "publish"),
        beside=("language",),
        borders_ns={
            "first": 500 * NS_PER_MS,
            "second": NS_PER_S,
            "third": 2 * NS_PER_S,
            "total": 60 * NS_PER_S,
        },
        counts={"attempts": 4},
    ),
    Ground(
        contract="amodels",
        promise="am-retry",
        dependency="search",
        operations=("related", "publish"),
        beside=("elements",),
        borders_ns={
            "first": 100 * NS_PER_MS,
            "second": 200 * NS_PER_MS,
            "third": 400 * NS_PER_MS,
            "total": 10 * NS_PER_S,
        },
        counts={"attempts": 4},
        store="redis",
    ),
    Ground(
        contract="retry/keyed",
        promise="retry-keyed",
        dependency="model",
        operations=("topics", "publish"),
        borders_ns={
            "first": 500 * NS_PER_MS,
            "second": NS_PER_S,
            "third": 2 * NS_PER_S,
            "total": 60 * NS_PER_S,
        },
        counts={"attempts": 4},
    ),
    Ground(
        contract="retry/client_gone",
        promise="retry-client-gone",
        dependency="search",
        operations=("related",),
        borders_ns={
            "first": 100 * NS_PER_MS,
            "second": 200 * NS_PER_MS,
            "third": 400 * NS_PER_MS,
            "total": 10 * NS_PER_S,
        },
        counts={"attempts": 4},
    ),
)


class Retries(Drawing):
    """Which calls would still be tried after the plan so far."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False

    @initialize(
        restart=st.sampled_from((True, False, False, False)),
        cuts=st.sampled_from((True, False, False)),
    )
    def begin(self, restart: bool, cuts: bool) -> None:
        """A service that has been used, or one that was started just now."""
        self.begins(restart=restart, cuts=cuts)

    @rule(data=st.data())
    def fails(self, data: st.DataObject) -> None:
        """So many failures of a kind, then a success; calls to their end."""
        answer = self.pick(data, (*FAILING, *BREAKING[:4]))
        count = self.pick(data, (1, 2, 3, 4, 6))
        self.answering(in_turn((answer,) * count, USUAL, self.pick(data, ("all", "call"))))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def mixed(self, data: st.DataObject) -> None:
        """One failure after another, each of its own kind."""
        count = self.pick(data, (2, 3, 4, 5))
        answers = [
            self.pick(data, (*FAILING, *BREAKING, *REFUSING, *PASSING)) for _ in range(count)
        ]
        self.answering(in_turn(answers, USUAL, self.pick(data, ("all", "call"))))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def status(self, data: st.DataObject) -> None:
        """Always one status."""
        self.answering(Answer(status=self.pick(data, _STATUSES), close=data.draw(st.booleans())))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def advises(self, data: st.DataObject) -> None:
        """Retry-After, in seconds, as a date, or as nobody can read it."""
        told = Answer(
            status=self.pick(data, (429, 503, 503, 500)),
            headers=(("Retry-After", self.pick(data, ADVICE)),),
        )
        count = self.pick(data, (1, 1, 2, 5))
        self.answering(in_turn((told,) * count, USUAL, self.pick(data, ("all", "call"))))
        self.call(data)
        self.ended(data)

    @rule(data=st.data())
    def hangs(self, data: st.DataObject) -> None:
        """Attempts that are not answered, for ever or for a while."""
        then = self.pick(data, (None, USUAL, FAILING[0]))
        self.answering(in_turn((HOLD,), then, self.pick(data, ("all", "call"))))
        self.call(data)
        if data.draw(st.booleans()):
            self.wait(self.near(data, tuple(self.ground.borders_ns.values())))
            self.release(self.pick(data, (USUAL, FAILING[0], BREAKING[0])), None)
        self.ended(data)

    @rule(data=st.data())
    def is_late(self, data: st.DataObject) -> None:
        """Failures that come late, so that the total is reached."""
        total_ns = self.ground.borders_ns["total"]
        draw = self.pick(data, (late, late, dripping))
        self.answering(draw(data, (total_ns, total_ns // 2, total_ns // 3, total_ns // 20)))
        self.call(data)
        self.ended(data)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Clients go away, between two attempts or during one."""
        self.leave(data)

    @rule(data=st.data())
    def leaves_at_border(self, data: st.DataObject) -> None:
        """A client goes away just before, at or after a repeat."""
        self.answering(FAILING[0])
        self.call(data)
        borders = self.ground.borders_ns
        self.wait(self.near(data, (borders["first"], borders["first"] + borders["second"])))
        self.leave(data)

    @rule(data=st.data())
    def heals(self, data: st.DataObject) -> None:
        """The dependency is well again just before, at or after a repeat."""
        self.answering(self.pick(data, (FAILING[0], BREAKING[0])))
        self.call(data)
        borders = self.ground.borders_ns
        self.wait(self.near(data, (borders["first"], borders["first"] + borders["second"])))
        self.answering(self.pick(data, PASSING))
        self.ended(data)

    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        """A while, to a border or not."""
        borders = tuple(self.ground.borders_ns.values())
        self.wait(
            self.near(data, borders) if data.draw(st.booleans()) else self.pick(data, SHORT_NS)
        )

    @precondition(lambda self: self.may_cut)
    @rule(data=st.data())
    def cut_off(self, data: st.DataObject) -> None:
        """Connections that are refused, or never made, and then made again, perhaps in time."""
        self.reach(self.pick(data, UNREACHABLE))
        self.call(data)
        if data.draw(st.booleans()):
            self.wait(self.near(data, tuple(self.ground.borders_ns.values())[:3]))
        else:
            self.ended(data)
        self.reach("open")
        self.ended(data)

    @precondition(lambda self: self.ground.store is not None)
    @rule()
    def store(self) -> None:
        """A store that this promise does not need goes away, or comes back."""
        store = self.ground.store or ""
        self.steps.append(Heal(store) if self.is_cut else Cut(store))
        self.is_cut = not self.is_cut

    @precondition(lambda self: self.ground.beside)
    @rule(data=st.data())
    def beside(self, data: st.DataObject) -> None:
        """Calls of another operation."""
        self.fire(self.pick(data, (1, 3)), operation=self.pick(data, self.ground.beside))

    def call(self, data: st.DataObject) -> None:
        """A call, or several at once, of one caller or of many; of one operation or of all in turn."""
        more: dict[str, Any] = {"operation": self.pick(data, (*self.ground.operations, None))}
        times = self.pick(data, (1, 1, 1, 2, 3, 5))
        fresh = data.draw(st.booleans())
        group = self.fire(times, together=data.draw(st.booleans()), fresh=fresh, **more)
        self.held[group] = times

    def ended(self, data: st.DataObject) -> None:
        """Mostly to their end, or a little on the way there."""
        total_ns = self.ground.borders_ns["total"]
        if self.pick(data, (True, True, True, False)):
            self.jump(6 * total_ns)
            self.held.clear()
            if data.draw(st.booleans()):
                self.wait(4 * self.ground.borders_ns["third"])
        else:
            self.wait(self.near(data, tuple(self.ground.borders_ns.values())))
