"""Plays drawn plans on real services under the held clock, and counts which states they reach."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from harness.contract.load import LoadedContract
from harness.errors import CouldNotRun
from harness.history import Arrival, Call
from harness.plan import Played, Trial
from harness.promises.base import TrialResult
from harness.runner.stage import Stage
from harness.runner.times import NotAtRest
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status
from tests.plans.drawn import GROUNDS, plans
from tests.quality.examine import reference

_FOUR: Final = 4
PATIENCE_S: Final = 120.0
"""Real seconds that one plan may take."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one plan.

    Attributes:
        trial: the plan.
        status: of its playing.
        said: the reason, or the proof.
        states: what it reached, so often.
    """

    trial: Trial
    status: Status
    said: str
    states: Counter[str]


def play(loaded: LoadedContract, promise: str, trials: Iterable[Trial]) -> Iterator[Outcome]:
    """Plans one after another in one world; each in a fresh one as it asks for.

    A world in which something could not do its part is left, and said so.
    """
    waiting = list(trials)
    while waiting:
        with Supervisor() as supervisor, World(loaded, supervisor, Seed(1)) as world:
            stage = stage_of(world, promise)
            while waiting and world.usable:
                yield _outcome(stage, waiting.pop(0))


def stage_of(world: World, promise: str) -> Stage:
    """Where the plans of a promise are played."""
    found = next(one for one in world.contract.promises if one.id == promise)
    return Stage(world, found)


def _outcome(stage: Stage, trial: Trial) -> Outcome:
    deadline_s = time.monotonic() + PATIENCE_S
    try:
        stage.make_fresh(trial, deadline_s)
        before = len(stage.world.history().arrivals)
        played = stage.play(trial, deadline_s)
        result = stage.judge(trial, played)
    except (CouldNotRun, NotAtRest) as error:
        stage.world.spoil()
        return Outcome(trial, Status.UNKNOWN, f"could not run: {error}", Counter())
    states = reached(stage, played, result, before)
    return Outcome(trial, result.verdict.status, result.verdict.reason, states)


def reached(stage: Stage, played: Played, result: TrialResult, before: int) -> Counter[str]:
    """What one playing reached, how often; ``before``: so many arrivals are of earlier ones."""
    history = stage.world.history()
    fired = sorted({index for step in played.steps for index in step})
    own = [history.calls[i] for i in fired if history.calls[i].operation in stage.promise.operation]
    arrivals = history.arrivals[before:]
    return Counter(
        {
            "plans that ended early": int(played.ended is not None),
            **_of_calls(stage, own, arrivals),
            **Counter(f"arrivals {each.state}" for each in arrivals),
            "arrivals torn": sum(each.torn for each in arrivals),
            **{f"counted {name}": count for name, count in result.verdict.evidence.items()},
        }
    )


def _of_calls(stage: Stage, own: Sequence[Call], arrivals: Sequence[Arrival]) -> dict[str, int]:
    tokens = Counter(each.token for each in arrivals)
    around = stage.around()
    attempts = [tokens[call.token] for call in own]
    readings = [stage.kind.admitted(stage.promise, around, call) for call in own]
    fates = "".join(map(_fate, readings, attempts))
    return {
        "calls answered well": readings.count(True),
        "calls refused": fates.count("r"),
        "calls that failed": fates.count("f"),
        "calls left": sum(call.error == "left" for call in own),
        "calls tried again": sum(count > 1 for count in attempts),
        "calls tried four times": sum(count == _FOUR for count in attempts),
        "refused, then admitted": len(re.findall("r+a", fates)),
        "refused, then three admitted": len(re.findall("r+aaa", fates)),
        "refused, admitted, refused": len(re.findall("ra+(?=r)", fates)),
    }


def _fate(reading: bool | None, attempts: int) -> str:
    """Admitted, refused, or failed in some other way."""
    if attempts:
        return "a"
    return "r" if reading is False else "f"


def healthy(promise: str, number: int, first: int, count: int) -> list[Outcome]:
    """Plans of a seed on the service that keeps the promise."""
    return list(
        play(reference(GROUNDS[promise].contract), promise, plans(promise, number, count, first))
    )


Share = tuple[str, int, int, int]
"""A promise, a seed, the number of the first plan, how many."""


def shares(promises: Sequence[str], number: int, count: int, size: int) -> Iterator[Share]:
    """All plans of some promises, ``count`` each, in shares of ``size``."""
    for promise in promises:
        for first in range(0, count, size):
            yield promise, number, first, min(size, count - first)


def play_all(wanted: Sequence[Share], workers: int) -> Iterator[tuple[Share, list[Outcome]]]:
    """Play shares in so many processes; what comes out does not hang on how many there are."""
    if workers == 1:
        for share in wanted:
            yield share, healthy(*share)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        made = [pool.submit(healthy, *share) for share in wanted]
        for share, future in zip(wanted, made, strict=True):
            yield share, future.result()
