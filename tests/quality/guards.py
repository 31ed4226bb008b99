"""Released breakers and retry libraries under the contract that they claim and under one they cannot keep."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.strangers._guards import Guard, Promised, Side
from fixtures.strangers.breakers import BREAKERS
from fixtures.strangers.retries import RETRIES
from harness.contract.load import LoadedContract, load
from harness.plan import Trial
from harness.promises import words
from harness.runner.stage import Stage
from harness.runner.verify import PromiseResult
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status, Verdict
from tests.quality.examine import examine
from tests.quality.strangers import NODE, in_short, version_of, why_not

GUARDS = (*BREAKERS, *RETRIES)
_PATIENCE_S = 60.0


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
            return any(word in told(result) for word in promised.found)
        case Status.UNKNOWN:
            return False


def told(result: PromiseResult) -> str:
    """What the first finding breaks, and its sentence; "" if nothing is broken."""
    findings = result.verdict.findings
    return f"{findings[0].half}: {findings[0].said}" if findings else ""


def judged(guard: Guard, side: Side, *, seed: int = 1) -> PromiseResult:
    """Verify one contract of a library, in a world of its own."""
    with _contract(guard, side) as loaded:
        return examine(loaded, seed=seed)[side]


@contextmanager
def _contract(guard: Guard, side: Side) -> Iterator[LoadedContract]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "contract.yaml"
        path.write_text(guard.contract(side, NODE / "node_modules"), encoding="utf-8")
        yield load(path, words())


def shown_again(guard: Guard) -> Verdict:
    """Play the kept counterexample against the documented contract, in a world of its own."""
    with _contract(guard, "documented") as loaded, Supervisor() as supervisor:
        [promise] = loaded.contract.promises
        with World(loaded, supervisor, Seed(1)) as world:
            stage = Stage(world, promise)
            trial = Trial(name="kept", purpose=guard.defect, steps=guard.shown)
            played = stage.play(trial, time.monotonic() + _PATIENCE_S)
            return stage.judge(trial, played).verdict


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
