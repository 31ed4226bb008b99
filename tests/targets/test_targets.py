"""Targets: started until they are ready, or refused with the reason; attached ones left alone."""

from __future__ import annotations

import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import CouldNotRun, UsageError
from harness.supervisor import Supervisor
from harness.targets import AttachedTarget, ProcessTarget, Target, free_port
from harness.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PYTHON = [sys.executable, "-S", "-E", "-I", "-c"]
SERVER = """
import os, socket, sys
port, answers = int(sys.argv[1]), sys.argv[2:]
listener = socket.create_server(("127.0.0.1", port))
print("listening", os.getcwd(), os.environ.get("GIVEN"), flush=True)
while True:
    wire, _ = listener.accept()
    if wire.recv(4096):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        print("asked", answer, flush=True)
        wire.sendall(answer.encode().decode("unicode_escape").encode())
    wire.close()
"""


def status(number: int) -> str:
    return f"HTTP/1.1 {number} X\\r\\nContent-Length: 0\\r\\n\\r\\n"


@dataclass(frozen=True)
class Ready:
    get: str | None = None
    tcp: bool = False
    within: int = 10 * NS_PER_S


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, closed afterwards."""
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture
def make(supervisor: Supervisor, tmp_path: Path) -> Callable[..., ProcessTarget]:
    """A target whose command is a Python program; its port is the first argument."""

    def make(program: str, *arguments: str, **settings: Any) -> ProcessTarget:
        port = free_port()
        values: dict[str, Any] = {
            "command": [*PYTHON, program, str(port), *arguments],
            "env": {"GIVEN": "yes"},
            "cwd": tmp_path,
            "ready": Ready(),
            "port": port,
        }
        return ProcessTarget(supervisor, **values | settings)

    return make


def test_ready_by_a_mere_connect(make: Callable[..., ProcessTarget], tmp_path: Path) -> None:
    """It listens: that is enough, not a byte was sent to it; it runs where and with what it should."""
    target: Target = make(SERVER, status(200), ready=Ready(tcp=True, get="/ignored"))
    assert target.pid is None
    target.start()
    assert target.alive()
    assert target.output() == f"listening {tmp_path} yes"
    with closing(socket.create_connection((target.host, target.port))):
        pass


def test_ready_by_an_answer(make: Callable[..., ProcessTarget]) -> None:
    """5xx, garbage and closed connections are not ready yet; a 404 serves."""
    target = make(SERVER, status(503), "SSH-2.0", status(404), ready=Ready(get="/healthz"))
    target.start()
    assert target.output().splitlines()[1:] == [
        "asked " + a for a in (status(503), "SSH-2.0", status(404))
    ]


def test_start_stop_and_start_again(make: Callable[..., ProcessTarget]) -> None:
    """A stopped target is gone, its output stays; started again it is another process on the same port."""
    target = make(SERVER, status(200))
    target.start()
    first = target.pid
    target.stop()
    target.stop()
    assert (target.pid, target.alive(), target.pids()) == (None, False, [])
    assert "listening" in target.output()
    target.start()
    assert target.pid not in (None, first)
    assert target.pids() == [target.pid]


def test_setup_runs_before_each_start(make: Callable[..., ProcessTarget], tmp_path: Path) -> None:
    """Setup commands run in order, in the target's directory and environment."""
    add = [
        *PYTHON,
        "import os, sys; open('log', 'a').write(sys.argv[1] + os.environ['GIVEN'] + ' ')",
    ]
    target = make(SERVER, status(200), setup=[[*add, "a"], [*add, "b"]])
    target.start()
    target.start()
    assert (tmp_path / "log").read_text() == "ayes byes ayes byes "


