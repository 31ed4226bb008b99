"""``stormproof doctor``: what this machine can do, and what each lack costs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from harness.clock.build import find_or_build
from harness.clock.held import HeldClock
from harness.errors import HarnessError
from harness.nemesis import support
from harness.runner.callers import can_call_from
from harness.services.valkey import find_binary
from harness.supervisor import Supervisor
from harness.sweep import Standing, gather, preview
from harness.units import NS_PER_S

_READ = "import time; print(time.monotonic_ns())"
_LEAP_NS = 100 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Finding:
    """One ability of the machine.

    Attributes:
        name: what it is called.
        there: whether it works here.
        said: where it was found, or why it is missing.
        cost: what its lack costs; empty where it is there.
    """

    name: str
    there: bool
    said: str
    cost: str = ""


def examine() -> int:
    """Print a line for each ability; 0, for a lack is no error."""
    console = Console(highlight=False)
    for finding in findings():
        mark = "[green]yes[/]" if finding.there else "[yellow] no[/]"
        console.print(f"{mark}  {finding.name:<16} {escape(finding.said)}", soft_wrap=True)
        if not finding.there:
            console.print(f"     {'':<16} [dim]{escape(finding.cost)}[/]", soft_wrap=True)
    return 0


def findings() -> Iterator[Finding]:
    """Everything that is looked at; nothing is changed."""
    yield Finding("Python", True, f"{platform.python_version()} at {sys.executable}")
    yield _tried("held clock", _held_clock, "verification takes the real time that windows last")
    yield _tried(
        "valkey", lambda: str(find_binary(os.environ)), "contracts with kind: valkey cannot run"
    )
    yield Finding(
        "source addresses",
        can_call_from("127.64.0.1"),
        "127.0.0.0/8 can be called from",
        "promises with key: ip need a loopback network of many addresses (Linux)",
    )
    yield _allowed(
        "limits", support.limits(), "a service can be put short of descriptors and of memory"
    )
    yield _allowed("small disks", support.small_disks(), "the disk of a service can be filled")
    yield _program("docker", "targets in containers cannot be started", "info", "-f", "{{.ID}}")
    yield _program("node", "Node targets and the Allure report cannot be made", "--version")
    yield _chromium()
    yield _leftovers()


def _allowed(name: str, refused: str | None, said: str) -> Finding:
    """What faults need of this system."""
    if refused is None:
        return Finding(name, True, said)
    return Finding(name, False, refused, "plans with that fault are unknown, with this reason")


def _leftovers() -> Finding:
    """Whether dead runs left anything; looked at only."""
    dead = [run for run in gather() if run.standing is Standing.DEAD]
    if not dead:
        return Finding("nothing left", True, "no earlier run left anything behind")
    things = [line for run in dead for line in preview(run)]
    said = f"{len(dead)} dead {'run' if len(dead) == 1 else 'runs'} left {'; '.join(things)}"
    cost = "processes and disk that nobody uses; stormproof sweep removes them"
    return Finding("nothing left", False, said, cost)


def _held_clock() -> str:
    """Prove it: a fresh interpreter must read the time that we set."""
    library = find_or_build()
    with Supervisor() as supervisor, HeldClock(supervisor.fresh_directory("clock")) as clock:
        clock.freeze()
        clock.advance(_LEAP_NS)
        environment = clock.environment()
        read = subprocess.run(
            [sys.executable, "-S", "-E", "-c", _READ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        if int(read.stdout) != clock.now_ns():
            raise HarnessError("a program did not read the time that was set")
    return f"with {library}"


def _tried(name: str, attempt: Callable[[], str], cost: str) -> Finding:
    try:
        return Finding(name, True, attempt())
    except (HarnessError, OSError, subprocess.SubprocessError, ValueError) as error:
        return Finding(name, False, str(error), cost)


def _program(name: str, cost: str, *arguments: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, False, "not found on PATH", cost)
    try:
        said = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        lines = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return Finding(name, False, f"{path} does not work: {lines[0] if lines else error}", cost)
    return Finding(name, True, f"{path} ({said.stdout.strip()})")


def _chromium() -> Finding:
    cost = "reports cannot be looked at in tests"
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return Finding("chromium", True, path)
    return Finding("chromium", False, "not found on PATH", cost)
