"""Our client, against our server and the real one."""

from __future__ import annotations

import re
import socket
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from harness.proxy import ToxiproxyClient
from harness.proxy.client import (
    BadRequest,
    Conflict,
    NotFound,
    ServerFailed,
    ToxiproxyError,
    Unreachable,
)
from tests.proxy.api.servers import PATIENCE_S, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def request(wire: socket.socket) -> bytes:
    """One whole request."""
    data = b""
    while True:
        data += wire.recv(65_536)
        head, end, body = data.partition(b"\r\n\r\n")
        size = re.search(rb"Content-Length: (\d+)", head, re.IGNORECASE)
        if end and len(body) == (int(size[1]) if size else 0):
            return data


def answering(listener: socket.socket, answers: list[bytes]) -> Callable[[], list[bytes]]:
    """Take one connection, give these answers, one a request; what was asked, once all are given."""
    asked: list[bytes] = []

    def answer() -> None:
        wire, _ = listener.accept()
        with wire:
            for said in answers:
                asked.append(request(wire))
                wire.sendall(said)

    thread = Thread(target=answer)
    thread.start()

    def all_asked() -> list[bytes]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        return asked

    return all_asked


@pytest.fixture
def client(any_server: Server) -> Iterator[ToxiproxyClient]:
    """One for each test."""
    with ToxiproxyClient(any_server.url) as client:
        yield client


def test_life_of_a_proxy(client: ToxiproxyClient) -> None:
    """Created, listed, changed, disabled, enabled, reset, deleted."""
    web = client.create("web é", "localhost:1")
    state = web.state()
    assert (state.enabled, state.upstream, state.toxics) == (True, "localhost:1", ())
    assert client.proxies() == {"web é": state}
    assert web.update(upstream="localhost:2").upstream == "localhost:2"
    assert not web.disable().enabled
    assert web.enable().port == state.port
    with web.down() as down:
        assert not down.state().enabled
    assert web.state().enabled
    client.reset()
    client.delete_all()
    assert client.proxies() == {}


def test_down_leaves_a_disabled_proxy_disabled(client: ToxiproxyClient) -> None:
    """What was disabled before is disabled afterwards."""
    web = client.create("web", "localhost:1", enabled=False)
    with web.down():
        pass
    assert not web.state().enabled


def test_life_of_a_toxic(client: ToxiproxyClient) -> None:
    """Whole numbers are sent as such, whatever their type; all else stays as it is in an update."""
    web = client.create("web", "localhost:1")
    late = web.add_toxic("latency", {"latency": 100.0}, stream="upstream", toxicity=0.5)
    assert (late.name, late.attributes, late.toxicity) == (
        "latency_upstream",
        {"latency": 100, "jitter": 0},
        0.5,
    )
    changed = web.update_toxic(late.name, {"jitter": 3})
    assert (changed.attributes, changed.toxicity) == ({"latency": 100, "jitter": 3}, 0.5)
    assert web.update_toxic(late.name, toxicity=1).toxicity == 1
    assert web.toxics() == [web.toxic(late.name)]
    web.delete_toxic(late.name)
    assert web.toxics() == []


def test_populate(client: ToxiproxyClient) -> None:
    """One request; nothing to do is no error."""
    wanted = {"name": "web", "upstream": "localhost:1", "listen": "127.0.0.1:0"}
    assert [one.name for one in client.populate([wanted])] == ["web"]
    assert client.populate([]) == []


def test_errors_have_a_type_a_status_and_a_text(
    client: ToxiproxyClient, any_server: Server
) -> None:
    """Each status its own; the text is the server's."""
    web = client.create("web", "localhost:1")
    with pytest.raises(Conflict, match="proxy already exists"):
        client.create("web", "localhost:1")
    with pytest.raises(NotFound, match="toxic not found") as not_found:
        web.toxic("nobody")
    assert (not_found.value.status, not_found.value.text) == (404, "toxic not found")
    with pytest.raises(NotFound, match="proxy not found"):
        client.proxy("nobody").update(enabled=False)
    with pytest.raises(BadRequest, match="invalid toxic type"):
        web.add_toxic("nope")
    with pytest.raises(BadRequest, match="bad request body"):
        web.add_toxic("latency", {"latency": 0.5})
    with pytest.raises(ServerFailed, match="address already in use"):
        client.create("other", "localhost:1", listen=f"127.0.0.1:{any_server.ports['busy']}")
    assert client.is_running()


def test_nobody_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not there, or says nothing, is an error soon; loopback needs no web proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.ports['p4']}")
    with ToxiproxyClient(server.url) as client:
        assert client.version() == "2.12.0"
    with ToxiproxyClient(f"http://127.0.0.1:{server.ports['p4']}") as client:
        assert not client.is_running()
        with pytest.raises(Unreachable, match="is a Toxiproxy running there"):
            client.proxies()
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        ToxiproxyClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05) as client,
        pytest.raises(Unreachable) as unreachable,
    ):
        client.reset()
    assert unreachable.value.status is None


def test_older_servers_are_asked_by_post() -> None:
    """Before 2.6 a PATCH was unknown: the client then asks again, and from then on, by POST."""
    shape = b'{"name":"a","listen":"127.0.0.1:1","upstream":"b","enabled":true}'
    answers = [
        b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(shape), shape),
    ]
    with (
        socket.create_server(("127.0.0.1", 0)) as old,
        ToxiproxyClient(f"http://127.0.0.1:{old.getsockname()[1]}") as client,
    ):
        asked = answering(old, [*answers, answers[1]])
        assert client.proxy("a").enable().enabled
        assert client.proxy("a").enable().enabled
    assert [request.split(b" ")[0] for request in asked()] == [b"PATCH", b"POST", b"POST"]


def test_an_answer_that_is_no_json() -> None:
    """The real server's own 503 is HTML; whatever it is, it is shown."""
    page = b"<html><h1>Timeout</h1></html>"
    heads = (b"503 Service Unavailable", b"200 OK")
    answers = [
        b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(page), page) for head in heads
    ]
    with (
        socket.create_server(("127.0.0.1", 0)) as strange,
        ToxiproxyClient(f"http://127.0.0.1:{strange.getsockname()[1]}") as client,
    ):
        asked = answering(strange, answers)
        with pytest.raises(ServerFailed, match="Timeout"):
            client.reset()
        with pytest.raises(ToxiproxyError, match="no JSON"):
            client.proxies()
    asked()
