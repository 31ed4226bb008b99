"""Ctrl-C, wherever Python happens to be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

HEAD = """
import os, signal, time
from harness.plugin.interrupts import ending_at_once_the_second_time
class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        print("closed", flush=True)
try:
    with ending_at_once_the_second_time("again"):
        {code}
        signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
{after}
"""


@pytest.mark.parametrize(
    ("code", "after", "out"),
    [
        ("os.kill(os.getpid(), 2)", "", "interrupted"),
        ("Closing()", "", "closed interrupted"),  # Python would have swallowed it
        ("os.kill(os.getpid(), 2)", "os.kill(os.getpid(), 2)", "interrupted"),
    ],
)
def test_the_first_one_is_as_ever(code: str, after: str, out: str) -> None:
    """It is raised where it can be; and after the block all is as before."""
    done = run(HEAD.format(code=code, after=after))
    assert done.stdout.split() == out.split()
    assert done.returncode == (-signal.SIGINT if after else 0)


def test_the_second_one_ends_at_once() -> None:
    """No clean-up of Python's own is run, and the exit code says what it was."""
    code = "try: os.kill(os.getpid(), 2)\n        finally: os.kill(os.getpid(), 2)"
    done = run(HEAD.format(code=code, after=""))
    assert done.returncode == 130
    assert (done.stdout, done.stderr) == ("", "again\n")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """A Python program to its end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
