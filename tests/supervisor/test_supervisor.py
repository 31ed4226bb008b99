"""A supervisor starts processes and ends them, on every way out."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import reaper
from harness.errors import CouldNotRun
from harness.ledger import Owner
from harness.supervisor import Supervisor, harmless
from harness.supervisor.helper import Helper
from tests.supervisor.conftest import (
    EVERYBODY,
    OWNER,
    PROGRAMS,
    PYTHON,
    WAIT,
    carriers,
    program,
    start_all,
    until,
)

if TYPE_CHECKING:
    from harness.supervisor import Process


def run(supervisor: Supervisor, code: str, **env: str) -> Process:
    return supervisor.start([*PYTHON, code], name="it", env=env)


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    ids=lambda number: number.name,
)
def test_nothing_is_left_when_the_owner_dies(number: signal.Signals, repository: Path) -> None:
    """Processes that are deaf, stopped, forked away or in other groups, and the directory: all gone."""
    with program(OWNER, repository) as owner:
        assert owner.stdout is not None
        run_id, directory = owner.stdout.readline().decode().split()
        assert until(lambda: len(carriers(run_id)) == EVERYBODY)
        left = carriers(run_id)
        assert Path(directory).is_dir()
        owner.send_signal(number)
        owner.wait(10)
    assert until(lambda: not carriers(run_id))
    assert until(lambda: not Path(directory).exists())
    assert all((one := reaper.look(pid)) is None or one.state in "ZX" for pid in left)


def test_a_clean_end(tmp_path: Path) -> None:
    """After the block nobody and nothing is left, the reaper included; a second end is none."""
    with Supervisor() as supervisor:
        processes = start_all(supervisor, PROGRAMS)
        assert until(lambda: len(carriers(supervisor.run_id)) == EVERYBODY)
        helper = supervisor._helper._process
    assert carriers(supervisor.run_id) == []
    assert not supervisor.directory.exists()
    assert [process.alive() for process in processes] == [False] * len(processes)
    assert helper.returncode == 0
    supervisor.close()


def open_files() -> list[str]:
    """Names of our descriptors; the one of the folder itself is among them each time."""
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_nothing_is_kept_open() -> None:
    """Descriptors before and after a supervisor's life are the same."""
    before = open_files()
    for _ in range(2):
        with Supervisor() as supervisor:
            start_all(supervisor, ["plain", "daemon"])
            supervisor.close(grace_s=0.01)
    assert open_files() == before


def test_a_forked_copy_of_the_owner_ends_nothing(supervisor: Supervisor) -> None:
    """The processes are the owner's; a copy of it that closes its copy does no harm."""
    (process,) = start_all(supervisor, ["plain"])
    child = os.fork()
    if not child:
        supervisor.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert process.alive()


@pytest.mark.parametrize("notices", ["entry", "check"])
def test_a_reaper_that_was_killed_is_replaced(notices: str) -> None:
    """The run notices, tells the new one all that the old one knew, and says so in the end."""
    supervisor = Supervisor()
    (first,) = start_all(supervisor, ["deaf"])
    old = supervisor._helper.pid
    os.kill(old, signal.SIGKILL)
    assert until(lambda: (seen := reaper.look(old)) is not None and not seen.lives)
    if notices == "entry":
        start_all(supervisor, ["plain"])
    else:
        supervisor.check()
    assert supervisor._helper.pid != old
    supervisor._helper.leave()  # as our death would
    assert not first.alive()
    assert carriers(supervisor.run_id) == []
    assert not supervisor.directory.exists()
    supervisor._helper = Helper(supervisor.run_id, supervisor._owner, list)
    supervisor._helper.replaced = 1
    supervisor.close()
    assert supervisor.notes == [
        "the reaper was ended once by somebody else, and another was started"
    ]


def test_a_reaper_that_stands_still_is_woken(supervisor: Supervisor) -> None:
    """A stopped reaper is continued, also when its pipe has run full meanwhile."""
    helper = supervisor._helper
    for wake in (supervisor.check, lambda: fill(supervisor)):
        os.kill(helper.pid, signal.SIGSTOP)
        assert until(lambda: (seen := reaper.look(helper.pid)) is not None and seen.state == "T")
        wake()
        assert until(lambda: (seen := reaper.look(helper.pid)) is not None and seen.state != "T")
    assert helper.replaced == 0


def fill(supervisor: Supervisor) -> None:
    """More lines than a pipe holds."""
    for _ in range(2_000):
        with supervisor.ledger.holding("starting 999999"):
            pass


