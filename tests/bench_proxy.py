"""``python -m tests.bench_proxy [ROUNDS]``: the fault proxy beside Toxiproxy. Figures; no test asserts them.

All variants run in random order within each round, with a generator, an echo and a sink in C; medians over
the rounds. CPU is what all threads of the proxy's process ran. Without a compiler there are no figures;
without Toxiproxy's binary (STORMPROOF_TOXIPROXY) there is nothing to compare with.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.proxy.api.servers import ours, real, real_binary
from tests.proxy.data.proxied import Control

BULK_MIB = 256
PINGS = 5000
PINGS_EACH = 150
CHURNS = 600
IDLE = 1000
STALLED = 10
SOURCE = Path(__file__).parent / "proxy" / "load.c"
Figures = dict[str, float]


@dataclass(frozen=True)
class Variant:
    """A way to the echo and the sink; without a process of a proxy it is direct."""

    name: str
    echo: int
    sink: int
    pid: int = 0


def cpu_s(pid: int) -> float:
    """What all threads of a process ran."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_mib(pid: int) -> float:
    """Its memory."""
    return (
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    )


def load(program: str, *words: object) -> list[float]:
    """What the generator prints."""
    command = [program, *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return [float(word) for word in done.stdout.split()]


@contextmanager
def served(program: str, what: str) -> Iterator[int]:
    """Echo or sink; its port."""
    with subprocess.Popen([program, what], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.terminate()


def proxied(control: Control, name: str, port: int, toxic: str = "") -> int:
    """The port of a new proxy before ``port``, with a toxic in both directions."""
    body = {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{port}"}
    made = control.ask("POST", "/proxies", body).json
    for stream in ("upstream", "downstream") if toxic else ():
        control.ask("POST", f"/proxies/{name}/toxics", {"type": toxic, "stream": stream})
    return int(made["listen"].rpartition(":")[2])


def measured(program: str, variant: Variant) -> Figures:
    """One round of one variant."""
    figures: Figures = {}

    def cpu_of(act: Callable[[], list[float]]) -> tuple[list[float], float]:
        before = cpu_s(variant.pid) if variant.pid else 0.0
        found = act()
        return found, (cpu_s(variant.pid) if variant.pid else 0.0) - before

    for connections in (1, 8):
        (span_s,), used_s = cpu_of(
            lambda n=connections: load(program, "bulk", variant.sink, n, BULK_MIB)
        )
        figures[f"bulk, {connections}: MB/s"] = BULK_MIB * 1.048576 / span_s
        figures[f"bulk, {connections}: CPU s per GB"] = used_s / (BULK_MIB * 1.048576e-3)
    for connections, count in ((1, PINGS), (64, PINGS_EACH)):
        (_, *spans), used_s = cpu_of(
            lambda n=connections, k=count: load(program, "ping", variant.echo, n, k)
        )
        for name, span_us in zip(("p50", "p99", "p99.9"), spans, strict=True):
            figures[f"ping, {connections}: {name} µs"] = span_us
        figures[f"ping, {connections}: CPU µs each"] = used_s * 1e6 / (connections * count)
    (span_s,), used_s = cpu_of(lambda: load(program, "churn", variant.echo, CHURNS))
    figures["connect, byte, close: per s"] = CHURNS / span_s
    figures["connect, byte, close: CPU µs each"] = used_s * 1e6 / CHURNS
    return figures


def table(rounds: list[dict[str, Figures]]) -> list[str]:
    """Medians, and how far the middle half of the rounds is spread."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in rounds:
        for variant, figures in one.items():
            for row, value in figures.items():
                found[row][variant].append(value)
    names = sorted({name for one in rounds for name in one}, key=list(rounds[0]).index)
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row, values in found.items():
        cells = [_cell(values[name]) for name in names]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return lines


def _cell(values: list[float]) -> str:
    middle = statistics.median(values)
    if not middle:
        return ""
    digits = 2 if middle < 10 else 0
    if len(values) < 4:
        return f"{middle:,.{digits}f}"
    low, _, high = statistics.quantiles(values, n=4)
    return f"{middle:,.{digits}f} ±{50 * (high - low) / middle:.0f}%"


def memory(control: Control, echo: int, sink: int) -> Figures:
    """With idle links, and behind latency with readers that have stopped."""
    port = proxied(control, "idle", echo)
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        time.sleep(0.5)
        idle = resident_mib(control.pid)
    with ExitStack() as stack:
        upstream = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = proxied(control, "stalled", upstream.getsockname()[1])
        body = {"type": "latency", "attributes": {"latency": 1}}
        control.ask("POST", "/proxies/stalled/toxics", body)
        for _ in range(STALLED):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            far = stack.enter_context(upstream.accept()[0])
            client.settimeout(5)
            far.settimeout(0.3)
            try:
                while True:
                    far.sendall(bytes(1 << 20))
            except TimeoutError:
                pass
        stalled = resident_mib(control.pid)
        spans = sorted(_span_s(lambda: control.ask("GET", "/proxies")) for _ in range(300))
        removed_s = _span_s(lambda: _removed(control))
    return {
        f"MiB, {IDLE} idle links": idle,
        f"MiB, {STALLED} stalled readers": stalled,
        "GET /proxies meanwhile: p99 ms": spans[-3] * 1e3,
        "removing their toxic: ms": removed_s * 1e3,
    }


def _removed(control: Control) -> None:
    """Toxiproxy answers after 25 s, if at all: it is not waited for."""
    with suppress(TimeoutError):
        control.ask("DELETE", "/proxies/stalled/toxics/latency_downstream")


def _span_s(act: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    act()
    return time.perf_counter() - start_s


def main(rounds: int = 5) -> None:
    """Print the table."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("no C compiler: the proxy is not measured")
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        program = f"{folder}/load"
        subprocess.run([compiler, "-O2", "-o", program, str(SOURCE)], check=True)
        echo, sink = (stack.enter_context(served(program, what)) for what in ("echo", "sink"))
        servers = {"ours": stack.enter_context(ours("--seed", "7"))}
        binary = real_binary()
        if binary is not None:
            servers["Toxiproxy"] = stack.enter_context(real(binary))
        else:
            print("Toxiproxy is not here: nothing to compare with")
        controls = {name: Control(server.port, server.pid) for name, server in servers.items()}
        variants = [Variant("direct", echo, sink)]
        for name, control in controls.items():
            for toxic in ("", "noop"):
                ports = [
                    proxied(control, f"{what}{toxic}", port, toxic)
                    for what, port in (("e", echo), ("s", sink))
                ]
                variants.append(Variant(f"{name} {toxic}".strip(), *ports, control.pid))
        done: list[dict[str, Figures]] = []
        for _ in range(rounds + 1):
            found = {variant.name: {} for variant in variants}
            for variant in random.sample(variants, len(variants)):
                found[variant.name] = measured(program, variant)
            done.append(found)
        print(*table(done[1:]), sep="\n")  # the first one warms up
        print(
            *table([{name: memory(control, echo, sink) for name, control in controls.items()}]),
            sep="\n",
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
