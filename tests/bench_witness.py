"""``python -m tests.bench_witness``: how fast a witness is. Figures; no test asserts them."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from harness.clock.held import HeldClock
from harness.supervisor import Supervisor
from harness.witness.handle import Witness

REQUEST = (
    b"GET /find?q=word HTTP/1.1\r\nHost: search.local:8080\r\nUser-Agent: bench/1.0\r\n"
    b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    b"X-Request-ID: sp-00c0ffee-%d\r\n\r\n"
)
ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def cpu_s(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connected(port: int) -> socket.socket:
    """A connection without delay."""
    wire = socket.create_connection(("127.0.0.1", port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def size_of_answer(wire: socket.socket) -> int:
    """In bytes."""
    wire.sendall(REQUEST % 0)
    return len(wire.recv(65536))


def throughput(
    port: int, pid: int, *, connections: int, batch: int, rounds: int
) -> tuple[float, float]:
    """Requests a second of real time, and of the witness's processor time."""
    with ExitStack() as stack:
        wires = [stack.enter_context(closing(connected(port))) for _ in range(connections)]
        sizes = [size_of_answer(wire) for wire in wires]
        wanted = sizes[0] * batch
        data = b"".join(REQUEST % number for number in range(batch))
        began_s, began_cpu_s = time.monotonic(), cpu_s(pid)
        for _ in range(rounds):
            for wire in wires:
                wire.sendall(data)
            for wire in wires:
                left = wanted
                while left:
                    left -= len(wire.recv(min(left, 1 << 20)))
        requests = rounds * connections * batch
        return requests / (time.monotonic() - began_s), requests / (cpu_s(pid) - began_cpu_s)


def latency_us(port: int, requests: int = 5_000) -> tuple[float, float]:
    """Median and 99th percentile of request and answer on one connection."""
    with closing(connected(port)) as wire:
        size_of_answer(wire)
        took = []
        for _ in range(requests):
            began_ns = time.perf_counter_ns()
            wire.sendall(REQUEST % 1)
            wire.recv(65536)
            took.append((time.perf_counter_ns() - began_ns) / 1000)
    return statistics.median(took), sorted(took)[int(0.99 * requests)]


@contextmanager
def echo() -> Iterator[int]:
    """The least that asyncio can do."""
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def figures(witness: Witness) -> None:
    """Print what one witness can do."""
    assert witness.pid is not None
    for connections, batch, rounds in ((8, 32, 80), (32, 1, 500), (256, 1, 60)):
        real, cpu = throughput(
            witness.port, witness.pid, connections=connections, batch=batch, rounds=rounds
        )
        print(
            f"  {connections} connections, {batch} requests at once on each: {real:,.0f} requests a "
            f"second, {cpu:,.0f} a second of its processor"
        )
        began_s = time.monotonic()
        count = len(witness.arrivals())
        print(f"  {count} arrivals known after {time.monotonic() - began_s:.2f} s")
    print("  one connection: {:.0f} us, 99 % in {:.0f} us".format(*latency_us(witness.port)))


def main() -> None:
    """Print every figure."""
    with echo() as port:
        print("bare asyncio echo: {:.0f} us, 99 % in {:.0f} us".format(*latency_us(port)))
    with Supervisor() as supervisor, tempfile.TemporaryDirectory() as folder:
        starts = []
        for _ in range(5):
            witness = Witness(supervisor, "search", {})
            began_s = time.monotonic()
            witness.start()
            starts.append(time.monotonic() - began_s)
            witness.stop()
        print(f"witness ready after {1000 * statistics.median(starts):.0f} ms (median of 5)")
        witness.start()
        print("real time:")
        figures(witness)
        witness.stop()
        with HeldClock(Path(folder)) as clock:
            held = Witness(supervisor, "held", clock.environment())
            held.start()
            clock.freeze()
            print("frozen clock:")
            figures(held)
            clock.release()
            held.stop()


if __name__ == "__main__":
    main()
