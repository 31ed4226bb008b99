"""What is examined: a process that we start, or something that runs already."""

from __future__ import annotations

from typing import Protocol

from harness.targets.attached import AttachedTarget
from harness.targets.ports import free_port
from harness.targets.process import ProcessTarget, Ready

__all__ = ["AttachedTarget", "ProcessTarget", "Ready", "Target", "free_port"]


class Target(Protocol):
    """Something that answers HTTP at ``host`` (an IP address) and ``port``."""

    @property
    def host(self) -> str:
        """The IP address, resolved once."""

    @property
    def port(self) -> int:
        """The TCP port."""

    @property
    def pid(self) -> int | None:
        """The process that was started; None where it is not ours or does not run."""

    def start(self) -> None:
        """Make it answer, or raise CouldNotRun."""

    def stop(self) -> None:
        """End it, if it is ours."""

    def alive(self) -> bool:
        """Whether it has not ended."""

    def output(self) -> str:
        """Its last lines, made harmless; empty where it is not ours."""
