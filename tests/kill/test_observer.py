"""The observer sees whatever a program leaves behind, and nothing of others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.kill.observer import Observer
from tests.kill.run import Place

PYTHON = (sys.executable, "-S", "-E", "-I", "-c")
SAID = "import os, signal, socket, sys, time\n"
WAIT = "print(flush=True)\nwhile True: signal.pause()\n"
AWAY = "if os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
STRIPPED = """
import sys
read, write = os.pipe()
os.set_inheritable(write, True)
os.write(1, b"\\n")
os.closerange(0, 99)
os.chdir("/")
os.execve(sys.executable, [sys.executable, "-S", "-E", "-I", "-c", "import signal; signal.pause()"], {})
"""


def started(place: Place, observer: Observer, code: str) -> subprocess.Popen[str]:
    """A program in a place; returns when it has said that it is ready."""
    process = observer.start(
        [*PYTHON, SAID + code], cwd=place.temporary, stdout=subprocess.PIPE, env={}
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (WAIT, ["(living, of "]),
        (AWAY + WAIT, ["(living, of "]),
        (AWAY + STRIPPED, ["(living, of "]),
        ("print(flush=True)\nos.kill(os.getpid(), 19)\n", ["(stopped, of "]),
        ("if not os.fork(): os._exit(0)\n" + WAIT, ["(living, of ", "(a zombie, of "]),
        ("open('left', 'w')\nprint(flush=True)\n", ["file "]),
        ("os.makedirs('a/b')\nprint(flush=True)\n", ["folder ", "folder "]),
        ("os.mkfifo('pipe')\nprint(flush=True)\n", ["FIFO "]),
        ("s = socket.create_server(('127.0.0.1', 0))\n" + WAIT, ["(living, of ", "port "]),
        (
            "s = socket.socket(socket.AF_UNIX)\ns.bind('sock')\ns.listen()\n" + WAIT,
            ["(living, of ", "socket ", "Unix socket "],
        ),
    ],
)
def test_what_is_left_is_seen(
    place: Place, observer: Observer, code: str, words: list[str]
) -> None:
    """Processes in any state, wherever they moved; files of any kind; sockets that listen."""
    process = started(place, observer, code)
    try:
        left = look_until(observer, words)
        assert len(left) == len(words), left
        assert all(any(word in one for one in left) for word in words), left
    finally:
        process.kill()
        process.wait()


def look_until(observer: Observer, words: list[str]) -> list[str]:
    """What is left, once it is so told, or after a while: who was started may just be forking."""
    for _ in range(500):
        left = observer.left()
        if len(left) == len(words) and all(any(word in one for one in left) for word in words):
            break
        with subprocess.Popen([*PYTHON, "pass"]):
            pass
    return left


def test_shared_memory_that_nobody_has_is_seen(observer: Observer) -> None:
    """A segment of ours without a name in our folders, made and let go."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="stormproof-test-") as file:
        said = [word for word in observer.left() if file.name in word]
        file.close()
        assert said == []  # this process, which is not of the run, has it
        Path(file.name).touch()
        try:
            assert observer.left() == [f"shared memory {file.name}"]
        finally:
            Path(file.name).unlink()


def test_others_are_not_seen(place: Place, tmp_path: Path) -> None:
    """Who was there before, who has nothing to do with the run, and an orphan that ended by itself."""
    with subprocess.Popen([*PYTHON, SAID + WAIT], stdout=subprocess.PIPE) as before:
        try:
            assert before.stdout is not None
            before.stdout.readline()
            with place.observer() as observer:
                gone = "if os.fork(): os._exit(0)\nprint(flush=True)\n"
                started(place, observer, gone).wait()
                assert observer.clean_within(10)[1] == []
            assert before.poll() is None
        finally:
            before.kill()


def test_what_is_left_is_ended_with_the_observer(place: Place) -> None:
    """So that one that fails leaves the machine as it was; also the stopped and the stripped."""
    with place.observer() as observer:
        process = started(place, observer, AWAY + STRIPPED)
        second = started(place, observer, "print(flush=True)\nos.kill(os.getpid(), 19)\n")
        assert len(look_until(observer, ["", ""])) == 2
        found = [one.pid for one in observer.living() if one.pid != second.pid]
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], 0)
    process.wait()
    assert second.wait() == -signal.SIGKILL
