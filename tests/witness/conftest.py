"""Witnesses, in real time and on a clock that stands still, and clients by hand."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from harness.clock.errors import ClockUnavailable
from harness.clock.held import HeldClock
from harness.supervisor import Supervisor
from harness.witness.handle import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 10.0
MS_NS = 1_000_000
SECOND_NS = 1_000_000_000


def until(reached: Callable[[], bool]) -> bool:
    """Look again and again, for 10 s at most."""
    end_s = time.monotonic() + PATIENCE_S
    while not reached():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.002)
    return True


def rest(clock: HeldClock) -> None:
    """Nobody does anything any more, unless time moves or we act."""
    assert clock.settle(PATIENCE_S), clock.state()


def get(path: str = "/", *headers: str, method: str = "GET", body: str = "") -> bytes:
    """A request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", body]).encode()


class Client:
    """One connection, by hand."""

    def __init__(self, witness: Witness) -> None:
        self.wire = socket.create_connection(("127.0.0.1", witness.port), PATIENCE_S)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, data: bytes) -> None:
        self.wire.sendall(data)

    def ask(self, *words: str) -> tuple[int, dict[str, str], str]:
        """Send a GET and read its answer."""
        self.send(get(*words))
        return self.answer()

    def answer(self, *, has_body: bool = True) -> tuple[int, dict[str, str], str]:
        """Status, headers and body of the next whole answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, rest = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
        length = int(headers.get("content-length", 0)) if has_body else 0
        self._read = rest
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return int(first.split()[1]), headers, body.decode()

    def rest(self) -> tuple[bytes, str]:
        """All bytes until the other end closes, and how it does."""
        try:
            while True:
                self._more()
        except ConnectionResetError:
            return self._read, "reset"
        except EOFError:
            return self._read, "close"

    def silent(self) -> bool:
        """Whether nothing has come."""
        return not select.select([self.wire], [], [], 0)[0]

    def came(self) -> bytes:
        """What has come so far."""
        self.wire.setblocking(False)
        with suppress(BlockingIOError):
            self._read += self.wire.recv(1 << 20)
        self.wire.settimeout(PATIENCE_S)
        return self._read

    def _more(self) -> None:
        part = self.wire.recv(1 << 16)
        if not part:
            raise EOFError
        self._read += part

    def close(self) -> None:
        self.wire.close()

    def reset(self) -> None:
        """Go away with a reset."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.wire.close()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """A supervisor, closed afterwards."""
    with Supervisor() as supervisor:
        yield supervisor


@pytest.fixture
def witness(supervisor: Supervisor) -> Witness:
    """A running witness in real time."""
    witness = Witness(supervisor, "search", {})
    witness.start()
    return witness


@pytest.fixture
def connect(witness: Witness) -> Iterator[Callable[[], Client]]:
    """Makes clients of the witness; closed afterwards."""
    yield from clients(witness)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[HeldClock]:
    """A held clock of the test's own."""
    try:
        held = HeldClock(tmp_path)
    except ClockUnavailable as error:
        pytest.skip(str(error))
    with held:
        yield held


@pytest.fixture
def frozen(supervisor: Supervisor, clock: HeldClock) -> Iterator[Witness]:
    """A running witness whose time stands still."""
    witness = Witness(supervisor, "search", clock.environment())
    witness.start()
    clock.freeze()
    yield witness
    clock.release()


@pytest.fixture
def call(frozen: Witness) -> Iterator[Callable[[], Client]]:
    """Makes clients of the witness whose time stands still; closed afterwards."""
    yield from clients(frozen)


def clients(witness: Witness) -> Iterator[Callable[[], Client]]:
    """One fixture's clients."""
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(witness))
        return made[-1]

    yield make
    for client in made:
        client.close()
