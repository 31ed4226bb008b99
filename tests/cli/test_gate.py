"""``stormproof verify`` as a gate meets it: smoke, fail-fast, baseline, quiet, JSON, GitHub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Stormproof

Rewrite = Callable[..., Path]
SUM = "fixtures.targets.sum"
OFF_BY_ONE = (SUM, "fixtures.mutants.sum_off_by_one")
DEAD = (f"-m, {SUM}", "-c, 'raise SystemExit(3)'")


def baseline(folder: Path, until: str, **other: str) -> Path:
    """A file that knows ``sum-rate`` to be broken."""
    path = folder / "known.json"
    entry = {"service": "sum-platform", "promise": "sum-rate", "until": until, "because": "SHOP-7"}
    path.write_text(json.dumps({"baseline": 1, "known": [entry | other]}, indent=1))
    return path


def another(rewrite: Rewrite, folder: Path, *changes: tuple[str, str]) -> Path:
    """The same service once more under another name."""
    path = folder / "other.yaml"
    path.write_text(rewrite("sum", *changes, ("sum-platform", "other")).read_text())
    return path


def test_a_smoke_run_says_that_it_was_one(
    stormproof: Stormproof, contracts: dict[str, Path], repository: Path
) -> None:
    """On the screen, in the verdict's words and in the record, which its schema accepts."""
    ran = stormproof("verify", contracts["sum"], "--smoke")
    assert ran.code == 0, ran.out + ran.err
    assert "smoke run: few trials" in ran.out
    assert "smoke run: 1 kept, 0 broken, 0 unknown" in ran.out
    assert ran.record["smoke"] is True
    schema = json.loads((repository / "harness" / "schemas" / "run.schema.json").read_text())
    jsonschema.validate(ran.record, schema)
    promise = ran.promise("sum-rate")
    assert promise["reason"].startswith("as far as a smoke run looks: ")
    played = [trial["name"] for trial in promise["trials"] if trial["verdict"] == "kept"]
    assert played == ["T1 edge", "T3 concurrent"]


@pytest.mark.parametrize(("workers", "begun"), [("1", 1), ("2", 2)])
def test_nothing_is_begun_after_the_first_broken_promise(
    stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path, workers: str, begun: int
) -> None:
    """Exit code 1; the rest is unknown and says why; the other worker ends what it had begun."""
    text = rewrite("sum", OFF_BY_ONE).read_text()
    paths = [tmp_path / f"{number}.yaml" for number in range(6)]
    for path in paths:
        path.write_text(text.replace("sum-platform", f"sum-{path.stem}"))
    ran = stormproof("verify", *paths, "--fail-fast", "--smoke", "-n", workers)
    assert ran.code == 1, ran.out + ran.err
    found = ran.record["promises"]
    left = [one for one in found if one["reason"].startswith("not verified: ")]
    assert len(found) == 6
    broken = [one["verdict"] for one in found].count("broken")
    assert 1 <= broken <= begun
    assert len(left) == 6 - broken
    assert {(one["verdict"], one["ran"]) for one in left} == {("unknown", False)}
    assert ran.record["fail_fast"] is True
    assert 1 <= ran.out.count("and --fail-fast was given") <= begun


@pytest.mark.parametrize(
    ("changes", "until", "code", "verdict", "state", "said"),
    [
        ([OFF_BY_ONE], "9999-12-31", 0, "broken", "known", "1 broken (1 known)"),
        ([OFF_BY_ONE], "2001-01-01", 1, "broken", "expired", "that day has passed"),
        ([], "9999-12-31", 1, "kept", "kept_now", "is kept now: remove it from known.json"),
        ([DEAD], "9999-12-31", 3, "unknown", "open", "unknown is never hidden"),
    ],
    ids=["known", "expired", "kept now", "unknown"],
)
def test_a_baseline_excuses_what_it_knows_and_nothing_else(  # noqa: PLR0917
    stormproof: Stormproof,
    rewrite: Rewrite,
    tmp_path: Path,
    changes: list[tuple[str, str]],
    until: str,
    code: int,
    verdict: str,
    state: str,
    said: str,
) -> None:
    """Reported and not failing, until its day comes, or it is kept; the verdict stands as it is."""
    path = rewrite("sum", *changes)
    ran = stormproof("verify", path, "--baseline", baseline(tmp_path, until))
    assert ran.code == code, ran.out + ran.err
    promise = ran.promise("sum-rate")
    assert promise["verdict"] == verdict
    assert promise["baseline"]["state"] == state
    assert promise["baseline"]["because"] == "SHOP-7"
    assert said in ran.out
    assert "known broken until" in ran.out