@pytest.mark.parametrize(
    ("program", "reason", "output"),
    [
        (
            "print('bad config'); raise SystemExit(3)",
            "ended with exit status 3 before it was ready",
            "bad config",
        ),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV before it was ready", ""),
        ("import os; os.fork() and os._exit(0)\nimport time; time.sleep(99)", "exit status 0", ""),
        (
            "import time; print('hm', flush=True); time.sleep(99)",
            "within 0.3 s: no connection.* refused",
            "hm",
        ),
    ],
)
def test_what_does_not_become_ready(
    make: Callable[..., ProcessTarget], program: str, reason: str, output: str
) -> None:
    """Whatever goes wrong at the start is told, with the last lines of output, and nothing is left."""
    target = make(program, ready=Ready(within=3 * NS_PER_S // 10))
    if "exit" in reason or "SIG" in reason:
        target = make(program)
    with pytest.raises(CouldNotRun, match=reason) as error:
        target.start()
    assert error.value.output == output
    assert target.pids() == []


def test_one_that_is_up_and_never_healthy(make: Callable[..., ProcessTarget]) -> None:
    """The last answer of the probe is the reason."""
    target = make(SERVER, status(500), ready=Ready(get="/up", within=NS_PER_S // 3))
    with pytest.raises(CouldNotRun, match=r"GET http://127.*/up was answered with 500"):
        target.start()


@pytest.mark.parametrize(("code", "said"), [("raise SystemExit('no table')", "exit status 1")])
def test_a_setup_that_fails(make: Callable[..., ProcessTarget], code: str, said: str) -> None:
    """The target is not started, and the setup's output is shown."""
    target = make(SERVER, status(200), setup=[[*PYTHON, code]])
    with pytest.raises(CouldNotRun, match=said) as error:
        target.start()
    assert error.value.output == "no table"
    assert not target.alive()


def test_a_program_that_does_not_exist(make: Callable[..., ProcessTarget]) -> None:
    """A wrong command is told by name."""
    with pytest.raises(CouldNotRun, match="no program 'no-such-server'"):
        make("", command=["no-such-server"]).start()


def test_a_port_that_somebody_else_serves(make: Callable[..., ProcessTarget]) -> None:
    """A stranger on the port would pass for the target: it is not started."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        target = make(SERVER, status(200), port=other.getsockname()[1])
        with pytest.raises(CouldNotRun, match="already served"):
            target.start()


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "localhost"), ("::1", "[::1]"), ("127.0.0.1", "127.1.2.3")]
)
def test_attached_on_loopback(host: str, url: str) -> None:
    """Names and addresses of this machine are spoken with, and never ended."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    host = "0.0.0.0" if url == "127.1.2.3" else host
    with closing(socket.create_server((host, 0), family=family)) as server:
        target: Target = AttachedTarget(f"http://{url}:{server.getsockname()[1]}/")
        target.start()
        target.stop()
        assert target.alive()
        assert (target.pid, target.output()) == (None, "")
        assert target.host in ("127.0.0.1", "::1", "127.1.2.3")


def test_nothing_is_attached_where_nobody_listens() -> None:
    """A start says so."""
    target = AttachedTarget(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(CouldNotRun, match="nothing answers at 127"):
        target.start()
    assert not target.alive()


def test_other_machines_need_to_be_allowed() -> None:
    """Without ``--allow`` no other machine is spoken with; with it, by name or address."""
    with pytest.raises(UsageError, match=r"give --allow 192\.0\.2\.7"):
        AttachedTarget("http://192.0.2.7:8000")
    with pytest.raises(UsageError, match="--allow"):
        AttachedTarget("http://0.0.0.0:8000", allow=["192.0.2.7"])
    target = AttachedTarget("http://192.0.2.7:8000", allow=["192.0.2.7"])
    assert (target.host, target.port) == ("192.0.2.7", 8000)


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost",
        "localhost:80",
        "http://",
        "http://a:b",
        "http://localhost/api",
        "http://u@localhost",
    ],
)
def test_urls_that_are_not_understood(url: str) -> None:
    """Scheme, host and port: anything more is refused rather than ignored."""
    with pytest.raises(UsageError, match=r"URL|must be"):
        AttachedTarget(url)


def test_a_name_that_nobody_knows() -> None:
    """It could not run; nobody is accused."""
    with pytest.raises(CouldNotRun, match="cannot be resolved"):
        AttachedTarget("http://no-such-host.invalid")


def test_free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free, below those of clients, none that was to be avoided, and none that somebody listens on."""
    port = free_port()
    assert 20_000 <= port < 32_768
    monkeypatch.setattr("harness.targets.ports._PORTS", range(port, port + 1))
    assert free_port() == port
    with pytest.raises(CouldNotRun, match="no free port"):
        free_port(avoid={port})
    for host in ("127.0.0.1", "127.9.9.9", "::1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with closing(socket.create_server((host, port), family=family)), pytest.raises(CouldNotRun):
            free_port()
