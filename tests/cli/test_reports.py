"""What stands in a report folder after a real run, and what becomes of the run when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Stormproof

Rewrite = Callable[..., Path]
SUM_MODULE = "fixtures.targets.sum"
OFF_BY_ONE = (SUM_MODULE, "fixtures.mutants.sum_off_by_one")
NO_MODULE = ("fixtures.targets.amodels", "fixtures.targets.nowhere")


def allure(report: Path) -> list[dict[str, Any]]:
    """All results that Allure would show."""
    return [json.loads(path.read_text()) for path in (report / "allure").glob("*-result.json")]


def labels(result: dict[str, Any], name: str) -> set[str]:
    return {label["value"] for label in result["labels"] if label["name"] == name}


def junit(report: Path) -> dict[str, dict[str, str]]:
    """The properties of each test case by promise."""
    cases = ET.parse(report / "junit.xml").getroot().iter("testcase")
    found = [
        {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")} for case in cases
    ]
    return {properties["promise"]: properties for properties in found}


def test_a_kept_promise_in_all_reports(stormproof: Stormproof, contracts: dict[str, Path]) -> None:
    """Allure has service, kind and promise with each trial as a step; JUnit has the verdict."""
    ran = stormproof("verify", contracts["sum"])
    assert ran.code == 0, ran.out + ran.err
    assert str(ran.report / "report.html") in ran.out
    (result,) = allure(ran.report)
    assert (result["name"], result["status"]) == ("sum-rate", "passed")
    assert labels(result, "epic") == {"sum-platform"}
    assert labels(result, "feature") == {"rate_limit"}
    assert labels(result, "story") == {"sum-rate"}
    assert result["description"] == ran.promise("sum-rate")["says"]
    (trials,) = result["steps"]
    names = [trial["name"] for trial in ran.promise("sum-rate")["trials"]]
    assert [step["name"] for step in trials["steps"]] == [f"{name}: kept" for name in names]
    assert result["parameters"] == [
        {"name": "service", "value": "sum-platform"},
        {"name": "id", "value": "sum-rate"},
    ]
    assert junit(ran.report)["sum-rate"]["verdict"] == "kept"
    assert "1 promise kept" in (ran.report / "report.html").read_text()


def test_a_broken_promise_in_all_reports(stormproof: Stormproof, rewrite: Rewrite) -> None:
    """It has failed, with timeline and counterexample attached, and is drawn in the page."""
    ran = stormproof("verify", rewrite("sum", OFF_BY_ONE))
    assert ran.code == 1, ran.out + ran.err
    (result,) = allure(ran.report)
    assert result["status"] == "failed"
    assert labels(result, "verdict") == {"broken"}
    attached = {one["name"]: one["source"] for one in result["attachments"]}
    timeline = (ran.report / "allure" / attached["timeline"]).read_text()
    assert "31 calls: 31 admitted" in timeline
    found = ran.report / ran.promise("sum-rate")["counterexample"]
    assert (ran.report / "allure" / attached["counterexample"]).read_bytes() == found.read_bytes()
    steps = {step["name"]: step["status"] for step in result["steps"][0]["steps"]}
    assert steps["T1 edge: broken"] == "failed"
    assert steps["T2 straddle: not played"] == "skipped"
    assert junit(ran.report)["sum-rate"]["verdict"] == "broken"
    page = (ran.report / "report.html").read_text()
    assert 'class="drawing' in page
    assert "at most 30" in page


def test_unknown_is_told_apart_with_two_workers(
    stormproof: Stormproof, contracts: dict[str, Path], rewrite: Rewrite
) -> None:
    """What could not run is no failure of the service: another status, and a tag."""
    ran = stormproof("verify", contracts["sum"], rewrite("amodels", NO_MODULE), "-n", "2")
    assert ran.code == 3, ran.out + ran.err
    results = {result["name"]: result for result in allure(ran.report)}
    assert results["sum-rate"]["status"] == "passed"
    unknown = results["am-rate"]
    assert unknown["status"] == "broken"
    assert "unknown" in labels(unknown, "tag")
    assert unknown["statusDetails"]["message"].startswith("Failed: UNKNOWN am-rate: could not run")
    assert junit(ran.report)["am-rate"]["verdict"] == "unknown"
    assert {one["verdict"] for one in ran.record["promises"]} == {"kept", "unknown"}
    assert len(results) == len(ran.record["promises"])


def test_the_same_run_again_leaves_nothing_of_the_first(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """Old results are taken out; what is not ours stays."""
    path = rewrite("sum", (SUM_MODULE, "fixtures.targets.nowhere"))
    first = stormproof("verify", path)
    (first.report / "allure" / "history.jsonl").write_text("mine")
    again = stormproof("verify", path)
    assert (first.code, again.code) == (3, 3)
    assert len(allure(again.report)) == 1
    assert (again.report / "allure" / "history.jsonl").read_text() == "mine"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_that_is_taken_away_costs_no_verdict(
    stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path, workers: str
) -> None:
    """While it runs a file takes the folder's place: verdict and exit code stand, the reader is told."""
    report = tmp_path / "report"
    script = f"import pathlib, shutil; shutil.rmtree({str(report)!r}); pathlib.Path({str(report)!r}).touch()"
    setup = f"target:\n  setup: [['{{python}}', -c, {json.dumps(script)}]]"
    ran = stormproof("verify", rewrite("sum", ("target:", setup), OFF_BY_ONE), "-n", workers)
    assert ran.code == 1, ran.out + ran.err
    assert "31 calls of api_key-" in ran.out
    assert "run.json could not be written" in ran.out
    assert "Traceback" not in ran.out + ran.err
    assert report.is_file()


