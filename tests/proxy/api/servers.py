"""Our proxy and, where its binary is, the real one: started, spoken to by hand, ended."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.targets.ports import connect_error, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]
REAL_VERSION = "2.12.0"
PATIENCE_S = 10.0
_CHOSEN = re.compile(r"(?:127\.0\.0\.1|\[::1?\]):(\d{5})")
_NUMBER = re.compile(r"\b\d{4,5}\b")
NO_REAL = (
    f"Toxiproxy {REAL_VERSION} is not here: set STORMPROOF_TOXIPROXY to its binary, "
    f"or put it on PATH as toxiproxy-server"
)


@dataclass(frozen=True)
class Answer:
    """An answer as it came.

    Attributes:
        headers: by lower-case name.
        body: with the server's ports written as ``{p1}`` and so on.
    """

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


@dataclass
class Server:
    """A server's control plane.

    Attributes:
        is_real: Toxiproxy itself.
        ports: numbers for the names that stand in braces in requests and answers.
    """

    port: int
    is_real: bool
    pid: int
    ports: dict[str, int] = field(default_factory=dict)
    _wire: http.client.HTTPConnection | None = None

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self.port}"

    def fill(self, text: str) -> str:
        """``{p1}`` becomes a number."""
        for name, port in self.ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        return text

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection that is kept; a body that is no text is sent as JSON."""
        text = body if isinstance(body, str | bytes | None) else json.dumps(body)
        data = self.fill(text).encode() if isinstance(text, str) else text
        wire = self._wire or http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self._wire = wire
        given = dict(headers or {})
        wire.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            wire.putheader(name, value)
        if data is not None:
            wire.putheader("Content-Length", str(len(data)))
        wire.endheaders(data)
        answer = wire.getresponse()
        said = answer.read().decode()
        said = self.hide(said)
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, said)

    def hide(self, text: str) -> str:
        """Numbers become ``{p1}``; ports that the system chose become ``{r0}`` and so on, as they come."""
        for port in _CHOSEN.findall(text):
            if int(port) not in self.ports.values() and int(port) > 32_767:
                chosen = sum(name.startswith("r") for name in self.ports)
                self.ports[f"r{chosen}"] = int(port)
        names = {str(port): f"{{{name}}}" for name, port in self.ports.items()}
        return _NUMBER.sub(lambda found: names.get(found[0], found[0]), text)

    def clear(self) -> None:
        """No proxies."""
        for name in self.ask("GET", "/proxies").json:
            assert self.ask("DELETE", f"/proxies/{quoted(name)}").status == 204
        self.ports = {name: port for name, port in self.ports.items() if not name.startswith("r")}

    def close(self) -> None:
        """End the connection; the server stays."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def quoted(name: str) -> str:
    """A name in a path."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-_.~") else _escaped(char)
        for char in name
    )


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def real_binary() -> str | None:
    """Where the real server is, if it is of the right version."""
    gobin = os.environ.get("GOBIN") or str(
        Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin"
    )
    named = os.environ.get("STORMPROOF_TOXIPROXY")
    for place in (
        named,
        shutil.which("toxiproxy-server"),
        f"{gobin}/toxiproxy-server",
        f"{gobin}/server",
    ):
        if place and os.access(place, os.X_OK):
            said = subprocess.run([place, "-version"], capture_output=True, text=True, check=False)
            if said.stdout.strip().endswith(REAL_VERSION):
                return place
    return None


@contextmanager
def ours(*options: str, before: tuple[str, ...] = ()) -> Iterator[Server]:
    """Our own, on a free port; ``before`` stands before its command."""
    command = [*before, sys.executable, "-m", "harness.proxy", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://[\d.]+:(\d+)", line)
            assert found, line
            server = Server(int(found[1]), is_real=False, pid=process.pid)
            yield server
            server.close()
        finally:
            process.terminate()
            code = process.wait(PATIENCE_S)
        assert code == 0, "it ends by itself, whatever it was asked"


@contextmanager
def real(binary: str, *options: str) -> Iterator[Server]:
    """The real one, on a free port."""
    port = free_port()
    command = [binary, "-port", str(port), *options]
    env = os.environ | {"LOG_LEVEL": "error"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) as process:
        try:
            end_s = time.monotonic() + PATIENCE_S
            while connect_error("127.0.0.1", port) is not None:
                assert time.monotonic() < end_s
                assert process.poll() is None
                time.sleep(0.005)
            server = Server(port, is_real=True, pid=process.pid)
            yield server
            server.close()
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def with_ports(server: Server) -> Iterator[Server]:
    """``{p1}`` to ``{p4}`` are free, ``{busy}`` is taken, ``{api}`` is the server's own."""
    with socket.create_server(("127.0.0.1", free_port())) as busy:
        server.ports = {"busy": busy.getsockname()[1], "api": server.port}
        for name in ("p1", "p2", "p3", "p4"):
            server.ports[name] = free_port(tuple(server.ports.values()))
        yield server
