"""Released breakers and retry libraries under the contract that they claim and under one they cannot keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.strangers._guards import Guard, Promised, Side
from fixtures.strangers.breakers import BREAKERS
from fixtures.strangers.retries import RETRIES
from harness.contract.load import load
from harness.promises import words
from harness.runner.verify import PromiseResult
from harness.verdict import Status
from tests.quality.examine import examine
from tests.quality.strangers import NODE, in_short, version_of, why_not

GUARDS = (*BREAKERS, *RETRIES)


@dataclass(frozen=True, slots=True)
class Judged:
    """How one library was judged under each of its contracts."""

    guard: Guard
    results: Mapping[Side, PromiseResult]

    @property
    def as_foretold(self) -> bool:
        """Each contract has the verdict that was foretold, found where it was foretold."""
        return all(foretold(self.guard.promised[side], one) for side, one in self.results.items())


def foretold(promised: Promised, result: PromiseResult) -> bool:
    """A contract was judged as it was foretold."""
    match result.verdict.status:
        case Status.KEPT:
            return promised.verdict == "kept" or promised.by_chance
        case Status.BROKEN:
            return any(word in said(result) for word in promised.found)
        case Status.UNKNOWN:
            return False


def said(result: PromiseResult) -> str:
    """What the first finding breaks, and its sentence; "" if nothing is broken."""
    findings = result.verdict.findings
    return f"{findings[0].half}: {findings[0].said}" if findings else ""


def judged(guard: Guard, side: Side, *, seed: int = 1) -> PromiseResult:
    """Verify one contract of a library, in a world of its own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "contract.yaml"
        path.write_text(guard.contract(side, NODE / "node_modules"), encoding="utf-8")
        return examine(load(path, words()), seed=seed)[side]


def all_judged(guards: Iterable[Guard] = GUARDS) -> Iterator[Judged]:
    """Each library that can run here, under all of its contracts."""
    for guard in guards:
        if why_not(guard) is None:
            yield Judged(guard, {side: judged(guard, side) for side in guard.promised})


def guards_markdown(found: Iterable[Judged]) -> Iterator[str]:
    """The table of breakers and retry libraries, a line for each contract."""
    yield "| library | setting | contract | in words | judged |"
    yield "|---|---|---|---|---|"
    for one in found:
        named = (f"{one.guard.library} {version_of(one.guard)}", one.guard.setting)
        for side, result in one.results.items():
            promised = one.guard.promised[side]
            judgement = in_short(result)
            if not foretold(promised, result):
                judgement += f", foretold: {promised.verdict}"
            words_said = f"`{'; '.join(promised.words)}`"
            yield f"| {' | '.join((*named, side, words_said, judgement))} |"
            named = ("", "")
