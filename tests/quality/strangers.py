"""Released rate limiters under two contracts each: one that they keep and one that they cannot keep."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from json import loads
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.strangers import ROOT, STRANGERS, Side, Stranger
from fixtures.strangers._guards import Guard
from harness.contract.load import load
from harness.promises import words
from harness.runner.verify import PromiseResult
from harness.verdict import Status
from tests.quality.examine import examine

NODE: Path = Path(sys.prefix) / "share" / "stormproof-strangers"
_PACKAGES = ROOT / "fixtures" / "strangers" / "node" / "package.json"
_INSTALL_MAX_S = 300


@dataclass(frozen=True, slots=True)
class Pair:
    """How one stranger was judged under both of its contracts."""

    stranger: Stranger
    kept: PromiseResult
    broken: PromiseResult

    @property
    def as_expected(self) -> bool:
        """Kept where its documentation says so, broken in the half that was foretold."""
        return (
            self.kept.verdict.status is Status.KEPT
            and self.broken.verdict.status is Status.BROKEN
            and half(self.broken) in self.stranger.halves
        )


def half(result: PromiseResult) -> str:
    """Which half of a promise the first finding breaks; "" if nothing is broken."""
    findings = result.verdict.findings
    return findings[0].half if findings else ""


def judged(stranger: Stranger, side: Side) -> PromiseResult:
    """Verify one contract of a stranger, in a world of its own."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "contract.yaml"
        path.write_text(stranger.contract(side, NODE / "node_modules"), encoding="utf-8")
        return examine(load(path, words()))[side]


def pairs(strangers: Iterable[Stranger] = STRANGERS) -> Iterator[Pair]:
    """Each stranger that can run here, under both contracts."""
    for stranger in strangers:
        if why_not(stranger) is None:
            yield Pair(stranger, judged(stranger, "kept"), judged(stranger, "broken"))


def why_not(stranger: Stranger | Guard) -> str | None:
    """Why a stranger cannot run on this machine, None if it can; Node's packages are installed."""
    if not stranger.node:
        return None
    if not shutil.which("node") or not shutil.which("npm"):
        return "Node or npm is not here"
    installed = NODE / "package.json"
    wanted = _PACKAGES.read_text(encoding="utf-8")
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return None
    return _install(wanted, installed)


def _install(wanted: str, installed: Path) -> str | None:
    NODE.mkdir(parents=True, exist_ok=True)
    half_done = installed.with_name("wanted")
    half_done.mkdir(exist_ok=True)
    (half_done / "package.json").write_text(wanted, encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command,
            cwd=half_done,
            capture_output=True,
            text=True,
            timeout=_INSTALL_MAX_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"npm did not end within {_INSTALL_MAX_S} s"
    if done.returncode:
        return f"npm could not install: {done.stderr.strip()[:300]}"
    shutil.rmtree(NODE / "node_modules", ignore_errors=True)
    (half_done / "node_modules").rename(NODE / "node_modules")
    (half_done / "package.json").rename(installed)
    shutil.rmtree(half_done)
    return None


def version_of(stranger: Stranger | Guard) -> str:
    """The installed version of its library."""
    if not stranger.node:
        return version(stranger.library)
    text = (NODE / "node_modules" / stranger.library / "package.json").read_text(encoding="utf-8")
    return str(loads(text)["version"])


def strangers_markdown(judged_pairs: Iterable[Pair]) -> Iterator[str]:
    """The strangers' table, a line each."""
    yield "| library | strategy | its own words | judged | other words | judged |"
    yield "|---|---|---|---|---|---|"
    for pair in judged_pairs:
        stranger = pair.stranger
        yield " | ".join(
            (
                f"| {stranger.library} {version_of(stranger)}",
                stranger.strategy,
                _words(stranger, "kept"),
                in_short(pair.kept),
                _words(stranger, "broken"),
                f"{in_short(pair.broken)} |",
            )
        )


def _words(stranger: Stranger, side: Side) -> str:
    told = ", with Retry-After" if stranger.retry_after == side else ""
    return f"`{stranger.keeps if side == 'kept' else stranger.breaks}`{told}"


def in_short(result: PromiseResult) -> str:
    """The verdict, and where it is broken in which half."""
    status = result.verdict.status
    return f"{status} ({half(result)})" if status is Status.BROKEN else f"{status}"
