"""Plays a saved counterexample again, in fresh worlds, without drawing anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from harness.contract.load import LoadedContract
from harness.counterexample import Saved
from harness.errors import UsageError
from harness.faults.process import TARGET
from harness.plan import Answering, Cut, Fire, Heal, Inject, Phase, Reaching, Release
from harness.runner.smallest import first_of, make_fresh_again
from harness.runner.stage import Counterexample, Stage
from harness.runner.world import ClockMode, World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.units import NS_PER_S
from harness.verdict import Status, Verdict

_WORLDS: Final = 5
"""Fresh worlds in which a held clock looks for it; in real time one, if it was seen each time."""

_SPARE_S: Final = 120.0
"""Real seconds that one playing may take beside its waits."""


class Outcome(IntEnum):
    """What a replay says; its value is the exit code."""

    NOT_SEEN = 0
    SEEN = 1
    INCONCLUSIVE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a replay.

    Attributes:
        outcome: seen again, played and not seen, or inconclusive.
        said: the sentence of the proof, or why there is none.
        shown: the playing that is shown.
        worlds: in how many fresh worlds it was played.
        clock: how the target's time passed.
        notes: of the world, e.g. why the clock is real.
    """

    outcome: Outcome
    said: str
    shown: Counterexample
    worlds: int
    clock: str
    notes: tuple[str, ...]


def differences(saved: Saved, loaded: LoadedContract) -> Iterator[str]:
    """What has changed since the counterexample was saved, for its reader to know."""
    if loaded.sha256 != saved.contract_sha256:
        yield (
            f"{loaded.path} is not as it was when this was saved; the promise is judged by its "
            "words of then, in everything else the contract of now counts"
        )
    if all(promise.id != saved.promise.id for promise in loaded.contract.promises):
        yield f"{loaded.path} does not promise {saved.promise.id!r} any more"


def prepared(saved: Saved, loaded: LoadedContract, path: Path) -> LoadedContract:
    """The contract with the promise in its words of then.

    Raises:
        UsageError: it is another service's, or lacks what the plan needs.
    """
    contract = loaded.contract
    if contract.service != saved.service:
        raise UsageError(
            f"{path} is of service {saved.service!r}, {loaded.path} of {contract.service!r}; "
            "name the right contract with --contract"
        )
    promise: Any = saved.promise
    key = getattr(promise, "key", None) or "global"
    steps = saved.trial.steps
    fired = {step.operation for step in steps if isinstance(step, Fire) and step.operation}
    away = {step.dependency for step in steps if isinstance(step, Cut | Heal)}
    away |= {step.fault.subject for step in steps if isinstance(step, Inject)} - {TARGET}
    told = {step.dependency for step in steps if isinstance(step, Answering | Release | Reaching)}
    witnesses = {n for n, one in contract.dependencies.items() if one.kind == "witness"}
    for what, needed, known in (
        ("operation", {*promise.operation, *fired}, set(contract.operations)),
        ("identity", {key} - {"ip", "global"}, set(contract.identities)),
        ("dependency", away, set(contract.dependencies) - witnesses),
        ("witness", told, witnesses),
    ):
        for name in sorted(needed - known):
            raise UsageError(
                f"{path} needs the {what} {name!r}, which {loaded.path} has not; name the contract "
                "that it was made with by --contract, or verify again"
            )
    others = [one for one in contract.promises if one.id != promise.id]
    return replace(loaded, contract=contract.model_copy(update={"promises": (promise, *others)}))


def replay(
    saved: Saved,
    loaded: LoadedContract,
    supervisor: Supervisor,
    *,
    clock: ClockMode,
    allow: Collection[str],
    progress: Callable[[int, int], None],
) -> Replayed:
    """Play it until it is seen again, in as many fresh worlds as are worth it.

    On a held clock the first begins at the same place of the hour as then, for what hangs on that.

    Args:
        saved: what to play.
        loaded: its contract, :func:`prepared`.
        progress: told before each playing its number, from 1, and how many there are at most.

    Raises:
        CouldNotRun: target, store or machine could not do their part.
        NotAtRest: a held clock could not be moved.
    """
    with World(loaded, supervisor, Seed(saved.seed), clock=clock, allow=allow) as world:
        stage = Stage(world, saved.promise)
        frozen = world.time.mode == "frozen"
        most = _WORLDS if frozen or saved.broken_in < saved.worlds else 1
        found: list[tuple[Outcome, str, Counterexample]] = []
        for number in range(most):
            progress(number + 1, most)
            found.append(_once(stage, saved, number))
            if found[-1][0] is Outcome.SEEN:
                break
        outcome, said, shown = max(found, key=lambda one: _WEIGHT[one[0]])
        return Replayed(
            outcome=outcome,
            said=said,
            shown=shown,
            worlds=len(found),
            clock=world.time.mode,
            notes=tuple(world.notes),
        )


_WEIGHT: Final = {Outcome.SEEN: 2, Outcome.INCONCLUSIVE: 1, Outcome.NOT_SEEN: 0}
"""Nothing is called unseen while one playing could not say."""


def _once(stage: Stage, saved: Saved, number: int) -> tuple[Outcome, str, Counterexample]:
    trial = saved.trial
    frozen = stage.world.time.mode == "frozen"
    span_s = 0.0 if frozen else (trial.span_ns + stage.quiet_ns()) / NS_PER_S
    deadline_s = time.monotonic() + span_s + _SPARE_S
    wall_ns = _start_wall_ns(saved) if number == 0 else None
    make_fresh_again(stage, trial, number, deadline_s, wall_ns=wall_ns)
    played = stage.play(trial, deadline_s)
    verdict = stage.judge(trial, played).verdict
    same = first_of(verdict, saved.finding.half)
    shown = stage.shown(trial, same or verdict, played)
    if same is not None:
        return Outcome.SEEN, same.reason, shown
    if verdict.status is Status.BROKEN:
        return Outcome.SEEN, f"broken in another way: {verdict.reason}", shown
    doubt = _doubt(verdict, shown)
    if doubt is not None:
        return Outcome.INCONCLUSIVE, doubt, shown
    return Outcome.NOT_SEEN, "every call was answered as the promise allows", shown


def _start_wall_ns(saved: Saved) -> int | None:
    """When the plan began then; a first step that waits for a place in the second is left its time."""
    if saved.wall_ns is None:
        return None
    return saved.wall_ns - (NS_PER_S if isinstance(saved.trial.steps[0], Phase) else 0)


def _doubt(verdict: Verdict, shown: Counterexample) -> str | None:
    """Why a playing without a proof says nothing, or None if it does."""
    if verdict.status is Status.UNKNOWN:
        return verdict.reason
    neither = [index for index, admitted in shown.readings.items() if admitted is None]
    if not neither:
        return None
    call = shown.history.calls[neither[0]]
    return (
        f"{len(neither)} calls were answered neither way "
        f"({call.error if call.status is None else call.status}); see what the target does"
    )
