"""What GitHub is told: which line of which file, in words that cannot be read as something else."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest

from harness.cli import github
from harness.cli.github import append_summary, command, no_commands, on_github, remarks
from harness.contract.load import LoadedContract, load
from harness.gate.baseline import State
from harness.promises import words
from harness.record import BaselineRecord, PromiseRecord, RunRecord, VerdictWord


@pytest.fixture
def loaded(contracts: dict[str, Path]) -> LoadedContract:
    """A contract whose promise ``sum-rate`` stands in a known line."""
    return load(contracts["sum"], words())


def known(state: State, *, fails: bool) -> BaselineRecord:
    return BaselineRecord(
        file="known.yaml",
        line=7,
        until=date(2026, 3, 31),
        because="SHOP-7",
        state=state,
        said=f"said: {state}",
        fails=fails,
    )


def run(*promises: PromiseRecord) -> RunRecord:
    return RunRecord(
        service="sum-platform",
        contracts={},
        started=datetime(2026, 1, 1, tzinfo=UTC),
        finished=None,
        seed=1,
        clock="auto",
        selected=len(promises),
        versions={},
        promises=promises,
    )


def promise(
    verdict: VerdictWord, reason: str = "why", baseline: BaselineRecord | None = None
) -> PromiseRecord:
    return PromiseRecord(
        service="sum-platform",
        id="sum-rate",
        kind="rate_limit",
        says=None,
        verdict=verdict,
        reason=reason,
        ran=True,
        clock="frozen",
        evidence={},
        trials=(),
        counterexample=None,
        notes=(),
        duration_s=0.0,
        baseline=baseline,
    )


def test_the_example_in_the_docs_runs() -> None:
    """Escaping as GitHub's own toolkit does it."""
    result = doctest.testmod(github)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (promise("broken"), "error"),
        (promise("unknown"), "warning"),
        (promise("broken", baseline=known("known", fails=False)), "notice"),
        (promise("broken", baseline=known("expired", fails=True)), "error"),
        (promise("unknown", baseline=known("open", fails=False)), "warning"),
        (promise("kept"), None),
        (promise("kept", baseline=known("unseen", fails=False)), None),
    ],
)
def test_each_verdict_at_its_line(
    loaded: LoadedContract, found: PromiseRecord, level: str | None
) -> None:
    """Broken is an error, unknown a warning, what is known a notice; kept says nothing."""
    root = loaded.path.parent.parent
    said = remarks(run(found), [loaded], {"GITHUB_WORKSPACE": str(root)})
    if level is None:
        assert said == ()
        return
    (line,) = said
    where = loaded.path.read_text().partition("- id: sum-rate")[0].count("\n") + 1
    assert line.startswith(
        f"::{level} file={loaded.path.relative_to(root)},line={where},title={found.verdict}%3A"
    )
    assert line.endswith("::why" if found.baseline is None else f"::why%0A{found.baseline.said}")


def test_kept_now_points_into_the_baseline(loaded: LoadedContract) -> None:
    """That is the file to change."""
    here = Path.cwd()
    (line,) = remarks(
        run(promise("kept", baseline=known("kept_now", fails=True))),
        [loaded],
        {"GITHUB_WORKSPACE": str(here)},
    )
    assert line.startswith("::error file=known.yaml,line=7,title=kept%3A sum-rate")


def test_what_fails_comes_first(loaded: LoadedContract) -> None:
    """GitHub shows ten of a kind: what stops the gate must be among them."""
    found = run(promise("unknown"), promise("broken", "second"))
    first, second = remarks(found, [loaded], {})
    assert first.startswith("::error")
    assert f"file={loaded.path}," in first
    assert second.startswith("::warning")


@pytest.mark.parametrize(
    "text", ["50%", "a\nb\r\nc", "::set-output name=x::y", "file=a,line=1::b", "%0A", "x" * 100_000]
)
def test_nothing_escapes_its_command(text: str) -> None:
    """One line, whose file, line and title are as we wrote them, whatever others said."""
    line = command("error", file=text, line=3, title=text, message=text)
    assert len(line.splitlines()) == 1
    head, _, message = line.removeprefix("::error ").partition("::")
    assert [part.partition("=")[0] for part in head.split(",")] == ["file", "line", "title"]
    assert ":" not in head
    back = message.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
    assert back.rstrip("…") == text[: len(back.rstrip("…"))]


def test_commands_are_off_while_others_speak() -> None:
    """Between the two lines nothing is read as a command; the word that ends it cannot be guessed."""
    tokens = set()
    for _ in range(2):
        stream = StringIO()
        with no_commands(stream):
            stream.write("::error::not ours\n")
        first, said, last = stream.getvalue().splitlines()
        token = first.removeprefix("::stop-commands::")
        assert said == "::error::not ours"
        assert last == f"::{token}::"
        tokens.add(token)
    assert len(tokens) == 2


def test_the_summary_is_appended(tmp_path: Path) -> None:
    """Other steps have written there, too; where there is no page, or no summary, nothing fails."""
    (tmp_path / "summary.md").write_text("# verdicts\n\n")
    page = tmp_path / "page.md"
    page.write_text("before\n")
    append_summary(tmp_path, {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text() == "before\n# verdicts\n"
    append_summary(tmp_path, {})
    append_summary(tmp_path / "none", {"GITHUB_STEP_SUMMARY": str(page)})
    append_summary(tmp_path, {"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "folder")})
    assert page.read_text() == "before\n# verdicts\n"


def test_only_actions_are_github() -> None:
    """The variable is ``true`` there and nothing else."""
    assert on_github({"GITHUB_ACTIONS": "true"})
    assert not on_github({"GITHUB_ACTIONS": ""})
    assert not on_github({})
