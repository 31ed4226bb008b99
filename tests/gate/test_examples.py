"""The files that people copy into their pipelines: they parse, and every command of ours is one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from harness.cli.app import app

NAMES = ("github.yml", "gitlab.yml")


def parsed(repository: Path, name: str) -> Any:
    text = (repository / ".ci" / "examples" / name).read_text()
    return YAML(typ="safe", pure=True).load(text)


def texts(values: Any) -> Iterator[str]:
    """Every text of the file that could be a command."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from texts(value)
    elif isinstance(values, str):
        yield from values.splitlines()


def accepted(line: str) -> dict[str, Any]:
    """The parameters that the command line of ours reads from it; nothing is run."""
    group = typer.main.get_command(app)
    with group.make_context("stormproof", shlex.split(line)[1:], resilient_parsing=False) as outer:
        rest = [*outer._protected_args, *outer.args]
        name, command, rest = group.resolve_command(outer, rest)  # type: ignore[attr-defined]
        with command.make_context(name, rest, parent=outer) as inner:
            found: dict[str, Any] = inner.params
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_accepted(repository: Path, name: str) -> None:
    """A renamed option would break pipelines that we never see."""
    lines = [line for line in texts(parsed(repository, name)) if line.startswith("stormproof ")]
    assert len(lines) == 2
    smoke, whole = map(accepted, lines)
    assert smoke["smoke"]
    assert smoke["fail_fast"]
    assert not whole["smoke"]
    assert whole["report"] == Path("stormproof-report")


def test_a_wrong_option_is_seen() -> None:
    """The check above can fail."""
    with pytest.raises(Exception, match="No such option"):
        accepted("stormproof verify contract.yaml --smok")


@pytest.mark.parametrize("name", NAMES)
def test_the_baseline_is_named_as_it_is(repository: Path, name: str) -> None:
    """Comments are copied as well."""
    text = (repository / ".ci" / "examples" / name).read_text()
    assert "--baseline known.yaml" in text
    assert accepted("stormproof verify c.yaml --baseline known.yaml")["baseline"]


def test_github_keeps_the_report_of_a_failed_run(repository: Path) -> None:
    """The upload runs always, and takes the folder that verify writes."""
    steps = parsed(repository, "github.yml")["jobs"]["promises"]["steps"]
    (upload,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "always()"
    assert upload["with"]["path"] == "stormproof-report"


def test_gitlab_keeps_the_report_of_a_failed_run(repository: Path) -> None:
    """And its JUnit file is where verify puts it."""
    artifacts = parsed(repository, "gitlab.yml")["promises"]["artifacts"]
    assert artifacts["when"] == "always"
    assert artifacts["paths"] == ["stormproof-report"]
    assert artifacts["reports"]["junit"] == "stormproof-report/junit.xml"
