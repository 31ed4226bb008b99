"""The plugin's options as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.contract.load import LoadedContract, load
from harness.errors import UsageError
from harness.gate.baseline import Baseline, load_baseline, standing
from harness.promises import words
from harness.record import BaselineRecord, VerdictWord, now
from harness.seeds import Seed
from harness.units import NS_PER_S, UnitError, parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from harness.contract.words import Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run was asked to do; the contracts are loaded and valid.

    Attributes:
        contracts: at least one.
        only: promise ids; none means all.
        budget_s: real seconds that one promise may take.
        report: folder of the record.
        allow: hosts outside loopback.
        smoke: play only the trials of a smoke run.
        fail_fast: begin nothing after the first promise that fails.
        baseline: what is known to be broken.
        today: in UTC, the day that the baseline is read on.
    """

    contracts: tuple[LoadedContract, ...]
    only: frozenset[str]
    clock: Literal["auto", "frozen", "real"]
    budget_s: float
    seed: Seed
    report: Path
    allow: frozenset[str]
    smoke: bool
    fail_fast: bool
    baseline: Baseline | None
    today: date

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Read them from pytest's options.

        Raises:
            ContractError, UsageError: something that was asked for cannot be.
        """
        option = config.getoption
        contracts = load_all([_path(config, name) for name in option("--contract")])
        only = frozenset(option("--storm-promise"))
        check_selection(contracts, only)
        baseline = option("--storm-baseline")
        return cls(
            contracts=contracts,
            only=only,
            clock=option("--storm-clock"),
            budget_s=budget_s(option("--storm-budget")),
            seed=Seed(option("--storm-seed")),
            report=_path(config, option("--storm-report")),
            allow=frozenset(option("--storm-allow")),
            smoke=option("--storm-smoke"),
            fail_fast=option("--storm-fail-fast"),
            baseline=load_baseline(_path(config, baseline), contracts) if baseline else None,
            today=now().date(),
        )

    def promises(self) -> Iterator[tuple[LoadedContract, Promise]]:
        """The promises that are to be verified, contract by contract."""
        for loaded in self.contracts:
            for promise in loaded.contract.promises:
                if not self.only or promise.id in self.only:
                    yield loaded, promise

    def item_ids(self) -> dict[str, tuple[LoadedContract, Promise]]:
        """The promises by the id of their pytest item: ASCII, as pytest writes it, and no two alike."""
        found: dict[str, tuple[LoadedContract, Promise]] = {}
        for loaded, promise in self.promises():
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{loaded.contract.service}-{promise.id}")
            alike = sum(known == name or known.startswith(f"{name}~") for known in found)
            found[f"{name}~{alike + 1}" if alike else name] = loaded, promise
        return found

    def known(self, service: str, promise: str, verdict: VerdictWord) -> BaselineRecord | None:
        """What the baseline says of a promise, now that it has a verdict; None if nothing."""
        found = self.baseline.entries.get((service, promise)) if self.baseline else None
        if self.baseline is None or found is None:
            return None
        (entry, line), file = found, _shown(self.baseline.path)
        stands = standing(entry, verdict, self.today, file, smoke=self.smoke)
        return BaselineRecord(
            file=file,
            line=line,
            until=entry.until,
            because=entry.because,
            state=stands.state,
            said=stands.said,
            fails=stands.fails,
        )


def load_all(paths: Sequence[Path]) -> tuple[LoadedContract, ...]:
    """Load contracts of different services.

    Raises:
        ContractError: one of them cannot be used.
        UsageError: two are of the same service.
    """
    contracts = tuple(load(path, words()) for path in paths)
    seen: dict[str, Path] = {}
    for loaded in contracts:
        service = loaded.contract.service
        if service in seen:
            raise UsageError(
                f"{loaded.path} and {seen[service]} are both of service {service!r}; "
                "verify them one after the other"
            )
        seen[service] = loaded.path
    return contracts


def check_selection(contracts: Sequence[LoadedContract], only: frozenset[str]) -> None:
    """Every id that was asked for must exist.

    Raises:
        UsageError: an id that no contract has.
    """
    known = {promise.id for loaded in contracts for promise in loaded.contract.promises}
    for missing in sorted(only - known):
        raise UsageError(f"no contract promises {missing!r}; there are {', '.join(sorted(known))}")
    if not known:
        raise UsageError("the contract promises nothing: add to its promises")


def budget_s(text: str) -> float:
    """Read ``--budget``.

    Raises:
        UsageError: it is no duration.
    """
    try:
        return parse_duration_ns(text) / NS_PER_S
    except UnitError as error:
        raise UsageError(f"--budget: {error}") from error


def _shown(path: Path) -> str:
    """As people would name it from where we run."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _path(config: pytest.Config, name: str) -> Path:
    """Relative names are meant from where pytest was started, in workers too."""
    return (config.invocation_params.dir / name).resolve()