def test_a_watched_process_dies_with_the_owner(stranger: subprocess.Popen[bytes]) -> None:
    """A worker that somebody else started is killed when the owner dies, and spared on a clean end."""
    with Supervisor() as supervisor:
        supervisor.watch_pid(stranger.pid)
        supervisor.watch_pid(2**22 + 1)  # there is no such number
    assert stranger.poll() is None
    code = f"""
from harness.supervisor import Supervisor; import os
Supervisor().watch_pid({stranger.pid}); os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert stranger.wait(10) == -signal.SIGKILL


def test_what_a_process_is_given(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of our environment leaks but PATH, HOME, a locale and a private TMPDIR."""
    monkeypatch.setenv("SECRET", "leaked")
    env = supervisor.environment()
    process = run(supervisor, "import json, os\nprint(json.dumps(dict(os.environ)))", A="b", **env)
    assert until(lambda: not process.alive())
    given = json.loads(process.output())
    assert given == env | {
        "A": "b",
        "STORMPROOF_RUN": supervisor.run_id,
        "STORMPROOF_PROCESS": "1",
        "STORMPROOF_OWNER": str(Owner.me()),
    }
    assert set(env) == {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
    assert Path(env["TMPDIR"]).parent == supervisor.directory
    process = run(
        supervisor, "import os, sys\nprint(os.getcwd(), repr(sys.stdin.read()), os.getsid(0))"
    )
    assert until(lambda: not process.alive())
    assert process.output() == f"{supervisor.directory} '' {process.pid}"


def test_directories_are_private_and_fresh(supervisor: Supervisor) -> None:
    """Nobody else can read them, and two of one name are two."""
    first, second = (supervisor.fresh_directory("a/../b c") for _ in range(2))
    assert first != second
    for folder in (supervisor.directory, first, second):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first.parent == second.parent == supervisor.directory


def test_its_last_output_is_kept_and_never_blocks_it(supervisor: Supervisor) -> None:
    """A program that prints more than any pipe holds ends by itself; the end of its output is kept."""
    process = run(
        supervisor,
        "import os\nfor n in range(200_000): print('line', n, flush=n > 199_990)\nos.write(2, b'error\\n')",
    )
    assert until(lambda: not process.alive())
    said = process.output(lines=2)
    process.stop()
    assert said == process.output(lines=2) == "line 199999\nerror"
    assert len(process.output(lines=10**6)) <= 65_536


def test_old_output_gives_the_disk_back(supervisor: Supervisor) -> None:
    """A file over 8 MiB is emptied when somebody looks, and what follows is still in order."""
    lines = "for n in range(100_000): print('x' * 100)\nprint('mark', flush=True)\n"
    process = run(
        supervisor, "import sys, os\n" + lines + "os.kill(os.getpid(), 19)\nprint('more')"
    )
    log = supervisor.directory / "1.out"
    assert until(lambda: (one := reaper.look(process.pid)) is not None and one.state == "T")
    assert log.stat().st_size > 8 << 20
    assert process.output(lines=1) == "mark"
    assert log.stat().st_size == 0
    process.resume()
    assert until(lambda: not process.alive())
    assert process.output(lines=2) == "mark\nmore"


def test_output_of_strangers_is_harmless() -> None:
    """No control character reaches a terminal but line ends and tabs; colours are dropped."""
    text = "a\tb\r\n\x1b[1;31mred\x1b[0m\x1b]0;title\x07 \x9b2J\u202eevil\x00"
    assert harmless(text) == "a\tb\nred\\x1b]0;title\\x07 \\x9b2J\\u202eevil\\x00"


def test_exit_status(supervisor: Supervisor) -> None:
    """The status is known without waiting, before and after the process was put away."""
    process = run(supervisor, "raise SystemExit(3)")
    assert until(lambda: process.returncode() == 3)
    process.stop()
    process.stop()
    assert process.returncode() == 3
    process = run(supervisor, WAIT)
    assert process.returncode() is None
    process.kill()
    assert process.returncode() == -signal.SIGKILL


def test_an_orderly_end_comes_first(supervisor: Supervisor) -> None:
    """SIGTERM reaches a process, also one that is stopped, before anything worse."""
    code = "import signal, sys, os\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up', flush=True)\n"
    for pause in ("", "os.kill(os.getpid(), 19)\n"):
        process = run(supervisor, code + pause + WAIT)
        assert until(lambda process=process: process.output() == "up")  # type: ignore[misc]
        process.stop(grace_s=10)
        assert process.returncode() == 7


def test_deaf_and_daemonised_processes_end_alone(supervisor: Supervisor) -> None:
    """Stopping one process ends all that came from it, and none that came from another."""
    names = ["deaf", "daemon", "parent", "plain"]
    deaf, daemon, parent, plain = start_all(supervisor, names)
    assert not daemon.alive()
    assert until(lambda: len(daemon.descendants()) == 1)
    assert until(lambda: len(parent.descendants()) == 3)
    for process in (deaf, daemon, parent):
        process.stop(grace_s=0.01)
        assert process.descendants() == []
    assert plain.alive()
    assert carriers(supervisor.run_id) == [plain.pid]


def test_a_child_without_a_marker(supervisor: Supervisor) -> None:
    """Who moved to a session of its own, with an empty environment, is found by its parent."""
    child = f"os.setsid(); os.execve({sys.executable!r}, {[*PYTHON, WAIT]!r}, {{}})"
    process = run(supervisor, f"import os\nif not os.fork(): {child}\n" + WAIT)
    assert until(lambda: len(process.descendants()) == 1)
    (pid,) = process.descendants()
    assert until(lambda: not reaper.carries(pid, [f"STORMPROOF_RUN={supervisor.run_id}"]))
    process.kill()
    assert (one := reaper.look(pid)) is None or one.state in "ZX"


def test_pause_and_resume(supervisor: Supervisor) -> None:
    """All that belongs to a process stands still, and runs again."""
    (parent,) = start_all(supervisor, ["parent"])
    assert until(lambda: len(parent.descendants()) == 3)
    everybody = [parent.pid, *parent.descendants()]

    def states() -> set[str]:
        return {one.state for pid in everybody if (one := reaper.look(pid)) is not None}

    parent.pause()
    assert states() == {"T"}
    parent.resume()
    assert "T" not in states()
    parent.pause()
    parent.stop(grace_s=0.01)
    assert not parent.alive()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-program"], "no program 'no-such-program' was found"),
        (["/etc/passwd"], "Permission denied"),
        (["a\0b"], "null byte"),
        ([], "cannot be started"),
    ],
)
def test_what_cannot_be_started(supervisor: Supervisor, command: list[str], said: str) -> None:
    """The message names the program and the reason."""
    with pytest.raises(CouldNotRun, match=said):
        supervisor.start(command, name="it", env={"PATH": "/usr/bin"})


