"""Whatever is asked, the server answers, and goes on."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.faults.wire import TYPES, attribute_types
from harness.proxy.api.shapes import LIMIT_NAME_BYTES, LIMIT_TOXICS
from tests.proxy.api.differences import shows
from tests.proxy.api.servers import PATIENCE_S, ours, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proxy.api.servers import Server

OFF = {"upstream": "localhost:1", "enabled": False}
CRASHES = [
    ("slicer", {}),
    ("slicer", {"average_size": -1}),
    ("bandwidth", {"rate": -1}),
    ("bandwidth", {"rate": 92 * 10**15 + 10**15}),
    ("latency", {"latency": 1, "jitter": 1 << 62}),
]
"""Toxiproxy accepts these with 200, and ends with the first byte that passes."""
HARMLESS = [
    ("slicer", {"average_size": 100, "size_variation": 150}),
    ("slicer", {"average_size": 1, "size_variation": 2**63 - 1}),
    ("bandwidth", {"rate": 92 * 10**15}),
    ("latency", {"latency": -(2**63), "jitter": 2**62 - 1}),
    ("latency", {"latency": 2**63 - 1}),
    ("limit_data", {"bytes": 2**63 - 1}),
    ("slow_close", {"delay": 2**63 - 1}),
    ("packet_loss", {"loss_rate": -1e308, "correlation": 1e308}),
]


@pytest.fixture
def echo() -> Any:
    """A socket that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.mark.parametrize(("kind", "attributes"), CRASHES)
def test_inputs_that_end_the_real_server(
    server: Server, kind: str, attributes: dict[str, int]
) -> None:
    """400 on creation and on update, and nothing is changed."""
    server.ask("POST", "/proxies", OFF | {"name": "web"})
    body = {"name": "bad", "type": kind, "attributes": attributes}
    refused = server.ask("POST", "/proxies/web/toxics", body)
    assert (refused.status, "invalid attributes" in refused.json["error"]) == (400, True)
    start = {"average_size": 5} if kind == "slicer" else {}
    good = server.ask("POST", "/proxies/web/toxics", body | {"attributes": start})
    assert good.status == 200
    changed = {"average_size": 0} if kind == "slicer" and not attributes else attributes
    assert server.ask("PATCH", "/proxies/web/toxics/bad", {"attributes": changed}).status == 400
    assert server.ask("GET", "/proxies/web/toxics/bad").json == good.json


@pytest.mark.parametrize(("kind", "attributes"), HARMLESS)
def test_extreme_values_do_no_harm(
    server: Server, echo: socket.socket, kind: str, attributes: dict[str, float]
) -> None:
    """Accepted ones carry bytes, or hold them, and the server goes on."""
    upstream = f"127.0.0.1:{echo.getsockname()[1]}"
    made = server.ask(
        "POST", "/proxies", {"name": "web", "upstream": upstream, "listen": "127.0.0.1:{p1}"}
    )
    assert made.status == 201
    body = {"type": kind, "stream": "upstream", "attributes": attributes}
    answer = server.ask("POST", "/proxies/web/toxics", body)
    assert answer.status == 200, answer
    with socket.create_connection(("127.0.0.1", server.ports["p1"]), timeout=PATIENCE_S) as wire:
        wire.sendall(b"x" * 1000)
        there, _ = echo.accept()
        with there:
            there.sendall(b"back")
            assert wire.recv(10) == b"back"
    assert server.ask("DELETE", "/proxies/web").status == 204


@pytest.mark.parametrize(
    "name", ["a/b", "/", "a//b/../c", "%2F", "é☃𝄞", " ", "?x=1#y", "<&>", "a" * LIMIT_NAME_BYTES]
)
def test_strange_names_can_be_addressed(server: Server, name: str) -> None:
    """What can be created can be shown, changed and deleted, toxics too."""
    assert server.ask("POST", "/proxies", OFF | {"name": name}).json["name"] == name
    path = f"/proxies/{quoted(name)}"
    assert server.ask("PATCH", path, {"upstream": "localhost:2"}).json["upstream"] == "localhost:2"
    assert server.ask("POST", f"{path}/toxics", {"type": "noop", "name": name}).json["name"] == name
    assert server.ask("DELETE", f"{path}/toxics/{quoted(name)}").status == 204
    assert server.ask("DELETE", path).status == 204


