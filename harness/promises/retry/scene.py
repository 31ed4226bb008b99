"""What plans of ``retry`` are made of: scripted failures, one call against a script, and the scene.

Every scripted answer closes its connection, so that a failing connection is always a fresh one, but
where a reused one is what is tried. Scripts end: a service that would ask for ever is given a success
once it has shown that it asks too often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.plan import Answering, Fire, Jump, Step, Wait
from harness.promises.retry.demand import PATIENCE_NS, declared_most_ns, longest_ns, waits_of
from harness.promises.retry.sharing import Breaking
from harness.promises.retry.words import Retry
from harness.script import Answer, Rule, Script
from harness.units import NS_PER_MS, NS_PER_S

SETTLED: Final = "law settled"
TOLD_APART: Final = "attempts told apart"
ALIKE: Final = "attempts alike"
"""Marks that trials show, and that others hang on."""
REAL: Final = "on a running clock a wait is only bounded from above; a held clock would settle it"
_UNKNOWN_ATTEMPTS: Final = 10
_MARGIN_NS: Final = 100 * NS_PER_MS
_REAL_SETTLE_NS: Final = 2 * NS_PER_S


def failing(status: int = 503, *, after_ns: int = 0, retry_after: str | None = None) -> Answer:
    """A failure on a connection that is closed after it."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Answer(status=status, close=True, delay_ns=after_ns, headers=headers)


SUCCESS: Final = Answer(close=True)
RESET: Final = Answer(cut="before", close=True)
HANGING: Final = Answer(hold=True, close=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where plans are made for.

    Attributes:
        dependency: the witness.
        operations: of the promise: name, and the method of the user's own call.
        frozen: the target's clock is held.
        breaking: breakers on the way, which failures must leave closed; None where there are none.
    """

    promise: Retry
    dependency: str
    operations: Sequence[tuple[str, str]]
    frozen: bool
    breaking: Breaking | None = None

    @property
    def first(self) -> str:
        """The operation whose calls are most likely repeated."""
        listed = (name for name, method in self.operations if method in self.promise.methods)
        return next(listed, self.operations[0][0])

    @property
    def attempts(self) -> int:
        """How many attempts are made, or are looked for."""
        return self.promise.most or _UNKNOWN_ATTEMPTS

    @property
    def waits_ns(self) -> int:
        """All the waits of a call, at most."""
        laws, waits = self.promise.laws, waits_of(self.promise)
        if laws:
            tops = (sum(longest_ns(law, k) for k in range(1, waits + 1)) for law in laws)
            return int(max(tops)) + waits * int(self.promise.slack.late_ns) + _MARGIN_NS
        most = declared_most_ns(self.promise)
        return int(waits * (PATIENCE_NS if most is None else most)) + NS_PER_S

    @property
    def settle_ns(self) -> int:
        """So long after an answer whoever goes on behind the caller's back has shown it."""
        if self.promise.laws:
            return self.waits_ns
        return PATIENCE_NS + NS_PER_S if self.frozen else _REAL_SETTLE_NS

    def cell(
        self, group: str, script: Script, *, operation: str | None = None, times: int = 1
    ) -> tuple[Step, ...]:
        """One call against a script, to its end and on; it may try so many times as often."""
        return (
            Answering(dependency=self.dependency, script=script),
            Fire(group=group, operation=operation or self.first, fresh=True),
            Jump(times * self.waits_ns + self.settle_ns),
            Wait(ns=self.settle_ns),
        )

    @property
    def closing(self) -> tuple[Step, ...]:
        """Good calls that close a breaker which lets calls through; none where there is no breaker."""
        if self.breaking is None:
            return ()
        times = self.breaking.successes
        good = tuple(
            step
            for name, _ in self.operations
            for _ in range(times)
            for step in (Fire(group="200", operation=name, fresh=True), Jump(self.waits_ns))
        )
        script = often(SUCCESS, times * len(self.operations))
        return (Answering(dependency=self.dependency, script=script), *good)

    def paced(self, cells: Iterable[tuple[int, tuple[Step, ...]]]) -> tuple[Step, ...]:
        """Calls one after another, with pauses in which budgets forget them and breakers recover.

        Args:
            cells: how many requests beyond the first each may cost, and its steps.
        """
        budget, breaking, steps = self.promise.budget, self.breaking, list[Step]()
        spent = failed = 0
        for cost, cell in cells:
            if budget is not None and spent and spent + cost > budget.reserve:
                steps.append(Wait(ns=budget.over + NS_PER_S))
                spent = 0
            if breaking is not None and failed and failed + cost + 1 >= breaking.fewest:
                steps += (Wait(ns=breaking.rest_ns), *self.closing)
                failed = 0
            spent += cost
            failed += cost + 1
            steps += cell
        return tuple(steps)


def often(answer: Answer, times: int) -> Script:
    """So many of these, then successes."""
    return (Rule(answers=(answer,) * times, then=SUCCESS),)
