"""What is examined: a process that we start, or something that runs already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.client.tls import Secured
from harness.targets.attached import AttachedTarget
from harness.targets.ports import free_port
from harness.targets.process import ProcessTarget, Ready
from harness.targets.several import SeveralProcesses

__all__ = [
    "AttachedTarget",
    "ProcessTarget",
    "Ready",
    "SeveralProcesses",
    "Target",
    "free_port",
]


class Target(Protocol):
    """Something that answers HTTP at ``host`` (an IP address) and ``port``."""

    @property
    def host(self) -> str:
        """The IP address, resolved once."""

    @property
    def port(self) -> int:
        """The TCP port."""

    @property
    def secured(self) -> Secured | None:
        """How it speaks TLS, once it has started; None for plain HTTP."""

    @property
    def pid(self) -> int | None:
        """The process that is called; None where it is not ours or does not run."""

    def parts(self) -> Sequence[ProcessTarget]:
        """The processes that we start; none where it is not ours."""

    def start(self, *, fresh: bool = True) -> None:
        """Make it answer, or raise CouldNotRun; ``fresh`` says whether it is set up before."""

    def stop(self) -> None:
        """End it, if it is ours."""

    def kill(self) -> None:
        """SIGKILL, if it is ours."""

    def alive(self) -> bool:
        """Whether it has not ended, nor any part of it."""

    def check_alive(self) -> None:
        """Raise CouldNotRun, naming the process that has ended, with its last output."""

    def output(self) -> str:
        """Its last lines, made harmless; empty where it is not ours."""
