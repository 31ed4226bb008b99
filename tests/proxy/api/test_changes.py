"""What control calls do to connections that are open."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.proxy.api.differences import shows
from tests.proxy.api.wires import exchange, link

if TYPE_CHECKING:
    import socket

    from tests.proxy.api.servers import Server

NOOP = {"type": "noop", "name": "nothing"}


@shows("wildcards-equal")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/proxies/web", {"listen": "0.0.0.0:{p1}"}),
        ("PATCH", "/proxies/web", {"listen": "[::]:{p1}", "name": "other", "enabled": True}),
        ("POST", "/populate", [{"name": "web", "upstream": "{upstream}", "listen": ":{p1}"}]),
        ("POST", "/proxies/web/toxics", NOOP),
        ("POST", "/reset", None),
        ("PATCH", "/proxies/web", {"listen": "nope"}),
        ("POST", "/populate", [{"name": "web", "upstream": "localhost:1", "listen": "nope"}]),
    ],
)
def test_calls_that_change_nothing_leave_connections_alone(
    server: Server, web: socket.socket, method: str, path: str, body: Any
) -> None:
    """Bytes pass afterwards as before; other forms of the same address are the same address."""
    server.ports["upstream"] = web.getsockname()[1]
    if isinstance(body, list) and body[0]["upstream"] == "{upstream}":
        body = [body[0] | {"upstream": "127.0.0.1:{upstream}"}]
    with link(server, web) as (client, there):
        exchange(client, there)
        server.ask(method, path, body)
        exchange(client, there)
    del server.ports["upstream"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/proxies/web", {"enabled": False}),
        ("PATCH", "/proxies/web", {"listen": "127.0.0.1:{p1}"}),
        ("PATCH", "/proxies/web", {"upstream": "localhost:1"}),
        ("POST", "/populate", [{"name": "web", "upstream": "localhost:1", "listen": ":{p1}"}]),
        ("DELETE", "/proxies/web", None),
    ],
)
def test_calls_that_change_a_proxy_end_its_connections(
    server: Server, web: socket.socket, method: str, path: str, body: Any
) -> None:
    """Both ends see it at once: as an end or a reset."""
    with link(server, web) as (client, there):
        exchange(client, there)
        assert server.ask(method, path, body).status < 300
        for end in (client, there):
            with suppress(ConnectionResetError):
                assert end.recv(1) == b""


@shows("reset-goes-on")
def test_a_reset_goes_on_where_one_cannot_be_started(server: Server) -> None:
    """All others are started and without toxics; the answer is the first failure."""
    for name, listen in (("a", "{busy}"), ("b", "{p2}"), ("c", "nope"), ("d", "{p3}")):
        body = {"name": name, "upstream": "localhost:1", "listen": f"127.0.0.1:{listen}"}
        server.ask("POST", "/proxies", body | {"enabled": False})
        server.ask("POST", f"/proxies/{name}/toxics", NOOP)
    server.ask("PATCH", "/proxies/d", {"mode": "refuse"})
    answer = server.ask("POST", "/reset")
    assert answer.status == 500
    assert answer.json["error"] == "listen tcp 127.0.0.1:{busy}: bind: address already in use"
    shown = server.ask("GET", "/proxies").json
    assert {name: one["enabled"] for name, one in shown.items()} == {
        "a": False,
        "b": True,
        "c": False,
        "d": True,
    }
    assert all(one["toxics"] == [] and "mode" not in one for one in shown.values())
