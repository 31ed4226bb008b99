"""A run of ``stormproof verify`` in folders of its own, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import ROOT
from tests.kill.machine import Seen
from tests.kill.observer import LOOK_S, Observer

CONTRACTS: Final = Path(__file__).with_name("contracts")
RATES: Final = ROOT / "tests" / "contracts" / "rates"
STORMPROOF: Final = (sys.executable, "-m", "harness")
RUN_S: Final = 240.0
"""For a run that ends by itself, on a machine that is busy with other things."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run verifies.

    Attributes:
        contracts: files.
        workers: ``-n``.
        words: further ones.
        code: how a run ends that nobody disturbs.
    """

    contracts: tuple[Path, ...]
    workers: int = 1
    words: tuple[str, ...] = ()
    code: int = 0

    def __str__(self) -> str:
        names = " and ".join(path.stem for path in self.contracts)
        return " ".join((names, "-n", str(self.workers), *self.words))


SHOP: Final = Scenario((CONTRACTS / "shop.yaml",), words=("--smoke",))
BORDERS: Final = Scenario((CONTRACTS / "borders.yaml",), code=1)
PRICES: Final = Scenario((CONTRACTS / "prices.yaml",), words=("--smoke",))
TWO_WORKERS: Final = Scenario((*SHOP.contracts, *PRICES.contracts), workers=2, words=("--smoke",))
RATES_OF_SUM: Final = Scenario((RATES / "sum.yaml",))
STORE: Final = Scenario((RATES / "amodels.yaml",), words=("--promise", "am-rate"))
RATES_OF_BOTH: Final = Scenario(
    (RATES / "sum.yaml", RATES / "amodels.yaml"), workers=2, words=("--smoke",)
)


class Place:
    """The folders of one run, or of several in turn: temporary files, state, report.

    Args:
        home: where they are made; its name is unlike any other's, by which an observer knows a run.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.temporary = self.home / "tmp"
        self.state = self.home / "state"
        self.report = self.home / "report"
        for folder in self.private:
            folder.mkdir()

    @property
    def private(self) -> tuple[Path, ...]:
        """What must be empty after a run."""
        return self.temporary, self.state

    @property
    def folders(self) -> dict[str, str]:
        """The variables that lead a run here."""
        return {
            "TMPDIR": str(self.temporary),
            "XDG_STATE_HOME": str(self.state),
            "STORMPROOF_STATE": str(self.state / "stormproof"),
        }

    @property
    def environment(self) -> dict[str, str]:
        """Ours, with the folders of this place."""
        return {**os.environ, **self.folders, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def observer(self) -> Observer:
        """Who watches here; what is there already is not what it looks for."""
        return Observer(self.home, self.private)


class Run:
    """One ``stormproof verify``, whose output goes to a file: a pipe could keep it waiting.

    Args:
        before: what runs it, as ``unshare`` does.
    """

    def __init__(
        self, place: Place, observer: Observer, scenario: Scenario, before: Sequence[str] = ()
    ) -> None:
        self.place = place
        self.observer = observer
        self._record = place.report / "run.json"
        self._record.unlink(missing_ok=True)
        self._output = place.home / "output"
        self._began_s = time.monotonic()
        words = ["verify", *map(str, scenario.contracts), "-n", str(scenario.workers)]
        with self._output.open("w") as output:
            self.popen = observer.start(
                [*before, *STORMPROOF, *words, *scenario.words, "--report", str(place.report)],
                cwd=place.home,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Of the controller, which leads a group and a session."""
        return self.popen.pid

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._output.read_text(errors="replace")

    @property
    def is_over(self) -> bool:
        """Whether the controller has ended."""
        return self.popen.poll() is not None

    @property
    def record(self) -> dict[str, Any] | None:
        """The run record as it stands."""
        try:
            found: dict[str, Any] = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return None
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        """Of each promise that is told of."""
        record = self.record or {"promises": []}
        return {promise["id"]: promise["verdict"] for promise in record["promises"]}

    def wait(self) -> int:
        """Let it end by itself: its exit code."""
        return self.popen.wait(RUN_S)

    def wait_for(self, what: Callable[[], object]) -> bool:
        """Look until something is so (True), or the run is over, or patience is at its end."""
        until = time.monotonic() + RUN_S
        while not what():
            if self.is_over or time.monotonic() > until:
                return bool(what())
            time.sleep(LOOK_S)
        return True

    def wait_until(self, after_s: float) -> None:
        """Let it run until so long after its start, or until it ends."""
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(max(0.0, self._began_s + after_s - time.monotonic()))

    def workers(self) -> list[Seen]:
        """The workers of xdist: the controller's children in its own group, oldest first."""
        found = [one for one in self.observer.living() if one.group == one.parent == self.pid]
        return sorted((one for one in found if one.state not in "ZX"), key=lambda one: one.start)

    def reapers(self) -> list[Seen]:
        """Those whose command says that they are reapers."""
        return [one for one in self.observer.living() if "reaper.py" in one.command]

    def targets(self) -> list[Seen]:
        """What serves, as its command says."""
        return [one for one in self.observer.living() if "--port" in one.command]

    def phase(self) -> str:
        """How far it is, as one can see from outside."""
        if self.is_over:
            return "when over"
        record = self.record
        if record is not None and record["finished"] is not None:
            return "writing reports"
        if self.targets():
            return "verifying"
        return "starting targets" if self.reapers() else "starting"
