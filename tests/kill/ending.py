"""The ways in which a run is ended, and what has to be so afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.conftest import ROOT
from tests.kill.machine import Seen, descendants, processes
from tests.kill.observer import LOOK_S
from tests.kill.run import RUN_S, STORMPROOF, Place, Run, Scenario

PATIENCE_S: Final = 10.0
"""Within which all must be clean. A machine that is busy with other things is slow; how slow is told."""
INTERRUPTED: Final = 130
SECOND_TIME_S: Final = 0.3
"""The longest time between the first Ctrl-C and the second."""


class Ending(StrEnum):
    """Who is hit by what."""

    GROUP = "SIGKILL for the whole group"
    CONTROLLER = "SIGKILL for the controller"
    WORKER = "SIGKILL for a worker"
    REAPERS = "SIGKILL for the reapers, then for the whole group"
    INTERRUPT = "Ctrl-C"
    INTERRUPT_TWICE = "Ctrl-C twice"
    TERMINATE = "SIGTERM"
    HANG_UP = "SIGHUP"


KILLED: Final = (Ending.GROUP, Ending.CONTROLLER, Ending.WORKER, Ending.REAPERS)
ASKED: Final = (Ending.INTERRUPT, Ending.INTERRUPT_TWICE, Ending.TERMINATE, Ending.HANG_UP)


@dataclass(frozen=True, slots=True)
class Moment:
    """When what happens to whom: drawn.

    Attributes:
        part: of the run's usual length, in [0, 1).
        second_s: until the second Ctrl-C.
    """

    scenario: Scenario
    ending: Ending
    part: float
    second_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """What came of one ending.

    Attributes:
        at_s: when it was, in seconds after the start.
        phase: what the run was doing.
        clean_s: until nothing was left of what should have ended.
        wrong: in words; empty: all is well.
        load: the machine's (1 min) when it was clean.
    """

    moment: Moment
    at_s: float
    phase: str
    clean_s: float
    wrong: tuple[str, ...]
    load: float

    def __str__(self) -> str:
        said = f"{self.moment.scenario}: {self.moment.ending} at {self.at_s:.2f} s, {self.phase}, "
        said += f"clean after {self.clean_s:.2f} s at load {self.load:.1f}"
        return "\n  ".join((said, *self.wrong))


def moments(
    rng: random.Random, scenarios: Sequence[Scenario], endings: Sequence[Ending]
) -> Iterator[Moment]:
    """Without end: each scenario meets each ending in turn; a worker dies only where there are two."""
    bags: dict[Scenario, list[Ending]] = {scenario: [] for scenario in scenarios}
    while True:
        for scenario, bag in bags.items():
            if not bag:
                bag += [one for one in endings if scenario.workers > 1 or one is not Ending.WORKER]
                rng.shuffle(bag)
            yield Moment(scenario, bag.pop(), rng.random(), rng.uniform(0, SECOND_TIME_S))


def undisturbed(place: Place, scenario: Scenario) -> tuple[float, list[str]]:
    """A run to its end: the seconds it took, and what is wrong with it."""
    with place.observer() as observer:
        began_s = time.monotonic()
        run = Run(place, observer, scenario)
        code = run.wait()
        took_s = time.monotonic() - began_s
        wrong = [] if code == scenario.code else [f"exit code {code}:\n{run.said}"]
        return took_s, wrong + observer.clean_within(PATIENCE_S)[1]


def end(place: Place, moment: Moment, usual_s: float) -> Point:
    """Start a run, end it, and see what is left."""
    with place.observer() as observer:
        run = Run(place, observer, moment.scenario)
        at_s = moment.part * usual_s
        run.wait_until(at_s)
        if moment.ending is Ending.WORKER:
            run.wait_for(run.workers)
        phase = run.phase()
        clean_s, wrong = _end(run, moment)
        if wrong:
            wrong += [f"{path}:\n{path.read_text()}" for path in place.state.rglob("*.ledger")]
        return Point(moment, at_s, phase, clean_s, tuple(wrong), os.getloadavg()[0])


def _end(run: Run, moment: Moment) -> tuple[float, list[str]]:
    if moment.ending is Ending.WORKER:
        return _worker(run)
    if moment.ending is Ending.REAPERS:
        return _reapers(run)
    if moment.ending in ASKED:
        return _asked(run, moment)
    if moment.ending is Ending.GROUP:
        signal_group(run, signal.SIGKILL)
    else:
        run.popen.kill()
    return run.observer.clean_within(PATIENCE_S)


def _asked(run: Run, moment: Moment) -> tuple[float, list[str]]:
    """What a terminal or a service manager sends: no traceback, and Ctrl-C has an exit code."""
    if moment.ending is Ending.TERMINATE:
        run.popen.terminate()
    elif moment.ending is Ending.HANG_UP:
        signal_group(run, signal.SIGHUP)
    else:
        signal_group(run, signal.SIGINT)
    if moment.ending is Ending.INTERRUPT_TWICE:
        with suppress(subprocess.TimeoutExpired):
            run.popen.wait(moment.second_s)
        signal_group(run, signal.SIGINT)
    clean_s, wrong = run.observer.clean_within(PATIENCE_S)
    if not wrong:
        code = run.wait()
        is_early = code == -signal.SIGINT  # before our first line: Python itself was just starting
        is_interrupt = moment.ending in {Ending.INTERRUPT, Ending.INTERRUPT_TWICE}
        is_known = is_early or code in {INTERRUPTED, moment.scenario.code} or not is_interrupt
        if not is_known or (not is_early and shows_our_code(run.said)):
            wrong.append(f"exit code {code}:\n{run.said}")
    return clean_s, wrong


def shows_our_code(said: str) -> bool:
    """Whether there is a traceback through our code; workers may be hit before they load any of it."""
    return str(ROOT / "harness") in said.partition("Traceback")[2]


def _worker(run: Run) -> tuple[float, list[str]]:
    """All that came from the worker ends; then the run ends by itself, and well."""
    workers = run.workers()
    if not workers:
        run.wait()
        return run.observer.clean_within(PATIENCE_S)
    clean_s, wrong = strike_worker(run, workers[0])
    code = run.wait()
    record = run.record
    verdicts = set(run.verdicts.values())
    is_whole = record is not None and record["finished"] is not None
    if code == 4 and "a worker process ended while it was starting" in run.said:
        pass
    elif not is_whole or (code == 0) != (verdicts == {"kept"}) or "broken" in verdicts:
        wrong.append(f"after a worker's death: exit code {code}, {verdicts}:\n{run.said}")
    elif "Traceback" in run.said or "INTERNAL" in run.said:
        wrong.append(f"after a worker's death:\n{run.said}")
    return clean_s, wrong + run.observer.clean_within(PATIENCE_S)[1]


def strike_worker(run: Run, worker: Seen) -> tuple[float, list[str]]:
    """Kill a worker: the seconds until it and all that came from it are gone, and who is not."""
    everybody = processes()
    of_it = {everybody[pid].key for pid in descendants(everybody, worker.pid)} | {worker.key}
    began_s = time.monotonic()
    strike(worker)
    while True:
        living = [one for one in run.observer.living() if one.state not in "ZX"]
        left = [str(one) for one in living if one.key in of_it]
        took_s = time.monotonic() - began_s
        if not left or took_s > PATIENCE_S:
            return took_s, left
        time.sleep(LOOK_S)


def _reapers(run: Run) -> tuple[float, list[str]]:
    """What even the reapers could not end is found by ``stormproof sweep``."""
    for one in run.reapers():
        strike(one)
    signal_group(run, signal.SIGKILL)
    run.popen.wait()
    began_s = time.monotonic()
    said = swept(run)
    left = run.observer.clean_within(PATIENCE_S)[1]
    if left or "Traceback" in said:
        left.append(f"sweep said:\n{said}")
    return time.monotonic() - began_s, left


def swept(run: Run) -> str:
    """What ``stormproof sweep`` says. Its exit code tells of other people's runs too, as it should."""
    sweep = run.observer.start(
        [*STORMPROOF, "sweep"],
        env=run.place.environment,
        cwd=run.place.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = sweep.communicate(timeout=RUN_S)
    return str(said)


def signal_group(run: Run, number: signal.Signals) -> None:
    """To the controller and its workers, as a terminal does it."""
    if not run.is_over:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, number)


def strike(one: Seen) -> None:
    """SIGKILL."""
    with suppress(ProcessLookupError):
        os.kill(one.pid, signal.SIGKILL)
