"""Commands that must have run before a target starts."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.supervisor import Supervisor

_SETUP_S: Final = 120.0
_POLL_S: Final = 0.01


def run_setup(
    supervisor: Supervisor, commands: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path
) -> None:
    """Run commands one after another; each must end with 0 within 120 s.

    Args:
        supervisor: owns the processes.
        commands: program and arguments, all names filled in.
        env: the whole environment.
        cwd: where they run.
    Raises:
        CouldNotRun: one of them did not, with its last lines of output.
    """
    for command in commands:
        process = supervisor.start(command, name="setup", env=env, cwd=cwd)
        until = time.monotonic() + _SETUP_S
        while process.alive() and time.monotonic() < until:
            time.sleep(_POLL_S)
        status = process.returncode()
        process.stop()
        said = f"the setup command {' '.join(command)!r}"
        if status is None:
            raise CouldNotRun(f"{said} did not end within {_SETUP_S:g} s", process.output())
        if status != 0:
            raise CouldNotRun(f"{said} {how_it_ended(status)}", process.output())


def how_it_ended(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
