"""The file of a ledger: written before anything acts, in the first folder that takes it."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.ledger import Ledger, Owner, listed, read, state_folders
from tests.supervisor.conftest import until

ENTRY = "group 1 2"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder for ledgers that is preferred."""
    monkeypatch.setenv("STORMPROOF_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


class Told:
    """A ledger, and what its reaper was told."""

    def __init__(self, run_id: str = "r1") -> None:
        self.lines: list[str] = []
        self.ledger = Ledger(self.lines.append)
        self.ledger.open(run_id, Owner.me())

    def written(self) -> list[str]:
        assert self.ledger.path is not None
        found = read(self.ledger.path)
        assert found is not None
        return found.entries


def test_entries_are_there_as_soon_as_they_are_entered(state: Path) -> None:
    """In the file and at the reaper, before ``enter`` comes back; struck off in both after."""
    told = Told()
    with told.ledger.holding(ENTRY):
        assert told.written() == told.ledger.entries == [ENTRY]
        assert told.lines[-1] == ENTRY
    assert told.written() == told.ledger.entries == []
    assert told.lines[-1] == f"forget {ENTRY}"
    told.ledger.close()
    assert not state.exists()


def test_an_entry_stays_if_its_block_fails(state: Path) -> None:
    """Nobody knows whether it was undone: it is undone again later."""
    told = Told()
    with pytest.raises(ValueError, match="no"), told.ledger.holding(ENTRY):
        raise ValueError("no")
    assert told.written() == [ENTRY]
    told.ledger.close(keep=True)
    assert len(listed(str(state))) == 1


def test_it_is_private_and_known_to_the_reaper_before_it_is_there(state: Path) -> None:
    """Nobody else can read it; two runs have two; the folder goes with the last."""
    first, second = Told("r1"), Told("r2")
    path = state / "r1.ledger"
    assert first.ledger.path == str(path)
    assert first.lines == [f"ledger {path}"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    first.ledger.close()
    assert listed(str(state)) == [second.ledger.path]
    second.ledger.close()
    assert not state.exists()


def test_it_overwrites_nothing(state: Path, tmp_path: Path) -> None:
    """What stands at its place, a link even, is left as it is, and the next folder is taken."""
    state.mkdir()
    (state / "r1.ledger").symlink_to(tmp_path / "elsewhere")
    told = Told()
    assert told.ledger.path not in {None, str(state / "r1.ledger")}
    assert not (tmp_path / "elsewhere").exists()
    told.ledger.close()


@pytest.mark.parametrize("why", ["a file", "open to all"])
def test_a_folder_that_will_not_do(state: Path, why: str) -> None:
    """The next one is taken."""
    if why == "a file":
        state.write_text("")
    else:
        state.mkdir()
        state.chmod(0o777)
    told = Told()
    assert told.ledger.path is not None
    assert Path(told.ledger.path).parent != state
    assert Path(told.ledger.path).parent in map(Path, state_folders())
    told.ledger.close()


def test_where_ledgers_may_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was asked for, then XDG's folder, then the temporary ones."""
    monkeypatch.setenv("STORMPROOF_STATE", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "b"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    wanted = [
        tmp_path / "a",
        tmp_path / "b" / "stormproof",
        tmp_path / f"stormproof-{os.geteuid()}",
    ]
    assert state_folders()[:3] == [str(path) for path in wanted]
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folders()[1] == str(tmp_path / ".local/state/stormproof")


def test_a_full_disk(state: Path) -> None:
    """A line that was written in part counts for nothing; the reaper is told all the same."""
    child = os.fork()
    if not child:
        status = 1
        try:
            status = _with_a_full_disk()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def _with_a_full_disk() -> int:
    told = Told()
    assert told.ledger.path is not None
    told.ledger.enter("group 1 1")
    size = Path(told.ledger.path).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, limits[1]))
    told.ledger.enter("group 2 2")
    assert "large" in told.ledger.trouble or "space" in told.ledger.trouble
    assert told.written() == ["group 1 1"]
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told.ledger.enter("group 3 3")
    assert told.written() == ["group 1 1", "group 3 3"]
    assert told.lines[-3:] == told.ledger.entries == ["group 1 1", "group 2 2", "group 3 3"]
    told.ledger.close()
    return 0


def test_no_folder_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any file the reaper alone knows, and the reason is kept for the report."""
    monkeypatch.setattr("harness.ledger.ledger.state_folders", lambda: ["/dev/full"])
    told = Told()
    told.ledger.enter(ENTRY)
    assert told.lines[-1] == ENTRY
    assert told.ledger.path is None
    assert told.ledger.trouble == "/dev/full: File exists"
    told.ledger.close()


def test_a_ledger_of_somebody_else_is_not_read(state: Path, tmp_path: Path) -> None:
    """A link, a pipe or a folder of that name says nothing, and nobody waits for it."""
    state.mkdir()
    (tmp_path / "real").write_text("stormproof-ledger 1 r1 x -\n")
    (state / "link.ledger").symlink_to(tmp_path / "real")
    os.mkfifo(state / "pipe.ledger")
    (state / "folder.ledger").mkdir()
    assert [read(path) for path in listed(str(state))] == [None, None, None]


def test_a_copy_of_the_owner_writes_nothing(state: Path) -> None:
    """A fork of the run has the file open, and leaves it alone."""
    code = """
import os
from harness.supervisor import Supervisor
with Supervisor() as supervisor:
    if not os.fork():
        supervisor.ledger.enter("group 1 2")
        os._exit(0)
    os.wait()
    print(open(supervisor.ledger.path).read())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "group 1 2" not in done.stdout
    assert until(lambda: not state.exists())
