"""A target that we start: any command, in any language, that listens on the port it is given."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final, Protocol

from harness.errors import CouldNotRun
from harness.targets.ports import connect_error
from harness.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.supervisor import Process, Supervisor

_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.01
_PROBE_S: Final = 1.0
_SETUP_S: Final = 120.0


class Ready(Protocol):
    """When a target counts as ready: a GET of ``get`` is answered, or a mere connect works."""

    @property
    def get(self) -> str | None:
        """Path of the probe; None with ``tcp``."""

    @property
    def tcp(self) -> bool:
        """A connect is enough, since a probe can spend a limiter's budget."""

    @property
    def within(self) -> int:
        """Patience in ns of real time."""


class ProcessTarget:
    """A command under our supervisor.

    It is ready when its port accepts a connection and, with ``ready.get``, when a GET of that path
    gets a complete answer with a status below 500: a 404 shows that it serves as well as a 200.
    Redirects are not followed. It must stay in the foreground. Each start runs the setup commands
    again, in the same directory and with the same environment.

    Args:
        supervisor: owns its processes.
        command: program and arguments, all names filled in.
        env: what is added to (or replaces) :meth:`Supervisor.environment`; nothing else is given.
        cwd: where it and its setup run.
        ready: when it counts as ready.
        port: where it is going to listen, on 127.0.0.1.
        setup: commands that must end with 0, one after another, each within 120 s.
        name: what messages call it.
    """

    host: Final = _HOST

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        ready: Ready,
        port: int,
        setup: Sequence[Sequence[str]] = (),
        name: str = "the target",
    ) -> None:
        self.port: Final = port
        self._supervisor = supervisor
        self._command = tuple(command)
        self._env = supervisor.environment() | dict(env)
        self._cwd = cwd
        self._ready = ready
        self._setup = tuple(setup)
        self._name = name
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process while it lives, else None."""
        return self._process.pid if self._process is not None and self._process.alive() else None

    def pids(self) -> list[int]:
        """Its process and all that came from it, living; takes some ms."""
        if self._process is None or not self._process.alive():
            return []
        return [self._process.pid, *self._process.descendants()]

    def start(self) -> None:
        """Run the setup, start the command, wait until it is ready.

        Raises:
            CouldNotRun: it did not become ready, or ended; with its last lines of output.
        """
        self.stop()
        if connect_error(self.host, self.port) is None:
            raise CouldNotRun(f"port {self.port} is already served by somebody else")
        for command in self._setup:
            self._run_setup(command)
        self._process = self._start(self._command, self._name)
        self._wait(self._process)

    def stop(self) -> None:
        """End it with all that came from it; idempotent. Its output stays readable."""
        if self._process is not None:
            self._process.stop()

    def alive(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.alive()

    def output(self) -> str:
        """The last lines that it printed."""
        return "" if self._process is None else self._process.output()

    def _start(self, command: Sequence[str], name: str) -> Process:
        return self._supervisor.start(command, name=name, env=self._env, cwd=self._cwd)

    def _run_setup(self, command: Sequence[str]) -> None:
        process = self._start(command, "setup")
        until = time.monotonic() + _SETUP_S
        while process.alive() and time.monotonic() < until:
            time.sleep(_POLL_S)
        status = process.returncode()
        process.stop()
        said = f"the setup command {' '.join(command)!r}"
        if status is None:
            raise CouldNotRun(f"{said} did not end within {_SETUP_S:g} s", process.output())
        if status != 0:
            raise CouldNotRun(f"{said} {_ended(status)}", process.output())

    def _wait(self, process: Process) -> None:
        until = time.monotonic() + self._ready.within / NS_PER_S
        why = _no_connection(self.port)
        for probe in self._probes():
            while True:
                status = process.returncode()
                if status is not None:
                    process.stop()
                    raise CouldNotRun(
                        f"{self._name} {_ended(status)} before it was ready", process.output()
                    )
                if time.monotonic() > until:
                    process.stop()
                    patience_s = self._ready.within / NS_PER_S
                    reason = f"{self._name} did not become ready within {patience_s:g} s: {why}"
                    raise CouldNotRun(reason, process.output())
                answer = probe()
                if answer is None:
                    break
                why = answer
                time.sleep(_POLL_S)

    def _probes(self) -> list[Callable[[], str | None]]:
        def connects() -> str | None:
            error = connect_error(self.host, self.port, _PROBE_S)
            return None if error is None else f"no connection to port {self.port}: {_words(error)}"

        path = self._ready.get
        if path is None or self._ready.tcp:
            return [connects]
        return [connects, lambda: _get(f"http://{self.host}:{self.port}{path}")]


def _get(url: str) -> str | None:
    """Why a GET did not show that the target is ready; None if it did."""
    import httpx  # noqa: PLC0415 (slow; loaded while the target starts)

    try:
        answer = httpx.get(url, timeout=_PROBE_S, trust_env=False)
    except httpx.HTTPError as error:
        return f"GET {url}: {error or type(error).__name__}"
    return None if answer.status_code < 500 else f"GET {url} was answered with {answer.status_code}"


def _no_connection(port: int) -> str:
    return f"no connection to port {port}"


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit status {status}"
