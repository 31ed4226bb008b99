"""What trials are written for, and how one is made of a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.models.breaker.rules import Rules
from harness.plan import Trial
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.numbers import Numbers
from harness.promises.circuit_breaker.plans import Plan, failing
from harness.promises.circuit_breaker.words import CircuitBreaker

_HELD_CLOCK = "a running clock cannot show it; a held one would"
_PINNED = "its calls would be shared by several workers; one worker would settle it"

Write = Callable[[Plan], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What trials are written for.

    Attributes:
        promise: whose breaker.
        around: the contract around it.
        n: the numbers.
    """

    promise: CircuitBreaker
    around: Surroundings
    n: Numbers

    @property
    def workers(self) -> int:
        """Breakers that may be independent: one each process, where that is declared; two at least."""
        return max(2, self.around.serving or 0) if self.promise.scope == "process" else 1

    @property
    def rules(self) -> Rules:
        """Of the promise."""
        return self.n.rules

    def plan(self) -> Plan | None:
        """An empty plan; None where nothing but silence is a failure."""
        fail = failing(self.promise)
        if fail is None:
            return None
        return Plan(
            self.promise,
            self.n,
            fail,
            operation=self.promise.operation[0] if self.promise.scope == "operation" else None,
            connection="pinned" if self.workers > 1 else "new",
        )

    def trial(
        self, name: str, purpose: str, write: Write, *, together: bool = False, long: bool = False
    ) -> Trial:
        """The trial that ``write`` writes; ``together``: it needs calls at once on one breaker."""
        plan = self.plan()
        if plan is None:
            return Trial(name=name, purpose=purpose, steps=(), cannot=_ONLY_SILENCE)
        if long and not self.around.frozen:
            return left_out(name, purpose, _HELD_CLOCK)
        if together and plan.pinned:
            return left_out(name, purpose, _PINNED)
        write(plan)
        return Trial(name=name, purpose=purpose, steps=tuple(plan.steps), fresh="restart")


_ONLY_SILENCE = (
    "only timeouts count as failures, which takes one timeout each; "
    "count a status or `connection` too"
)


def left_out(name: str, purpose: str, why: str) -> Trial:
    """A trial that this world cannot show, and that *kept* does not need."""
    return Trial(name=name, purpose=purpose, steps=(), needed=False, cannot=why)
