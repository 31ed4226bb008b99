"""``stormproof replay`` as a user meets it: the line under the verdict, the timeline, exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.app import run
from tests.cli.conftest import Stormproof

Rewrite = Callable[..., Path]
MODULE = "fixtures.targets.sum"


def mutant(name: str) -> tuple[str, str]:
    return MODULE, f"fixtures.mutants.{name}"


def only_file(report: Path) -> Path:
    (path,) = (report / "counterexamples").iterdir()
    return path


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Path], repository: Path
) -> Path:
    """The counterexample of a limit that admits one too many."""
    folder = tmp_path_factory.mktemp("found")
    text = contracts["sum"].read_text().replace("cwd: ../../..", f"cwd: {repository}")
    contract = folder / "contract.yaml"
    contract.write_text(text.replace(*mutant("sum_off_by_one")))
    command = [sys.executable, "-m", "harness", "verify", str(contract)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return only_file(folder / "stormproof-report")


@pytest.mark.parametrize(
    ("name", "timeline"),
    [
        ("sum_off_by_one", [r"\+0\.000 s +api_key-\d+ +31 calls +200"]),
        (
            "sum_fixed_window",
            [
                r" *\+0\.000 s +api_key-\d+ +\d+ calls? +200",
                r" +wait 59\.\d{3} s *",
                r"\+59\.\d{3} s +api_key-\d+ +\d+ calls? +200",
            ],
        ),
    ],
)
def test_a_broken_promise_is_seen_again_with_one_line(
    name: str, timeline: list[str], stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path
) -> None:
    """The line that verify prints works as it stands, in the folder where it was printed."""
    ran = stormproof("verify", rewrite("sum", mutant(name)), "--report", "my report", "--seed", "5")
    assert ran.code == 1, ran.out + ran.err
    line = re.search(r"see it again: (.*)", ran.out)
    assert line is not None
    again = subprocess.run(
        shlex.split(line[1]), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert again.returncode == 1, again.stdout + again.stderr
    assert re.search("\n".join(timeline), again.stdout), again.stdout
    assert "seen again" in again.stdout
    assert "at most 30 are promised" in again.stdout
    saved = json.loads(next((tmp_path / "my report" / "counterexamples").iterdir()).read_text())
    assert len(saved["plan"]) == len(timeline) <= saved["shrunk_from"]["steps"]
    assert {step["step"] for step in saved["plan"]} <= {"Send", "Wait"}
    assert saved["said"] in ran.out


def test_once_it_is_mended_it_is_not_seen(
    stormproof: Stormproof, found: Path, contracts: dict[str, Path]
) -> None:
    """Exit code 0 against the healthy target, and the note that the contract is another now."""
    again = stormproof("replay", found, "--contract", contracts["sum"])
    assert again.code == 0, again.out + again.err
    assert "not seen" in again.out
    assert "is not as it was" in again.out
    assert re.search(r"30 calls +200 *\n.*1 call +429  Retry-After 60", again.out), again.out


def test_what_was_found_on_a_held_clock_is_seen_on_the_real_one(
    stormproof: Stormproof, found: Path
) -> None:
    """A plan without waits needs no held clock; a note tells the difference."""
    again = stormproof("replay", found, "--clock", "real")
    assert again.code == 1, again.out + again.err
    assert "the clock was frozen then and real now" in again.out


def test_a_target_that_does_not_answer_as_it_should_is_inconclusive(
    stormproof: Stormproof, found: Path, rewrite: Rewrite
) -> None:
    """Exit code 2: nothing was seen, but nothing was admitted or refused either."""
    path = rewrite("sum", ("/api/summarize", "/api/gone"))
    again = stormproof("replay", found, "--contract", path)
    assert again.code == 2, again.out + again.err
    assert "31 calls were answered neither way (404)" in again.out


def test_a_target_that_does_not_start_is_inconclusive(
    stormproof: Stormproof, found: Path, rewrite: Rewrite
) -> None:
    """Exit code 2, with its last words."""
    crash = "import sys; print('no config'); sys.exit(3)"
    path = rewrite("sum", (f'-m, {MODULE}, --port, "{{port}}"', f'-c, "{crash}", "{{port}}"'))
    again = stormproof("replay", found, "--contract", path)
    assert again.code == 2, again.out + again.err
    assert "could not run" in again.out
    assert "no config" in again.out


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What the command says; nothing is started for it, so it need not be a process."""
    assert run(["replay", *map(str, words)]) == 4
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_file_that_cannot_be_played_is_refused(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4, with what is wrong: not there, cut off, old, too bold, another record."""
    values = json.loads(found.read_text())
    cut = tmp_path / "cut.json"
    cut.write_text(found.read_text()[:900])
    old = tmp_path / "old.json"
    old.write_text(json.dumps({**values, "version": 1}))
    bold = tmp_path / "bold.json"
    bold.write_text(json.dumps({**values, "plan": [{**values["plan"][0], "times": 10**6}]}))
    for path, said in (
        (tmp_path / "none.json", "is not there"),
        (cut, "was it cut off?"),
        (old, "older stormproof"),
        (bold, "times must be a whole number from 1 to 100000"),
        (found.parent.parent / "run.json", "the record of a run"),
    ):
        assert said in refused(capsys, path)


def test_a_contract_that_does_not_fit_is_refused(
    found: Path,
    rewrite: Rewrite,
    contracts: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 4: another service's, one without the operation, and one that is gone."""
    said = refused(capsys, found, "--contract", contracts["amodels"])
    assert "name the right contract with --contract" in said
    assert "no.yaml" in refused(capsys, found, "--contract", tmp_path / "no.yaml")
    lacking = rewrite("sum", ("summarize:", "other:"), ("operation: summarize", "operation: other"))
    said = refused(capsys, found, "--contract", lacking)
    assert "needs the operation 'summarize'" in said
    moved = tmp_path / "moved.json"
    values = json.loads(found.read_text())
    moved.write_text(json.dumps({**values, "contract": str(tmp_path / "gone.yaml")}))
    said = refused(capsys, moved)
    assert "is not there any more; name it with --contract PATH" in said


def test_what_is_found_in_real_time_is_seen_on_both_clocks(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """A short limit that is not kept: shrunk in real time, and the line keeps the clock's word."""
    ran = stormproof("verify", rewrite("sum", ("limit: 30/min", "limit: 5/2s")), "--clock", "real")
    assert ran.code == 1, ran.out + ran.err
    assert re.search(r"see it again: .*\.json --clock real\n", ran.out)
    saved = json.loads(only_file(ran.report).read_text())
    assert saved["clock"] == "real"
    assert [(step["step"], step["times"]) for step in saved["plan"]] == [("Send", 6)]
    real = stormproof("replay", only_file(ran.report), "--clock", "real")
    assert real.code == 1, real.out + real.err
    assert "clock real): 6 calls" in real.out
    frozen = stormproof("replay", only_file(ran.report))
    assert frozen.code == 1, frozen.out + frozen.err
