"""How plans against a breaker are written down: answers of the witness, calls, and waits.

The name of a group of calls begins with what a healthy breaker makes of it; the check reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from harness.models.breaker.points import Point, What
from harness.models.breaker.rules import Counted, Rules, Weak
from harness.models.breaker.search import Decision, decide
from harness.plan import Answering, Fire, Jump, Leave, Mark, Release, Step, Wait
from harness.promises.circuit_breaker.numbers import Numbers
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.script import HOLD, USUAL, Answer, always

RESET: Final = Answer(cut="before")


class Phase(StrEnum):
    """What a healthy breaker makes of a group of calls."""

    OPENS = "opens"
    """The last of them is refused."""
    REFUSED = "refused"
    """All are."""
    PASSES = "passes"
    """All reach the dependency, perhaps one after another."""
    SOME = "some"
    """One at least reaches it."""
    ANY = "any"
    """Whatever is allowed."""
    OTHER = "other"
    """Calls that this breaker must not cut off."""

    @classmethod
    def of(cls, group: str) -> Phase:
        """The phase that a group's name begins with."""
        return cls(group.split("-", maxsplit=1)[0])


def failing(promise: CircuitBreaker) -> Answer | None:
    """An answer that surely counts as a failure; None where only silence does."""
    for outcome in promise.counted:
        match outcome:
            case int():
                return Answer(status=outcome)
            case "5xx":
                return Answer(status=503)
            case "4xx":
                return Answer(status=404)
    return RESET if "connection" in promise.counted else None


def uncounted(promise: CircuitBreaker) -> Answer | None:
    """An answer that is neither a failure nor a success; None where all count."""
    for status in (404, 422, 500):
        family = f"{status // 100}xx"
        if status not in promise.counted and family not in promise.counted:
            return Answer(status=status)
    return None


