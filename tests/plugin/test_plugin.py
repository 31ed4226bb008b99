"""The pytest plugin, seen from outside: selection, properties, fixtures, and silence without a contract."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.promises import words
from harness.promises.rate_limit.words import RateLimit


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own."""
    command = [sys.executable, "-m", "pytest", *map(str, words), "-p", "no:cacheprovider"]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=240, check=False
    )


def test_scenarios_run_under_plain_pytest(
    repository: Path, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """One item a promise, verdict and promise in the JUnit file, Allure results written."""
    junit, allure = tmp_path / "junit.xml", tmp_path / "allure"
    done = run(
        repository / "scenarios",
        f"--rootdir={repository}",
        *("--contract", contracts["sum"], "--storm-report", tmp_path / "report"),
        *("--junitxml", junit, "--alluredir", allure, "-W", "error"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {p.get("name"): p.get("value") for p in ET.parse(junit).iter("property")}
    assert found["verdict"] == "kept"
    assert found["promise"] == "sum-rate"
    assert list(allure.glob("*-result.json"))
    assert (tmp_path / "report" / "run.json").exists()


def test_selection_and_workers_are_pytests_own(
    repository: Path, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """``-k`` selects promises, ``-n 2`` spreads them."""
    done = run(
        repository / "scenarios",
        f"--rootdir={repository}",
        *("--contract", contracts["amodels"], "--contract", contracts["sum"]),
        *("--storm-report", tmp_path / "report", "-k", "am-ip or sum-rate", "-n", "2"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_unknown_fails_in_its_own_words(repository: Path, tmp_path: Path) -> None:
    """Unknown is never green and never skipped."""
    path = tmp_path / "contract.yaml"
    path.write_text(
        "contract: 1\nservice: other\ntarget: {url: 'http://127.0.0.1:9'}\n"
        "operations: {get: {call: GET /}}\n"
        "promises: [{id: p, kind: rate_limit, operation: get, key: ip, limit: 3/2s}]\n"
    )
    done = run(
        repository / "scenarios",
        f"--rootdir={repository}",
        *("--contract", path, "--storm-report", tmp_path / "report"),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "UNKNOWN p: could not run: nothing answers" in done.stdout
    assert "1 failed" in done.stdout


def test_the_readmes_own_test_passes(
    repository: Path, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """The example that people copy runs as it stands."""
    readme = (repository / "README.md").read_text()
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert code is not None
    (tmp_path / "test_own.py").write_text(code[1])
    done = run("test_own.py", "--contract", contracts["sum"], "--storm-report", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_every_fixture_can_be_used(contracts: dict[str, Path], tmp_path: Path) -> None:
    """The public fixtures of the README, each touched once."""
    (tmp_path / "test_own.py").write_text(
        "def test_all(target, client, clock, services, contract, seed):\n"
        "    assert target.url == f'http://{target.host}:{target.port}'\n"
        "    assert client.get('/healthz').status_code == 200\n"
        "    before = clock.now_s\n"
        "    clock.advance('90s')\n"
        "    assert 90 <= clock.now_s - before < 95 or not clock.frozen\n"
        "    assert services['redis'].probe()\n"
        "    assert contract.service == 'amodels-catalog'\n"
        "    assert seed.stream('x').random() == seed.stream('x').random()\n"
        "    assert isinstance(target.output(), str)\n"
    )
    done = run(
        "test_own.py", "--contract", contracts["amodels"], "--storm-report", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_contract_nothing_is_loaded(tmp_path: Path) -> None:
    """The entry point registers options, and imports nothing of ours beside."""
    (tmp_path / "test_own.py").write_text(
        "import sys\n"
        "def test_quiet():\n"
        "    ours = {name for name in sys.modules if name.startswith('harness')}\n"
        "    assert ours == {'harness', 'harness.plugin'}\n"
        "    assert 'pydantic' not in sys.modules\n"
    )
    done = run("test_own.py", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_contract_is_a_usage_error(repository: Path, tmp_path: Path) -> None:
    """File, line and what is allowed, in pytest's own way."""
    path = tmp_path / "contract.yaml"
    path.write_text("contract: 1\nservice: x\ntarget: {url: 'http://127.0.0.1:9'}\nbogus: 1\n")
    done = run(
        repository / "scenarios", f"--rootdir={repository}", "--contract", path, cwd=tmp_path
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{path}:4:1" in done.stderr


def test_the_known_kinds() -> None:
    """What a contract may say, by kind; each kind's words name it."""
    assert words()["rate_limit"] is RateLimit
    assert {"rate_limit", "concurrency_limit", "retry"} <= words().keys()
