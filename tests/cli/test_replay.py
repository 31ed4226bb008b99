"""``stormproof replay`` as a user meets it: the line under the verdict, the timeline, exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Stormproof

Rewrite = Callable[..., Path]
MODULE = "fixtures.targets.sum"


def mutant(name: str) -> tuple[str, str]:
    return MODULE, f"fixtures.mutants.{name}"


def only_file(ran: Ran) -> Path:
    (path,) = (ran.report / "counterexamples").iterdir()
    return path


@pytest.mark.parametrize(
    ("name", "timeline"),
    [
        ("sum_off_by_one", [r"\+0\.000 s +api_key-\d+ +31 calls +200"]),
        (
            "sum_fixed_window",
            [
                r" *\+0\.000 s +api_key-\d+ +\d+ calls? +200",
                r" +wait 59\.998 s *",
                r"\+59\.998 s +api_key-\d+ +\d+ calls? +200",
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
    stormproof: Stormproof, rewrite: Rewrite, contracts: dict[str, Path]
) -> None:
    """Exit code 0 against the healthy target, and the note that the contract is another now."""
    ran = stormproof("verify", rewrite("sum", mutant("sum_off_by_one")))
    path = only_file(ran)
    again = stormproof("replay", path, "--contract", contracts["sum"])
    assert again.code == 0, again.out + again.err
    assert "not seen" in again.out
    assert "is not as it was" in again.out
    assert re.search(r"30 calls +200 *\n.*1 call +429  Retry-After 60", again.out), again.out


def test_a_short_limit_is_replayed_in_real_time(stormproof: Stormproof, rewrite: Rewrite) -> None:
    """Found on the held clock or not, it is seen on the real one too, and the note says so."""
    path = rewrite("sum", mutant("sum_off_by_one"))
    ran = stormproof("verify", path)
    again = stormproof("replay", only_file(ran), "--clock", "real")
    assert again.code == 1, again.out + again.err
    assert "the clock was frozen then and real now" in again.out


def test_a_target_that_does_not_answer_as_it_should_is_inconclusive(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """Exit code 2: nothing was seen, but nothing was admitted or refused either."""
    ran = stormproof("verify", rewrite("sum", mutant("sum_off_by_one")))
    path = rewrite("sum", ("/api/summarize", "/api/gone"))
    again = stormproof("replay", only_file(ran), "--contract", path)
    assert again.code == 2, again.out + again.err
    assert "31 calls were answered neither way (404)" in again.out


def test_a_target_that_does_not_start_is_inconclusive(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """Exit code 2, with its last words."""
    ran = stormproof("verify", rewrite("sum", mutant("sum_off_by_one")))
    crash = "import sys; print('no config'); sys.exit(3)"
    path = rewrite("sum", (f'-m, {MODULE}, --port, "{{port}}"', f'-c, "{crash}", "{{port}}"'))
    again = stormproof("replay", only_file(ran), "--contract", path)
    assert again.code == 2, again.out + again.err
    assert "could not run" in again.out
    assert "no config" in again.out


def test_what_cannot_be_replayed_is_refused(
    stormproof: Stormproof, rewrite: Rewrite, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """Exit code 4, with what is wrong and what to do; nothing starts."""
    contract = rewrite("sum", mutant("sum_off_by_one"))
    path = only_file(stormproof("verify", contract))
    values = json.loads(path.read_text())
    cut = tmp_path / "cut.json"
    cut.write_text(path.read_text()[:900])
    old = tmp_path / "old.json"
    old.write_text(json.dumps({**values, "version": 1}))
    bold = tmp_path / "bold.json"
    bold.write_text(json.dumps({**values, "plan": [{**values["plan"][0], "times": 10**6}]}))
    for words, said in (
        ([tmp_path / "none.json"], "is not there"),
        ([cut], "was it cut off?"),
        ([old], "older stormproof"),
        ([bold], "times must be a whole number from 1 to 100000"),
        ([path.parent.parent / "run.json"], "the record of a run"),
        ([path, "--contract", contracts["amodels"]], "name the right contract with --contract"),
        ([path, "--contract", tmp_path / "no.yaml"], "no.yaml"),
    ):
        ran = stormproof("replay", *words)
        assert ran.code == 4, (words, ran.out, ran.err)
        assert said in ran.err, (said, ran.err)
        assert "Traceback" not in ran.err
    lacking = rewrite("sum", ("summarize:", "other:"), ("operation: summarize", "operation: other"))
    ran = stormproof("replay", path, "--contract", lacking)
    assert ran.code == 4
    assert "needs the operation 'summarize'" in ran.err
    contract.unlink()
    ran = stormproof("replay", path)
    assert ran.code == 4
    assert "is not there any more; name it with --contract PATH" in ran.err


def test_what_is_found_in_real_time_is_seen_on_both_clocks(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """A short limit that is not kept: shrunk in real time, and the line keeps the clock's word."""
    ran = stormproof("verify", rewrite("sum", ("limit: 30/min", "limit: 5/2s")), "--clock", "real")
    assert ran.code == 1, ran.out + ran.err
    assert re.search(r"see it again: .*\.json --clock real\n", ran.out)
    saved = json.loads(only_file(ran).read_text())
    assert saved["clock"] == "real"
    assert [(step["step"], step["times"]) for step in saved["plan"]] == [("Send", 6)]
    real = stormproof("replay", only_file(ran), "--clock", "real")
    assert real.code == 1, real.out + real.err
    assert "clock real): 6 calls" in real.out
    frozen = stormproof("replay", only_file(ran))
    assert frozen.code == 1, frozen.out + frozen.err