@dataclass(slots=True)
class Plan:
    """Steps as they are written down, and what is needed to say what comes next.

    Args:
        promise: whose breaker it is.
        n: the numbers.
        fail: how the dependency fails.
        operation: which operation is called; None: all in turn.
        connection: name of the one connection that all calls share; ``new``: none.
    """

    promise: CircuitBreaker
    n: Numbers
    fail: Answer
    operation: str | None = None
    connection: str = "new"
    steps: list[Step] = field(default_factory=list)
    level: int = 0
    opened: str = "start"
    fine: int = 0
    reclosed: bool = False

    @property
    def dependency(self) -> str:
        """The witness."""
        return self.promise.dependency

    @property
    def pinned(self) -> bool:
        """All calls go one after another over one connection."""
        return self.connection != "new"

    def answering(self, answer: Answer) -> None:
        """The dependency answers so from now on."""
        self.steps.append(Answering(dependency=self.dependency, script=always(answer)))

    def fire(self, phase: Phase, times: int = 1, *, together: bool = False) -> str:
        """Calls, and what a healthy breaker makes of them."""
        group = self._group(phase)
        self.steps.append(
            Fire(
                group=group,
                times=times,
                together=together,
                operation=self.operation,
                connection=self.connection,
            )
        )
        return group

    def good(self, phase: Phase, times: int) -> None:
        """Calls, one after another, that the dependency answers well."""
        if times:
            self.answering(USUAL)
            self.fire(phase, times)
            self.fine += times

    def bad(self, phase: Phase, times: int) -> None:
        """Calls, one after another, on which it fails."""
        if times:
            self.answering(self.fail)
            self.fire(phase, times)

    def opens(self, answer: Answer | None = None) -> None:
        """Failures until one is refused, and the instant of it."""
        self.answering(answer or self.fail)
        self.steps.append(
            Fire(
                group=self._group(Phase.OPENS),
                times=self.n.most + self._diluted(),
                together=False,
                until="rejected",
                operation=self.operation,
                connection=self.connection,
            )
        )
        self.mark()

    def _diluted(self) -> int:
        """So many failures more it may take where earlier successes still count."""
        rates = [
            float(rate) for trip in self.n.rules.trips if (rate := getattr(trip, "rate", None))
        ]
        share = max((min(rate, 0.95) for rate in rates), default=0.5)
        return min(400, int(self.fine * share / (1 - share)) + 1)

    def mark(self) -> None:
        """It is open from here on."""
        self.opened = f"opened-{len(self.steps)}"
        self.steps.append(Mark(self.opened))

    def held(self, phase: Phase, times: int) -> str:
        """Calls together, which the dependency leaves without an answer."""
        self.answering(HOLD)
        return self.fire(phase, times, together=not self.pinned)

    def release(
        self,
        answer: Answer,
        times: int | None = None,
        *,
        then: Answer | None = None,
        group: str | None = None,
    ) -> None:
        """Those held are answered so; ``then``: how later ones are."""
        if then is not None:
            self.answering(then)
        self.steps.append(
            Release(dependency=self.dependency, answer=answer, times=times, group=group)
        )

    def leave(self, group: str, times: int | None = None) -> None:
        """Clients go away."""
        self.steps.append(Leave(group=group, times=times))

    def jump(self, most_ns: int) -> None:
        """From timer to timer until no call is under way."""
        self.steps.append(Jump(most_ns))

    def wait(self, ns: int, since: str | None = None) -> None:
        """Let the clock pass."""
        self.steps.append(Wait(ns=ns, since="now" if since is None else since))

    def due(self) -> None:
        """Wait until a call is certainly admitted again."""
        self.wait(self.n.due_ns(self.level), self.opened)

    def early(self) -> None:
        """Wait for as long as every call is certainly refused."""
        self.wait(self.n.early_ns(self.level), self.opened)

    def recover(self) -> None:
        """Wait, and let it close by good trials; old results are forgotten before more follow."""
        self.due()
        self.good(Phase.PASSES, 1)
        if self.n.rules.has_rate:
            self.forget()
        self.reclosed = True
        is_known = self.n.rules.trials is None or self.n.rules.trials.successes is not None
        self.good(Phase.PASSES if is_known else self.passes, self.n.successes - 1)
        self.level = 0

    def settle(self) -> None:
        """From any state: wait until trials are due and old results forgotten, and let it close."""
        self.mark()
        self.due()
        self.wait(self.n.forgotten_ns, self.opened)
        self.reclosed = True
        self.good(Phase.PASSES, 1)
        self.good(self.passes, self.n.successes - 1)
        self.level = 0

    @property
    def passes(self) -> Phase:
        """Of calls while it is closed.

        What is kept over a closing may open it again: results that count for ever, and windows of
        which nothing is known.
        """
        lasting = any(isinstance(trip, Counted | Weak) for trip in self.n.rules.trips)
        return Phase.ANY if self.reclosed and lasting else Phase.PASSES

    @property
    def some(self) -> Phase:
        """Of calls together while it is closed, of which failures may open it before all have come."""
        return Phase.SOME if self.passes is Phase.PASSES else Phase.ANY

    def closed(self) -> None:
        """Prove that it is closed: calls held together all arrive."""
        if self.pinned:
            self.good(self.passes, 3)
            return
        self.held(self.passes, self.n.burst)
        self.release(USUAL, then=USUAL)
        self.fine += self.n.burst

    def forget(self) -> None:
        """Wait until no window of time knows what was."""
        if self.n.forgotten_ns:
            self.wait(self.n.forgotten_ns)

    def _group(self, phase: Phase) -> str:
        return f"{phase}-{len(self.steps)}"


def foretold(rules: Rules, outcomes: Sequence[str], at_ns: Sequence[int] | None = None) -> Decision:
    """What the breaker may be after calls one by one: ``ok`` or ``failed``, at those instants."""
    points: list[Point] = []
    for call, outcome in enumerate(outcomes):
        now = 0 if at_ns is None else at_ns[call]
        order = (2 * call, 2 * call)
        points.append(Point(what=What.ADMITTED, call=call, order=order, time=(now, now)))
        order = (2 * call + 1, 2 * call + 1)
        is_failed = outcome == "failed"
        points.append(
            Point(
                what=What.ENDED,
                call=call,
                order=order,
                time=(now, now),
                outcome="failed" if is_failed else "ok",
            )
        )
    return decide(rules, points)
