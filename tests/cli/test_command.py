"""The line that replays: as it can be pasted into the shell that verify was called from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from harness.cli.command import program, replay_command


def installed(folder: Path) -> Path:
    """A program of our name in ``folder``."""
    path = folder / "stormproof"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_by_name_where_path_finds_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short word, if it means us; the path that was typed, if it means another or nobody."""
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir()
    other.mkdir()
    path = installed(ours)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("PATH", str(ours))
    assert program() == ["stormproof"]
    monkeypatch.setenv("PATH", str(other))
    assert program() == [str(path)]
    installed(other)
    assert program() == [str(path)]


def test_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m harness`` is pasted as just that."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/harness/__main__.py"])
    assert program() == [sys.executable, "-m", "harness"]


@pytest.mark.parametrize("name", ["a b.json", "it's.json", "$HOME.json", "-x/found.json"])
def test_every_name_is_one_word(name: str) -> None:
    """Spaces, quotes, dollars and dashes arrive as they are."""
    words = shlex.split(replay_command(Path(name), clock="real", allow=["api.test"]))
    at = words.index("replay") + 1
    assert Path(words[at]) == Path(name)
    assert not words[at].startswith("-")
    assert words[at + 1 :] == ["--clock", "real", "--allow", "api.test"]