@shows("long-name", "control-character", "dot-name")
@pytest.mark.parametrize(
    "name", ["a" * (LIMIT_NAME_BYTES + 1), "x" * (1 << 20), "a\nb", "\x00", "\x7f", ".", ".."]
)
def test_names_that_are_refused(server: Server, name: str) -> None:
    """400 for proxies and toxics, wherever they come from; nothing is created."""
    assert server.ask("POST", "/proxies", OFF | {"name": name}).status == 400
    assert server.ask("POST", "/populate", [OFF | {"name": name}]).status == 400
    server.ask("POST", "/proxies", OFF | {"name": "web"})
    assert server.ask("POST", "/proxies/web/toxics", {"type": "noop", "name": name}).status == 400
    listen = server.ask("POST", "/proxies", OFF | {"name": "x", "listen": f"{name * 5}:1"})
    assert listen.status in {201, 400}
    assert server.ask("GET", "/proxies/web/toxics").json == []


def test_there_are_only_so_many_toxics(server: Server) -> None:
    """The one beyond is refused, one by one and all at once."""
    server.ask("POST", "/proxies", OFF | {"name": "web"})
    for number in range(LIMIT_TOXICS):
        toxic = {"type": "noop", "name": f"{number}"}
        assert server.ask("POST", "/proxies/web/toxics", toxic).status == 200
    assert server.ask("POST", "/proxies/web/toxics", {"type": "noop"}).status == 400
    toxics = [{"type": "noop", "name": f"{number}"} for number in range(LIMIT_TOXICS + 1)]
    many = OFF | {"name": "many", "toxics": toxics}
    assert server.ask("POST", "/proxies?toxics=true", many).status == 400


def test_there_are_only_so_many_proxies() -> None:
    """The one beyond is refused, one by one and all at once."""
    everybody = [OFF | {"name": f"{number}"} for number in range(4097)]
    with ours() as server:
        assert server.ask("POST", "/populate", everybody).status == 400
        assert server.ask("GET", "/proxies").json == {}
        assert server.ask("POST", "/populate", everybody[1:]).status == 201
        assert server.ask("POST", "/proxies", everybody[0]).status == 400


VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63, 2**70, 0.5, 1e308, "", "x", "a" * 5000, "\ud800", "\x00", "both"),
    *([], [[]], [None], [{}], [{"type": "noop"}], {}, {"first": 0}, {"latency": 1}, {"": {"": []}}),
]
JSON = st.sampled_from(VALUES)
KINDS = st.sampled_from(sorted(TYPES))
KEYS = [
    *("name", "upstream", "enabled", "mode", "toxics"),
    *("type", "stream", "toxicity", "attributes", "when", "Logger"),
]
LISTENS: st.SearchStrategy[Any] = st.sampled_from(
    ["", ":0", "127.0.0.1:0", "nope", "[::1", "127.0.0.1:-1", 5, None, []]
)
STRUCTS = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON) | {"listen": LISTENS})
BODIES = STRUCTS | JSON | st.lists(STRUCTS, max_size=2)
PATHS = [
    *("/proxies", "/proxies?toxics=true", "/proxies/web", "/proxies/web/toxics"),
    *("/proxies/web/toxics/late", "/populate", "/populate?toxics=1", "/reset"),
]


@st.composite
def toxics(draw: Callable[[Any], Any]) -> dict[str, Any]:
    """Of any type, with numbers for its attributes."""
    kind = draw(KINDS)
    numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 0.5, 1e308, 5e-324])
    names = st.sampled_from([*attribute_types(TYPES[kind]), "other"])
    return {"type": kind, "attributes": draw(st.dictionaries(names, numbers))}


@settings(max_examples=30)
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    path=st.sampled_from(PATHS),
    body=BODIES.map(json.dumps) | toxics().map(json.dumps) | st.binary(max_size=20),
)
def test_any_body_is_answered(
    our_server: Server, method: str, path: str, body: str | bytes
) -> None:
    """With one of the statuses of the API, never with a failure of ours."""
    our_server.ask("POST", "/proxies", OFF | {"name": "web"})
    our_server.ask("POST", "/proxies/web/toxics", {"type": "latency", "name": "late"})
    answer = our_server.ask(method, path, body)
    assert answer.status in {200, 201, 204, 400, 403, 404, 405, 409, 500}
    assert "internal error" not in answer.body
    our_server.clear()
