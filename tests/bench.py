"""``make bench``: the figures. Ratios compare two things in the same run; no test asserts them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.record import RunRecord, read_run
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.units import NS_PER_S
from tests import bench_dependencies, bench_ledger, bench_proxy, bench_witness
from tests.bench_dependencies import by_kind
from tests.conftest import ROOT
from tests.quality.examine import reference
from tests.render.records import large

CONTRACTS = [
    str(ROOT / "fixtures" / "targets" / name / "contract.yaml") for name in ("amodels", "sum")
]
RATES = ("am-rate", "am-rate-global", "am-rate-search", "am-ip", "sum-rate")


def verify(*words: str) -> tuple[float, float, RunRecord]:
    """Seconds until the first trial, and until the end, of one ``stormproof verify``; its record."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.py"
        probe.write_text(
            "import sys, time\n"
            "began = float(sys.argv.pop(1))\n"
            "import harness.cli.reporter as reporter\n"
            "plain = reporter.Reporter.pytest_stormproof_trial\n"
            "def first(self, service, promise, trial, number, total):\n"
            "    print('FIRST', time.time() - began, flush=True)\n"
            "    reporter.Reporter.pytest_stormproof_trial = plain\n"
            "import pytest\n"
            "reporter.Reporter.pytest_stormproof_trial = pytest.hookimpl(optionalhook=True)(first)\n"
            "from harness.cli import main\n"
            "main()\n"
        )
        began_s = time.time()
        done = subprocess.run(
            [
                sys.executable,
                str(probe),
                str(began_s),
                "verify",
                *words,
                "--report",
                f"{folder}/out",
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        took_s = time.time() - began_s
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        first_s = next((float(one.split()[1]) for one in lines if one.startswith("FIRST")), took_s)
        return first_s, took_s, read_run(Path(folder) / "out")


def cycles(target: str, count: int = 1_000) -> tuple[float, float]:
    """Cycles of "advance 61 s, call" a second: in one move of the clock, and in the runner's strides."""
    loaded = reference(target)
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(1)) as world:
        operation = next(iter(loaded.contract.operations))
        caller = world.fresh_caller()
        request = world.composer.compose(
            operation,
            caller,
            key=getattr(loaded.contract.promises[0], "key", "global"),
            source=caller.address,
            forwarded=None,
            connection="kept",
        )
        world.exchange([request], together=False)

        def rate(move: Callable[[], None]) -> float:
            began_s = time.monotonic()
            for _ in range(count):
                move()
                world.exchange([request], together=False)
            return count / (time.monotonic() - began_s)

        assert world.clock is not None, "figures of a held clock need one: see `stormproof doctor`"
        clock = world.clock
        return (
            rate(lambda: clock.advance(61 * NS_PER_S)),
            rate(lambda: world.move_to(world.now_ns + 61 * NS_PER_S)),
        )


def frozen_ratio() -> tuple[float, float]:
    """Seconds that the plan of sum-rate takes frozen and in real time (two minutes)."""
    with tempfile.TemporaryDirectory() as folder:
        took = {}
        for clock in ("frozen", "real"):
            report = Path(folder) / clock
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "harness",
                    "verify",
                    CONTRACTS[1],
                    "--promise",
                    "sum-rate",
                    "--clock",
                    clock,
                    "--report",
                    str(report),
                ],
                capture_output=True,
                cwd=ROOT,
                check=False,
            )
            took[clock] = json.loads((report / "run.json").read_text())["promises"][0]["duration_s"]
        return took["frozen"], took["real"]


def plugin_start(count: int = 7) -> tuple[float, float]:
    """Median seconds of an empty pytest run without and with our entry point."""

    def run(*words: str) -> float:
        began_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, os.devnull],
            capture_output=True,
            cwd="/",
            check=False,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )
        return time.monotonic() - began_s

    pairs = [(run(), run("-p", "harness.plugin")) for _ in range(count)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def report_of_many() -> tuple[float, float]:
    """Seconds and MB of the report of 200 broken promises with 50,000 calls, every text at its worst."""
    with tempfile.TemporaryDirectory() as folder:
        directory = large(Path(folder), promises=200, each=250)
        began_s = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "harness", "report", folder],
            check=True,
            capture_output=True,
            cwd=ROOT,
        )
        return time.monotonic() - began_s, (directory / "report.html").stat().st_size / 1e6


def main() -> None:
    """Print every figure."""
    first_s, _, _ = verify(CONTRACTS[1], "--promise", "sum-rate")
    print(f"first trial after the command: {first_s:.2f} s (goal: under 2 s)")
    _, rates_s, _ = verify(*CONTRACTS, *(word for one in RATES for word in ("--promise", one)))
    print(f"verify of the {len(RATES)} rate limits of both contracts: {rates_s:.1f} s (goal: 30 s)")
    _, two_s, _ = verify(*CONTRACTS, "-n", "2")
    _, one_s, record = verify(*CONTRACTS)
    print(
        f"verify of all {len(record.promises)} promises of both contracts: {one_s:.1f} s, with two "
        f"workers {two_s:.1f} s (goal: under 45 s)"
    )
    for kind, work in by_kind(record.promises).items():
        print(
            f"  {kind}: {work.promises} promises, {work.trials} trials, {work.calls} calls, "
            f"{work.duration_s:.1f} s"
        )
    for target in ("amodels", "sum"):
        one, strides = cycles(target)
        print(
            f'"advance 61 s, call" on {target}: {one:.0f} a second in one move (goal on uvicorn: '
            f"1,000), {strides:.0f} in the runner's strides, at rest after each"
        )
    without_s, with_s = plugin_start()
    print(
        f"pytest start: {without_s:.3f} s, with our plugin {with_s - without_s:+.3f} s (goal: +0.05)"
    )
    report_s, report_mb = report_of_many()
    print(
        f"report of 200 promises and 50,000 calls: {report_s:.1f} s, {report_mb:.1f} MB "
        "(goal: under 3 s and 5 MB)"
    )
    frozen_s, real_s = frozen_ratio()
    ratio = real_s / frozen_s
    print(f"the plan of sum-rate: real {real_s:.1f} s / frozen {frozen_s:.1f} s = {ratio:.0f}")
    bench_dependencies.main()
    bench_witness.main()
    bench_ledger.main()
    bench_proxy.main()


if __name__ == "__main__":
    main()