def test_a_directory_that_is_not_there(supervisor: Supervisor) -> None:
    """The message names the directory, not the program."""
    with pytest.raises(CouldNotRun, match="directory /no/where does not exist"):
        supervisor.start(["true"], name="it", env={"PATH": "/usr/bin:/bin"}, cwd=Path("/no/where"))


def test_no_folder_to_write_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a writable temporary folder nothing starts, and the reason is given."""
    before = open_files()
    monkeypatch.setattr("harness.supervisor.supervisor.temporary_folders", lambda: ["/no/where"])
    with pytest.raises(CouldNotRun, match=r"/no/where: No such file.*TMPDIR"):
        Supervisor()
    assert open_files() == before


READ_ONLY = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@pytest.mark.skipif(
    subprocess.run([*READ_ONLY, "true"], capture_output=True, check=False).returncode != 0,
    reason="no user namespaces here",
)
@pytest.mark.parametrize("places", [["/var/tmp"], ["/var/tmp", "/tmp"]])
def test_a_temporary_folder_that_is_read_only(repository: Path, places: list[str]) -> None:
    """Another is taken; where none can be written, the message says what to set."""
    code = """
from harness.supervisor import Supervisor
with Supervisor() as supervisor:
    print(supervisor.directory.parent)
"""
    mounts = " && ".join(
        f"mount --bind {place} {place} && mount -o remount,bind,ro {place}" for place in places
    )
    done = subprocess.run(
        [*READ_ONLY, f'{mounts} && exec "$@"', "sh", sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "TMPDIR": places[0], "HOME": str(Path.home())},
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    if len(places) == 1:
        assert (done.returncode, done.stdout) == (0, "/tmp\n"), done.stderr
    else:
        assert "/tmp: Read-only file system" in done.stderr
        assert "set TMPDIR to a folder that can be written" in done.stderr


def test_what_a_program_hid_is_told(supervisor: Supervisor) -> None:
    """A deaf daemon that is left when its program ends is killed, and the notes say so."""
    (daemon,) = start_all(supervisor, ["daemon"])
    daemon.stop(grace_s=0.01)
    assert supervisor.notes == [
        "daemon had moved 1 process to sessions of their own, deaf to SIGTERM; they were killed"
    ]
