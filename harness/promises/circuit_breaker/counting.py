"""Several workers, each with a breaker of its own: what counting alone can show."""

from __future__ import annotations

from harness.plan import Answering, CountResources, Fire, Trial
from harness.promises.circuit_breaker.numbers import Numbers
from harness.promises.circuit_breaker.plans import Phase, failing
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.script import USUAL, always

NAME = "T1 counting"
_WORKERS = 4
"""So many are called often enough to open, even if nobody has seen yet how many there are."""


def counting(promise: CircuitBreaker, n: Numbers, workers: int) -> Trial:
    """Failures at one instant until each of so many breakers surely is open, and some more."""
    calls = 4 * max(workers, _WORKERS) * n.fill + 8
    fail = failing(promise) or USUAL
    return Trial(
        name=NAME,
        purpose="no refusal before the threshold, and no more failures than all workers may count",
        steps=(
            Answering(dependency=promise.dependency, script=always(fail)),
            Fire(group=f"{Phase.ANY}-0", times=calls, together=False),
            CountResources(),
        ),
        fresh="restart",
    )
