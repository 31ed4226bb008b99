"""What happened: events as a stream, counters, metrics."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.proxy.api.messages import Follow
from harness.proxy.api.tail import lines
from harness.proxy.wires import Event
from tests.proxy.api.differences import shows
from tests.proxy.api.servers import PATIENCE_S, ours, with_ports
from tests.proxy.api.wires import exchange, link

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.proxy.api.servers import Answer, Server


def known(server: Server, after: int = 0) -> list[dict[str, Any]]:
    """Events up to now."""
    answer = server.ask("GET", f"/events?follow=false&after={after}")
    return [json.loads(line) for line in answer.body.splitlines()]


def newest(server: Server) -> int:
    """The number of the last event."""
    events = known(server)
    return int(events[-1]["number"]) if events else 0


def test_events_tell_of_a_connection(server: Server, web: socket.socket) -> None:
    """From the listener's opening to its end, numbered without gaps."""
    before = newest(server)
    with link(server, web) as (client, there):
        exchange(client, there)
    server.ask("DELETE", "/proxies/web")
    events = known(server, before)
    numbers = [event["number"] for event in events]
    assert numbers == list(range(before + 1, before + 1 + len(events)))
    kinds = [event["kind"] for event in events if event["proxy"] == "web"]
    assert kinds[:2] == ["accept", "dial"]
    assert {"close", "shut"} <= set(kinds)


def test_events_can_be_followed_and_taken_up_again(server: Server, web: socket.socket) -> None:
    """A line each as they happen; from a number on, those before it are not told again."""
    before = newest(server)
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    wire.request("GET", f"/events?after={before}")
    stream = wire.getresponse()
    with link(server, web):
        first = json.loads(stream.readline())
        second = json.loads(stream.readline())
    assert (first["number"], first["kind"]) == (before + 1, "accept")
    assert second["number"] == before + 2
    wire.close()
    wire.request("GET", f"/events?after={second['number']}")
    assert json.loads(wire.getresponse().readline())["number"] == before + 3
    wire.close()
    assert server.ask("GET", "/version").status == 200


@dataclass(frozen=True)
class Forgetful:
    """Events of which only the newest are known."""

    oldest: int
    newest: int

    def after(self, number: int, most: int = 1000) -> Sequence[Event]:
        """As :class:`harness.proxy.wires.Events` says."""
        first = max(number + 1, self.oldest)
        return [Event(one, 0, 0, "accept", "web") for one in range(first, self.newest + 1)][:most]

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """Nothing ever happens."""
        return told


def test_events_that_were_forgotten_are_counted() -> None:
    """Who comes too late is told how many there were, and goes on with the first that is known."""
    data, after = lines(Forgetful(10, 12), Follow(3))
    told = [json.loads(line) for line in data.splitlines()]
    assert told[0] == {"lost": 6}
    assert [one["number"] for one in told[1:]] == [10, 11, 12]
    assert after == 12
    assert lines(Forgetful(10, 12), Follow(12)) == (b"", 12)
    assert lines(Forgetful(1, 12), Follow(9, until=10))[1] == 10


def test_events_ask_for_a_number(server: Server) -> None:
    """Anything else is 400."""
    assert server.ask("GET", "/events?after=-1").status == 400


def test_counters_are_live(server: Server, web: socket.socket) -> None:
    """While a connection is open; and rising after the proxy was disabled and enabled."""
    server.ask(
        "POST",
        "/proxies/web/toxics",
        {"type": "latency", "name": "late", "attributes": {"latency": 1}},
    )
    with link(server, web) as (client, there):
        exchange(client, there)
        shown = server.ask("GET", "/proxies/web/counters").json
    assert (shown["connections"], len(shown["links"]), shown["counters"]["accepted"]) == (1, 2, 1)
    assert shown["counters"]["upstream_received_bytes"] == 5
    assert shown["counters"]["downstream_sent_bytes"] == 3
    assert shown["toxics"]["late"]["hits"] == 1
    server.ask("PATCH", "/proxies/web", {"enabled": False})
    assert server.ask("GET", "/proxies/web/counters").json["counters"]["accepted"] == 1
    server.ask("PATCH", "/proxies/web", {"enabled": True})
    with link(server, web):
        assert server.ask("GET", "/proxies/web/counters").json["counters"]["accepted"] == 2


def metrics(answer: Answer) -> dict[str, str]:
    """Values by name and labels."""
    lines = [line for line in answer.body.splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


@shows("live-metrics")
def test_metrics_as_toxiproxy_names_them(server: Server, web: socket.socket) -> None:
    """Bytes show while the connection is open, and there is more."""
    upstream = server.hide(f"127.0.0.1:{web.getsockname()[1]}")
    labels = f'listener="[::]:{{p1}}",proxy="web",upstream="{upstream}"'
    assert not any("toxiproxy_proxy" in name for name in metrics(server.ask("GET", "/metrics")))
    with link(server, web) as (client, there):
        exchange(client, there)
        answer = server.ask("GET", "/metrics")
    assert (
        "# HELP toxiproxy_proxy_sent_bytes_total \n# TYPE toxiproxy_proxy_sent_bytes_total counter\n"
        in answer.body
    )
    shown = {
        name.removeprefix("toxiproxy_proxy_"): value
        for name, value in metrics(answer).items()
        if name.startswith("toxiproxy_proxy_")
    }
    assert shown == {
        f'received_bytes_total{{direction="downstream",{labels}}}': "3",
        f'received_bytes_total{{direction="upstream",{labels}}}': "5",
        f'sent_bytes_total{{direction="downstream",{labels}}}': "3",
        f'sent_bytes_total{{direction="upstream",{labels}}}': "5",
    }
    assert metrics(answer)[f"stormproof_proxy_accepted_total{{{labels}}}"] == "1"


def test_metrics_are_shown_where_they_were_asked_for() -> None:
    """Without a flag the path is unknown; those of the process stand by themselves."""
    with ours() as server, with_ports(server):
        assert server.ask("GET", "/metrics").status == 404
    with ours("--runtime-metrics") as server, with_ports(server):
        shown = metrics(server.ask("GET", "/metrics"))
    assert float(shown["process_resident_memory_bytes"]) > 1e6
    assert not any(name.startswith("stormproof") for name in shown)
