"""Smoke, baseline and fail-fast under plain pytest: outcomes that pytest's own users know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MUTANT = ("fixtures.targets.sum", "fixtures.mutants.sum_off_by_one")


def run(folder: Path, repository: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the scenarios in a process of their own."""
    command = [sys.executable, "-m", "pytest", str(repository / "scenarios")]
    command += [f"--rootdir={repository}", "-p", "no:cacheprovider", "-rA"]
    command += ["--storm-report", str(folder / "report"), *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=240, check=False
    )


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """``sum-rate`` is known to be broken, for long."""
    path = tmp_path / "known.yaml"
    entry = {
        "service": "sum-platform",
        "promise": "sum-rate",
        "until": "9999-12-31",
        "because": "SHOP-7",
    }
    path.write_text(json.dumps({"baseline": 1, "known": [entry]}))
    return path


def test_what_is_known_to_be_broken_is_an_expected_failure(
    repository: Path, contracts: dict[str, Path], tmp_path: Path, known: Path
) -> None:
    """``xfailed``, in the verdict's words and the baseline's; the run is green."""
    path = tmp_path / "contract.yaml"
    text = contracts["sum"].read_text().replace("cwd: ../../..", f"cwd: {repository}")
    path.write_text(text.replace(*MUTANT))
    words = ("--contract", path, "--storm-baseline", known, "--storm-smoke")
    done = run(tmp_path, repository, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 xfailed" in done.stdout
    assert "31 calls of api_key-" in done.stdout
    assert "known broken until 9999-12-31, because SHOP-7" in done.stdout


def test_what_is_kept_again_fails_until_it_leaves_the_file(
    repository: Path, contracts: dict[str, Path], tmp_path: Path, known: Path
) -> None:
    """A smoke run does not ask for it: it looks at too little."""
    words = ("--contract", contracts["sum"], "--storm-baseline", known)
    done = run(tmp_path, repository, *words)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "KEPT sum-rate" in done.stdout
    assert "is kept now: remove it from known.yaml" in done.stdout
    smoke = run(tmp_path, repository, *words, "--storm-smoke")
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr


def test_a_wrong_baseline_is_a_usage_error(
    repository: Path, contracts: dict[str, Path], tmp_path: Path, known: Path
) -> None:
    """Exit code 4 is pytest's own word for it; file, line and column are ours."""
    known.write_text("baseline: 1\nknown: [nobody]\n")
    done = run(tmp_path, repository, "--contract", contracts["sum"], "--storm-baseline", known)
    assert done.returncode == 4
    assert f"{known}:2:9: " in done.stderr
    assert "Traceback" not in done.stderr
