"""The quality matrix: for each planted defect, which trials caught it and which promises were named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fixtures.mutants import MUTANTS, OTHER_WORDS, TARGETS, Mutant
from harness.runner.verify import PromiseResult
from harness.seeds import Seed
from harness.verdict import Status
from tests.quality.examine import examine, reference, with_module


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one mutant, or of a healthy target (``mutant`` is None)."""

    mutant: Mutant | None
    target: str
    results: dict[str, PromiseResult]

    @property
    def named(self) -> set[str]:
        """Promises that were called broken."""
        return self._with(Status.BROKEN)

    @property
    def kept(self) -> set[str]:
        """Promises that were called kept."""
        return self._with(Status.KEPT)

    @property
    def missed(self) -> AbstractSet[str]:
        """Promises that should have been called broken, or at least not kept."""
        if self.mutant is None:
            return set()
        expected = self.mutant.breaks & self.results.keys()
        return expected - self.named if self.mutant.verdict == "broken" else expected & self.kept

    @property
    def accused(self) -> AbstractSet[str]:
        """Promises that were called broken although they hold."""
        mutant = self.mutant
        return self.named - (mutant.breaks | mutant.may_break if mutant else frozenset())

    @property
    def trials(self) -> list[str]:
        """Trials that showed it."""
        return sorted(
            {
                one.trial.name
                for result in self.results.values()
                for one in result.results
                if one.verdict.status is Status.BROKEN
            }
        )

    def _with(self, status: Status) -> set[str]:
        return {name for name, result in self.results.items() if result.verdict.status is status}


def healthy_rows() -> Iterator[Row]:
    """The reference targets, and what keeps other words: all their promises."""
    for name in (*TARGETS, *OTHER_WORDS):
        yield Row(None, name, examine(reference(name)))


def mutant_row(mutant: Mutant, only: Iterable[str] | None = None, *, thorough: bool = False) -> Row:
    """One planted defect, all promises or only some."""
    loaded = with_module(reference(mutant.words or mutant.target), mutant.module)
    chosen = None if only is None else set(only)
    return Row(mutant, mutant.words or mutant.target, examine(loaded, chosen, thorough=thorough))


def mutant_rows(*, thorough: bool) -> Iterator[Row]:
    """All planted defects, each with what it breaks and what stands beside that."""
    for mutant in MUTANTS:
        yield mutant_row(mutant, looked_at(mutant), thorough=thorough)


def looked_at(mutant: Mutant) -> set[str]:
    """The promises of the kinds that it breaks, and one of another kind: nobody else is accused."""
    promises = reference(mutant.words or mutant.target).contract.promises
    kinds = {promise.kind for promise in promises if promise.id in mutant.breaks}
    others = sorted(promise.id for promise in promises if promise.kind not in kinds)
    beside = Seed(11).stream(f"beside {mutant.name}").sample(others, min(1, len(others)))
    return {promise.id for promise in promises if promise.kind in kinds} | set(beside)


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """The matrix as a table, a line each."""
    yield "| target | planted defect | named broken | missed | wrongly accused | seen by |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield " | ".join(
            (
                f"| {row.target}",
                row.mutant.defect if row.mutant else "(healthy)",
                _list(row.named),
                _list(row.missed),
                _list(row.accused),
                f"{_list(row.trials)} |",
            )
        )


def by_trial(rows: Iterable[Row]) -> Iterator[str]:
    """For each trial the defects that it shows, for rows of thorough examinations, a line each."""
    shown: dict[str, list[str]] = {}
    alone: dict[str, list[str]] = {}
    for row in rows:
        if row.mutant is None:
            continue
        for trial in row.trials:
            shown.setdefault(trial, []).append(row.mutant.name)
        if len(row.trials) == 1:
            alone.setdefault(row.trials[0], []).append(row.mutant.name)
    yield "| trial | defects that it shows | shown by no other |"
    yield "|---|---|---|"
    for trial, names in sorted(shown.items()):
        yield f"| {trial} | {len(names)} | {_list(alone.get(trial, []))} |"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "-"
