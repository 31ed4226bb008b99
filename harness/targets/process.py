"""A target that we start: any command, in any language, that listens on the port it is given."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from harness.client.tls import Secured, Trust
from harness.errors import CouldNotRun
from harness.targets.ports import connect_error
from harness.targets.setup import how_it_ended, run_setup
from harness.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.supervisor import Process, Supervisor

_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.01
_PROBE_S: Final = 1.0


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
        ready: when it counts as ready; None for one that listens nowhere: it need only run.
        port: where it is going to listen, on 127.0.0.1.
        setup: commands that must end with 0, one after another, each within 120 s.
        trust: what its certificate is checked against; None where it does not speak TLS.
        name: what messages call it.
        folder: its private one, where it keeps what it has to keep; None where it has none.
    Attributes:
        prefix: put before the command at its next start: a program that becomes it.
    """

    host: Final = _HOST

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        command: Sequence[str],
        env: Mapping[str, str],
        cwd: Path,
        ready: Ready | None,
        port: int,
        setup: Sequence[Sequence[str]] = (),
        trust: Trust | None = None,
        name: str = "the target",
        folder: Path | None = None,
    ) -> None:
        self.port: Final = port
        self.name: Final = name
        self.folder: Final = folder
        self.prefix: tuple[str, ...] = ()
        self.secured: Secured | None = None
        self._supervisor = supervisor
        self._command = tuple(command)
        self._env = supervisor.environment() | dict(env)
        self._cwd = cwd
        self._ready = ready
        self._setup = tuple(setup)
        self._trust = trust
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

    def start(self, *, fresh: bool = True) -> None:
        """Run the setup, start the command, wait until it is ready.

        Args:
            fresh: run the setup; a target that comes back after a crash does not.
        Raises:
            CouldNotRun: it did not become ready, or ended; with its last lines of output.
        """
        self.stop()
        if self.listens and connect_error(self.host, self.port) is None:
            raise CouldNotRun(f"port {self.port} is already served by somebody else")
        if fresh:
            run_setup(self._supervisor, self._setup, self._env, self._cwd)
        self._process = self._supervisor.start(
            [*self.prefix, *self._command], name=self.name, env=self._env, cwd=self._cwd
        )
        try:
            self._wait(self._process)
        except BaseException:
            self._process.stop()
            raise

    def stop(self) -> None:
        """End it with all that came from it; idempotent. Its output stays readable."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL for it and all that came from it; idempotent."""
        if self._process is not None:
            self._process.kill()

    def alive(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.alive()

    def output(self) -> str:
        """The last lines that it printed."""
        return "" if self._process is None else self._process.output()

    def parts(self) -> tuple[ProcessTarget, ...]:
        """The processes that make up the service: this one."""
        return (self,)

    @property
    def listens(self) -> bool:
        """Whether anybody can connect to it."""
        return self._ready is not None

    def check_alive(self) -> None:
        """Raise CouldNotRun, with its last output, if it has ended."""
        if not self.alive():
            raise CouldNotRun(f"{self.name} ended while it was being tried", self.output())

    def poke(self) -> None:
        """Make it work once, with a GET from 127.0.0.1; what it answers does not matter."""
        if self._ready is not None:
            self._get(self._ready.get or "/", patience_s=5.0)

    def _wait(self, process: Process) -> None:
        if self._ready is None:
            return
        until = time.monotonic() + self._ready.within / NS_PER_S
        for probe in (self._connects, self._shakes_hands, self._answers):
            while (why := probe()) is not None:
                self._check_not_ended(process)
                if time.monotonic() > until:
                    patience_s = self._ready.within / NS_PER_S
                    reason = f"{self.name} did not become ready within {patience_s:g} s: {why}"
                    raise CouldNotRun(reason, process.output())
                time.sleep(_POLL_S)
        self._check_not_ended(process)

    def _check_not_ended(self, process: Process) -> None:
        status = process.returncode()
        if status is not None:
            said = f"{self.name} {how_it_ended(status)} before it was ready"
            process.stop()  # all that it printed is read then
            raise CouldNotRun(said, process.output())

    def _connects(self) -> str | None:
        error = connect_error(self.host, self.port, _PROBE_S)
        return None if error is None else f"no connection to port {self.port}: {_words(error)}"

    def _shakes_hands(self) -> str | None:
        """TLS, where it is spoken; the files of trust may have been made by the start."""
        if self._trust is None:
            return None
        self.secured = Secured.by(self._trust)
        assert self.secured is not None
        return self.secured.check(self.host, self.port, _PROBE_S)

    def _answers(self) -> str | None:
        if self._ready is None or self._ready.get is None or self._ready.tcp:
            return None
        return self._get(self._ready.get, patience_s=_PROBE_S)

    def _get(self, path: str, *, patience_s: float) -> str | None:
        """Why a GET did not show that the target is ready; None if it did."""
        import httpx  # noqa: PLC0415 (slow; loaded while the target starts)

        secured = self.secured
        url = f"{'http' if secured is None else 'https'}://{self.host}:{self.port}{path}"
        client = httpx.Client(
            timeout=patience_s, trust_env=False, verify=True if secured is None else secured.context
        )
        named = {} if secured is None else {"sni_hostname": secured.name}
        try:
            with client:
                answer = client.get(url, extensions=named)
        except httpx.HTTPError as error:
            return f"GET {url}: {error or type(error).__name__}"
        status = answer.status_code
        return None if status < 500 else f"GET {url} was answered with {status}"


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
