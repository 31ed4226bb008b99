"""Counters as Prometheus reads them; live, where Toxiproxy counts a link only when it ends."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.proxy.api.gojson import with_exponent

if TYPE_CHECKING:
    from harness.proxy.api.proxies import Proxy

__all__ = ["PROXY_METRICS", "RUNTIME_METRICS", "metrics_text"]

PROXY_METRICS: Final = "proxy"
RUNTIME_METRICS: Final = "runtime"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_STARTED_S: Final = time.time()
_COUNTED: Final = {
    "accepted": "connections that were let in",
    "closed": "connections that have ended",
    "refused_dials": "connections whose upstream could not be reached",
    "failed_accepts": "times that nobody could be let in, for want of descriptors",
}


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric, and a value for each set of labels."""

    name: str
    kind: str
    text: str
    values: tuple[tuple[dict[str, str], float], ...]

    def lines(self) -> list[str]:
        """As they are exposed, labels in the order of their names."""
        shown = sorted((_labels(labels), _number(value)) for labels, value in self.values)
        return [
            f"# HELP {self.name} {self.text}",
            f"# TYPE {self.name} {self.kind}",
            *(f"{self.name}{labels} {value}" for labels, value in shown),
        ]


def metrics_text(proxies: Collection[Proxy], wanted: frozenset[str]) -> str:
    """All metrics of the kinds that are wanted, in the order of their names."""
    families = [_errors()]
    if PROXY_METRICS in wanted:
        families += _of_proxies(proxies)
    if RUNTIME_METRICS in wanted:
        families += _of_process()
    shown = sorted((one for one in families if one.values), key=lambda one: one.name)
    return "".join(f"{line}\n" for one in shown for line in one.lines())


def _labels(labels: dict[str, str]) -> str:
    pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in sorted(labels.items())]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1_000_000:
        return str(int(value))
    text = with_exponent(value)
    return text if abs(value) >= 1_000_000 or abs(value) < 1e-4 else repr(value)


def _errors() -> _Family:
    values = (({"cause": "encoding"}, 0.0), ({"cause": "gathering"}, 0.0))
    text = "Total number of internal errors encountered by the promhttp metric handler."
    return _Family("promhttp_metric_handler_errors_total", "counter", text, values)


def _of_proxies(proxies: Collection[Proxy]) -> Iterable[_Family]:
    used = [proxy for proxy in proxies if proxy.counters.accepted]
    for what in ("received", "sent"):
        values = tuple(
            (
                _of(proxy) | {"direction": direction},
                float(getattr(proxy.counters, f"{direction}_{what}_bytes")),
            )
            for proxy in used
            for direction in ("downstream", "upstream")
        )
        yield _Family(f"toxiproxy_proxy_{what}_bytes_total", "counter", "", values)
    for name, text in _COUNTED.items():
        rows = tuple((_of(proxy), float(getattr(proxy.counters, name))) for proxy in used)
        yield _Family(f"stormproof_proxy_{name}_total", "counter", text, rows)
    running = [(_of(proxy), proxy.wire) for proxy in proxies]
    yield _Family(
        "stormproof_proxy_connections",
        "gauge",
        "connections that are open now",
        tuple((labels, float(wire.connections)) for labels, wire in running if wire is not None),
    )
    yield _Family(
        "stormproof_proxy_toxic_hits_total",
        "counter",
        "chunks and ends of streams that a toxic did something to",
        tuple(
            (labels | {"toxic": toxic}, float(counted.hits))
            for labels, wire in running
            if wire is not None
            for toxic, counted in wire.toxic_counters.items()
        ),
    )


def _of(proxy: Proxy) -> dict[str, str]:
    return {"proxy": proxy.name, "listener": proxy.listen, "upstream": proxy.upstream}


def _of_process() -> Iterable[_Family]:
    """As the Python client of Prometheus names them; there is no Go here to tell of."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 (read at each scrape)
        pages = [int(part) for part in file.read().split()]
    used = resource.getrusage(resource.RUSAGE_SELF)
    gauges = {
        "process_max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "process_open_fds": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "process_resident_memory_bytes": pages[1] * resource.getpagesize(),
        "process_start_time_seconds": _STARTED_S,
        "process_virtual_memory_bytes": pages[0] * resource.getpagesize(),
    }
    for name, value in gauges.items():
        yield _Family(name, "gauge", "", (({}, float(value)),))
    seconds = used.ru_utime + used.ru_stime
    yield _Family("process_cpu_seconds_total", "counter", "", (({}, seconds),))
    version = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
    }
    yield _Family("python_info", "gauge", "", ((version, 1.0),))