def test_a_known_break_hides_no_other(
    stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path
) -> None:
    """One is excused, its twin is not: exit code 1. It is not what stops a run that fails fast."""
    twin = another(rewrite, tmp_path, OFF_BY_ONE)
    ran = stormproof(
        *("verify", rewrite("sum", OFF_BY_ONE), twin, "--fail-fast", "--smoke"),
        *("--baseline", baseline(tmp_path, "9999-12-31")),
    )
    assert ran.code == 1, ran.out + ran.err
    assert [one["verdict"] for one in ran.record["promises"]] == ["broken", "broken"]
    assert "2 broken (1 known)" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"promise": "sum-rat"}, "known.json:6:15: promise: no promise `sum-rat`; did you mean"),
        ({"until": "soon"}, "known.json:7:13: until: "),
    ],
)
def test_a_wrong_baseline_starts_nothing(
    stormproof: Stormproof,
    contracts: dict[str, Path],
    tmp_path: Path,
    words: dict[str, str],
    said: str,
) -> None:
    """Exit code 4, with file, line and column, and no record."""
    file = baseline(tmp_path, **{"until": "9999-12-31", **words})
    ran = stormproof("verify", contracts["sum"], "--baseline", file)
    assert ran.code == 4
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (ran.report / "run.json").exists()


def test_quiet_says_only_what_is_not_kept(
    stormproof: Stormproof, rewrite: Rewrite, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """All kept: one line. Else a line for each that is not, how to see it again, and the counts."""
    kept = stormproof("verify", contracts["sum"], "--smoke", "--quiet")
    assert kept.code == 0
    assert len(kept.out.splitlines()) == 1
    assert "1 kept, 0 broken, 0 unknown" in kept.out
    other = another(rewrite, tmp_path, OFF_BY_ONE)
    ran = stormproof("verify", contracts["sum"], other, "--smoke", "-q")
    assert ran.code == 1, ran.out + ran.err
    first, again, last = ran.out.splitlines()
    assert first.startswith("broken sum-rate: 31 calls of api_key-")
    assert "replay" in again
    assert "1 kept, 1 broken, 0 unknown" in last


@pytest.mark.parametrize("workers", ["1", "2"])
def test_json_is_the_record_and_nothing_else(
    stormproof: Stormproof, contracts: dict[str, Path], workers: str
) -> None:
    """A program can read what is printed; people see the progress beside it."""
    env = {"GITHUB_ACTIONS": "true"}
    ran = stormproof("verify", contracts["sum"], "--smoke", "--json", "-n", workers, env=env)
    assert ran.code == 0, ran.out + ran.err
    assert json.loads(ran.out) == ran.record
    assert "1 kept, 0 broken, 0 unknown" in ran.err


def test_json_prints_nothing_of_bad_input(stormproof: Stormproof, tmp_path: Path) -> None:
    """There is no record: the error is where errors are."""
    ran = stormproof("verify", tmp_path / "none.yaml", "--json")
    assert (ran.code, ran.out) == (4, "")
    assert "no such file" in ran.err


def test_github_sees_the_line_and_the_summary(
    stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path
) -> None:
    """An annotation beside the promise, the table on the job's page, and no command by others."""
    path = rewrite("sum", OFF_BY_ONE)
    page = tmp_path / "page.md"
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(page),
    }
    ran = stormproof("verify", path, "--smoke", env=env)
    assert ran.code == 1, ran.out + ran.err
    line = path.read_text().partition("- id: sum-rate")[0].count("\n") + 1
    *before, last = ran.out.splitlines()
    assert last.startswith(f"::error file=sum.yaml,line={line},title=broken%3A sum-rate of sum-")
    assert "31 calls of api_key-" in last
    token = before[0].removeprefix("::stop-commands::")
    assert before[-1] == f"::{token}::"
    assert "sum" in page.read_text()


def test_time_left_is_told(stormproof: Stormproof, contracts: dict[str, Path]) -> None:
    """At the start, and with each promise but the last."""
    both = stormproof(
        *("verify", contracts["amodels"], "--smoke", "--promise", "am-ip", "--promise", "am-rate")
    )
    assert both.code == 0, both.out + both.err
    assert both.out.count(" left") == 2
