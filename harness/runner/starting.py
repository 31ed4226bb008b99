"""From a contract to the target that is started, or that runs already."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.client.tls import Trust
from harness.contract.load import LoadedContract
from harness.contract.model import Process, Ready
from harness.contract.names import Names, expand
from harness.contract.target import SOLE
from harness.supervisor import Supervisor
from harness.targets import AttachedTarget, ProcessTarget, SeveralProcesses, Target, free_port
from harness.targets.setup import run_setup

_LOCAL_NAME = "localhost"
"""Whom the certificate of a target that we start is for, if the contract names nobody."""


def make_target(
    loaded: LoadedContract,
    supervisor: Supervisor,
    urls: Mapping[str, str],
    clock: Mapping[str, str],
    allow: Collection[str],
) -> Target:
    """The target of a contract, not yet started.

    Args:
        loaded: the contract.
        supervisor: will own its processes, and gives its private folder.
        urls: where the running dependencies are that its command may name.
        clock: what the environment needs for a held clock; empty on the real one.
        allow: hosts outside loopback that an attached target may have.
    Raises:
        UsageError: the address of an attached target is neither on loopback nor allowed.
        CouldNotRun: no port is free, or the host cannot be resolved.
    """
    target = loaded.contract.target
    if target.url is not None:
        return AttachedTarget(target.url, allow=allow, trust=trust_of(loaded, {}))
    return _Starter(loaded, supervisor, urls, clock).make()


def trust_of(loaded: LoadedContract, names: Mapping[str, str]) -> Trust | None:
    """What the certificate of the target is checked against; None where it does not speak TLS."""
    target = loaded.contract.target
    host = urlsplit(target.url or f"//{_LOCAL_NAME}").hostname or _LOCAL_NAME
    is_secure = target.tls is not None or (target.url or "").startswith("https:")
    if not is_secure:
        return None
    if target.tls is None:
        return Trust(name=host)
    file = target.tls.trust
    known = Names.with_environment({"contract.dir": str(loaded.directory), **names}, os.environ)
    return Trust(
        name=target.tls.name or host,
        file=None if file is None else loaded.directory / expand(file, known),
    )


class _Starter:
    """Fills in what the processes of one start have in common."""

    def __init__(
        self,
        loaded: LoadedContract,
        supervisor: Supervisor,
        urls: Mapping[str, str],
        clock: Mapping[str, str],
    ) -> None:
        self._loaded = loaded
        self._target = target = loaded.contract.target
        self._supervisor = supervisor
        self._clock = clock
        self._ports: dict[str, int] = {}
        for name in target.started():
            self._ports[name] = free_port(avoid=self._ports.values())
        self._work = supervisor.fresh_directory("work")
        values = {
            "python": target.python or sys.executable,
            "port": str(self._ports[target.called()]),
            "contract.dir": str(loaded.directory),
            "work.dir": str(self._work),
        }
        values |= {f"{name}.url": url for name, url in urls.items()}
        values |= {f"{name}.port": str(port) for name, port in self._ports.items()}
        self._names = Names.with_environment(values, os.environ)

    def make(self) -> Target:
        target = self._target
        setup = [[expand(part, self._names) for part in command] for command in target.setup]
        started = target.started()
        if list(started) == [SOLE]:
            return self._part(SOLE, started[SOLE], "the target", setup)
        parts = {
            name: self._part(name, process, f"the process {name}", [])
            for name, process in started.items()
        }
        env = self._supervisor.environment() | self._environment({})
        return SeveralProcesses(
            list(parts.values()),
            parts[target.called()],
            lambda: run_setup(self._supervisor, setup, env, self._folder(None)),
        )

    def _part(
        self, name: str, process: Process, said: str, setup: list[list[str]]
    ) -> ProcessTarget:
        listens = name in self._target.listening()
        is_called = name == self._target.called()
        return ProcessTarget(
            self._supervisor,
            command=[expand(part, self._names) for part in process.command],
            env=self._environment(process.env),
            cwd=self._folder(process.cwd),
            ready=(process.ready or Ready()) if listens else None,
            port=self._ports[name],
            setup=setup,
            trust=trust_of(self._loaded, self._names) if is_called else None,
            name=said,
            folder=self._work,
        )

    def _environment(self, own: Mapping[str, str]) -> dict[str, str]:
        said = {**self._target.env, **own}
        return {name: expand(value, self._names) for name, value in said.items()} | dict(
            self._clock
        )

    def _folder(self, own: str | None) -> Path:
        folder = expand(own or self._target.cwd or "{contract.dir}", self._names)
        return (self._loaded.directory / folder).resolve()
