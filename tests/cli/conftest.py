"""The command line as a user runs it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str
    report: Path

    @property
    def record(self) -> dict[str, Any]:
        """The run record."""
        found: dict[str, Any] = json.loads((self.report / "run.json").read_text())
        return found

    def promise(self, name: str) -> dict[str, Any]:
        """One promise of the record."""
        found: dict[str, Any] = next(p for p in self.record["promises"] if p["id"] == name)
        return found


Stormproof = Callable[..., Ran]


@pytest.fixture
def stormproof(tmp_path: Path) -> Stormproof:
    """Run ``stormproof`` with these words; ``verify`` reports into a folder of the test."""

    def run(*words: str | Path, env: dict[str, str] | None = None, cwd: Path = tmp_path) -> Ran:
        command = [sys.executable, "-m", "harness", *map(str, words)]
        if "verify" in words and "--report" not in words:
            command += ["--report", str(tmp_path / "report")]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
            timeout=240,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, tmp_path / "report")

    return run


@pytest.fixture
def rewrite(contracts: dict[str, Path], tmp_path: Path, repository: Path) -> Callable[..., Path]:
    """A reference contract with some of its text replaced, in the test's own folder."""

    def rewrite(name: str, *changes: tuple[str, str]) -> Path:
        text = contracts[name].read_text().replace("cwd: ../../..", f"cwd: {repository}")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return path

    return rewrite