def test_a_full_folder_costs_no_verdict(rewrite: Rewrite, tmp_path: Path) -> None:
    """No file may grow over 300 KiB (the clock needs 256): what fits is there, and what is not is named."""
    report = tmp_path / "report"
    long = ("Configuration, Rate Limiting", "x" * 285_000)
    command = [sys.executable, "-m", "harness", "verify", str(rewrite("sum", OFF_BY_ONE, long))]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 600; exec "$@"', "sh", *command, "--report", str(report)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "the report folder is not whole: the part of sum-rate could not be written" in done.stdout
    )
    assert "its counterexample could not be written" in done.stdout
    promise = json.loads((report / "run.json").read_text())["promises"][0]
    assert promise["verdict"] == "broken"
    assert promise["counterexample"] is None


def test_pages_are_rendered_again(stormproof: Stormproof, rewrite: Rewrite) -> None:
    """From run.json alone, byte for byte."""
    ran = stormproof("verify", rewrite("sum", (SUM_MODULE, "fixtures.targets.nowhere")))
    pages = [ran.report / "report.html", ran.report / "summary.md"]
    before = [page.read_bytes() for page in pages]
    for page in pages:
        page.unlink()
    again = stormproof("report", ran.report)
    assert again.code == 0, again.out + again.err
    assert [page.read_bytes() for page in pages] == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "run.json cannot be read"),
        ('{"format": "stormproof-run", "version": 1, "serv', "is no JSON, or was cut off"),
        ('{"format": "stormproof-counterexample"}', "is no run record of Stormproof"),
        ('{"format": "stormproof-run", "version": 0}', "is of version 0"),
    ],
)
def test_a_folder_without_a_record_is_refused(
    stormproof: Stormproof, tmp_path: Path, text: str | None, said: str
) -> None:
    """Exit code 4 and a clear word."""
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    ran = stormproof("report", tmp_path)
    assert ran.code == 4
    assert said in ran.err
    assert not (tmp_path / "report.html").exists()


def test_no_folder_is_refused(stormproof: Stormproof, tmp_path: Path) -> None:
    """With its name."""
    ran = stormproof("report", tmp_path / "nowhere")
    assert ran.code == 4
    assert "nowhere is no folder" in ran.err


def test_two_runs_do_not_share_a_folder(
    stormproof: Stormproof, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """The second is refused and the first loses nothing; when it has ended the folder is free."""
    report = tmp_path / "report"
    words = ("verify", str(contracts["sum"]), "--report", str(report))
    first = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert "sum-platform" in first.stdout.readline()
    second = stormproof(*words)
    assert second.code == 4
    assert "another run is writing into the report folder" in second.err
    assert "1 kept" in first.communicate()[0]
    assert first.returncode == 0
    assert stormproof(*words).code == 0
