"""Finds planted defects by random plans alone, and has the product confirm, shrink and replay them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fixtures.mutants import MUTANTS, Mutant
from harness.contract.load import LoadedContract, load
from harness.history import Call, History
from harness.plan import Played, Trial
from harness.promises import kinds, words
from harness.promises.base import Kind, Surroundings, TrialResult
from harness.record import write_part
from harness.runner.stage import Stage
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status, Verdict
from tests.plans.drawn import plans

ROOT: Final = Path(__file__).parents[2]
BUDGET_S: Final = 300.0
SHRINK_S: Final = 90.0
_INCONCLUSIVE: Final = 2
_REPLAYS: Final = 3
CHOSEN: Final[dict[str, tuple[str, ...]]] = {
    "circuit_breaker": (
        "breaker_opens_late",
        "breaker_calls_while_open",
        "breaker_late_success_closes",
        "breaker_trial_failure_ignored",
        "breaker_half_window",
    ),
    "retry": (
        "retry_one_too_many",
        "retry_repeats_post",
        "retry_retry_after_ignored",
        "retry_goes_on_for_nobody",
        "retry_new_key_each_attempt",
    ),
    "deadline": (
        "deadline_no_timeout",
        "deadline_between_bytes",
        "deadline_tenth_long",
        "deadline_per_attempt",
        "deadline_backoff_outside",
    ),
    "concurrency_limit": (
        "bulkhead_one_more",
        "bulkhead_given_back_twice",
        "bulkhead_leaks_on_error",
        "bulkhead_last_in_first_out",
        "bulkhead_leaks_when_killed",
    ),
}
"""By kind, planted defects that random plans are to find."""


@dataclass(frozen=True, slots=True)
class DrawnKind:
    """A kind of promise whose trials are plans that were drawn."""

    kind: Kind
    drawn: tuple[Trial, ...]

    @property
    def name(self) -> str:
        """As it is."""
        return self.kind.name

    @property
    def words(self) -> type[Any]:
        """As they are."""
        return self.kind.words

    def trials(self, promise: Any, around: Surroundings) -> Sequence[Trial]:
        """The plans."""
        return self.drawn

    def smoke(self, trial: Trial) -> Trial | None:
        """As it is."""
        return self.kind.smoke(trial)

    def admitted(self, promise: Any, around: Surroundings, call: Call) -> bool | None:
        """As it is."""
        return self.kind.admitted(promise, around, call)

    def judge(
        self, promise: Any, around: Surroundings, history: History, trial: Trial, played: Played
    ) -> TrialResult:
        """As it is."""
        return self.kind.judge(promise, around, history, trial, played)

    def conclude(self, promise: Any, results: Sequence[TrialResult]) -> Verdict:
        """As it is."""
        return self.kind.conclude(promise, results)

    def quiet_ns(self, promise: Any) -> int:
        """As it is."""
        return self.kind.quiet_ns(promise)


@dataclass(frozen=True, slots=True)
class DrawnStage(Stage):
    """A stage on which drawn plans are played in place of a kind's own trials."""

    drawn: tuple[Trial, ...]

    @property
    def kind(self) -> Kind:
        """The promise's kind, with other trials."""
        return DrawnKind(kinds()[self.promise.kind], self.drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What random plans made of one defect.

    Attributes:
        mutant: the defect.
        result: as the product says it; not broken if no plan showed it.
        plans_played: how many it took.
        file: its counterexample, None where there is none.
        steps: of the smallest plan; 0 where there is none.
        replayed: the exit code of ``stormproof replay FILE``, None where there is no file.
    """

    mutant: Mutant
    result: PromiseResult
    plans_played: int
    file: Path | None
    steps: int
    replayed: int | None

    @property
    def is_right(self) -> bool:
        """Broken, and seen again by its file."""
        return self.result.verdict.status is Status.BROKEN and self.replayed == 1


def mutant_of(name: str) -> Mutant:
    """The planted defect of that name."""
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def contract_for(mutant: Mutant, folder: Path) -> LoadedContract:
    """A file of the contract that a mutant is examined by, which starts the mutant."""
    lines = mutant.contract.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines):
        if line.strip().startswith("command:"):
            before, _, after = line.partition(" fixtures.")
            lines[place] = f"{before} {mutant.module},{after.partition(',')[2]}"
        elif line.strip().startswith("cwd:"):
            lines[place] = f"{line.partition('cwd:')[0]}cwd: {ROOT}"
    path = folder / "contract.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return load(path, words())


def find(name: str, number: int, count: int, folder: Path, *, shrink_s: float = SHRINK_S) -> Found:
    """Play plans of a seed on a planted defect until one is broken in fresh worlds; shrink and replay it."""
    mutant = mutant_of(name)
    loaded = contract_for(mutant, folder)
    [promised] = mutant.breaks
    promise = next(one for one in loaded.contract.promises if one.id == promised)
    drawn = plans(promised, number, count)
    told: list[str] = []
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(number)) as world:
        run = Verification(
            world, promise, BUDGET_S, lambda trial, *_: told.append(trial), shrink_s=shrink_s
        )
        run.stage = DrawnStage(world, promise, drawn)
        result = run.run()
    write_part(folder, loaded, number, result)
    file = next((folder / "counterexamples").glob("*.json"), None)
    shown = result.counterexample
    return Found(
        mutant=mutant,
        result=result,
        plans_played=sum(trial.startswith("seed ") for trial in told),
        file=file,
        steps=0 if shown is None else len(shown.trial.steps),
        replayed=None if file is None else replay(file),
    )


def replay(file: Path) -> int:
    """The exit code of ``stormproof replay FILE``; it is asked again where the machine was too busy."""
    command = [sys.executable, "-m", "harness", "replay", str(file)]
    code = _INCONCLUSIVE
    for _ in range(_REPLAYS):
        code = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode
        if code != _INCONCLUSIVE:
            break
    return code
