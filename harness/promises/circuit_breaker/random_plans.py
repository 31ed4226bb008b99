"""Random plans (trial 16): whatever else the words forbid."""

from __future__ import annotations

from random import Random

from harness.models.breaker.rules import Timed
from harness.promises.circuit_breaker.plans import RESET, Phase, Plan
from harness.script import USUAL, Answer
from harness.units import NS_PER_MS, NS_PER_S

_STEPS = 40
_HELD_MOST = 5


def random_plans(plan: Plan, rng: Random, neither: Answer | None, number: int) -> None:
    """Forty steps: calls of each outcome, held ones, ends of all kinds, moves of the clock."""
    del number  # the stream goes on from plan to plan
    held: list[str] = []
    for _ in range(_STEPS):
        what = rng.choices(
            ("fail", "ok", "neither", "hold", "release", "leave", "move"), (9, 6, 2, 4, 5, 1, 9)
        )[0]
        match what:
            case "fail":
                plan.bad(Phase.ANY, rng.choice((1, 1, 2, plan.n.fill)))
            case "ok":
                plan.good(Phase.ANY, rng.choice((1, 1, 2)))
            case "neither" if neither is not None:
                plan.answering(neither)
                plan.fire(Phase.ANY)
            case "hold":
                held.append(plan.held(Phase.ANY, rng.randint(1, _HELD_MOST)))
            case "release" if held:
                answer = rng.choice((USUAL, plan.fail, RESET, neither or USUAL))
                plan.release(answer, rng.choice((1, 2, None)), then=rng.choice((USUAL, plan.fail)))
            case "leave" if held:
                plan.leave(rng.choice(held), 1)
            case "move":
                plan.wait(rng.choice(_moves(plan)))
    plan.release(USUAL, then=USUAL)


def _moves(plan: Plan) -> list[int]:
    rules = plan.n.rules
    base_ns = rules.recovery.base_ns
    moves = [NS_PER_MS, base_ns // 2, plan.n.early_ns(), plan.n.due_ns(), 3 * base_ns // 2]
    windows = [trip.within_ns for trip in rules.trips if isinstance(trip, Timed)]
    if windows:
        moves += [max(windows) // 2, 12 * max(windows) // 10 + NS_PER_S]
    return moves
