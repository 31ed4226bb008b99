"""Released breakers and retry libraries under the contract that they claim and under one they cannot keep."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.strangers._guards import SIDES, Guard, Promised, Side
from fixtures.strangers.breakers import BREAKERS
from fixtures.strangers.breakers import COMMON as BREAKER_WORDS
from fixtures.strangers.retries import COMMON as RETRY_WORDS
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
COMMON = (*BREAKER_WORDS, *RETRY_WORDS)
"""What the contracts have in common, and the table leaves out."""
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Judged:
    """How one library was judged under each of its contracts, and by its kept counterexample."""

    guard: Guard
    results: Mapping[Side, PromiseResult]
    again: Verdict | None

    @property
    def as_foretold(self) -> bool:
        """Each verdict was foretold, and found where it was foretold; a kept counterexample is one."""
        return all(
            foretold(self.guard.promised[side], one) for side, one in self.results.items()
        ) and (self.again is None or self.again.status is Status.BROKEN)


def foretold(promised: Promised, result: PromiseResult) -> bool:
    """A contract was judged as it was foretold."""
    match result.verdict.status:
        case Status.KEPT:
            return promised.verdict == "kept"
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
            results = {side: judged(guard, side) for side in guard.promised}
            yield Judged(guard, results, shown_again(guard) if guard.shown else None)


def guards_markdown(found: Iterable[Judged]) -> Iterator[str]:
    """The table of breakers and retry libraries, a line each."""
    yield "| library | set up | its own words | judged | but with | judged | other words | judged |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in found:
        cells = [f"{one.guard.library} {version_of(one.guard)}", one.guard.setting]
        for side in SIDES:
            result = one.results.get(side)
            cells += ["", ""] if result is None else [_news(one.guard, side), in_short(result)]
        if one.again is not None:
            cells[3] += "; by the kept plan " + str(one.again.status)
        yield f"| {' | '.join(cells)} |"


def _news(guard: Guard, side: Side) -> str:
    """What one contract says otherwise than the documented one; of that, what not all of them say."""
    first = guard.promised["documented"].words
    known = first if side != "documented" else COMMON
    words = [word for word in guard.promised[side].words if word not in known]
    return f"`{'; '.join(words)}`"


def main() -> bool:
    """All of them, with the table; False where something is otherwise than foretold."""
    found = list(all_judged())
    for line in guards_markdown(found):
        print(line)
    for guard in GUARDS:
        if (why := why_not(guard)) is not None:
            print(f"not examined: {guard.folder}/{guard.name}: {why}")
    wrong = [one for one in found if not one.as_foretold]
    for one in wrong:
        for side, result in one.results.items():
            print(f"{one.guard.folder}/{one.guard.name} {side}: {result.verdict.reason}")
    names = ", ".join(f"{one.guard.folder}/{one.guard.name}" for one in wrong)
    print(f"{len(found)} libraries, otherwise than foretold: {names or 'none'}")
    return not wrong
