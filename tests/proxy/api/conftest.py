"""Both servers, once for all tests of this folder."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.proxy.api.servers import NO_REAL, PATIENCE_S, ours, real, real_binary, with_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proxy.api.servers import Server


@pytest.fixture(scope="session")
def our_server() -> Iterator[Server]:
    """Ours, as people start it."""
    with ours("--proxy-metrics") as server, with_ports(server):
        yield server


@pytest.fixture(scope="session")
def real_server() -> Iterator[Server]:
    """The real one; without its binary these tests are skipped."""
    binary = real_binary()
    if binary is None:
        pytest.skip(NO_REAL)
    with real(binary, "-proxy-metrics") as server, with_ports(server):
        yield server


@pytest.fixture(scope="session", params=["ours", "real"])
def each_server(request: pytest.FixtureRequest) -> Server:
    """One after the other."""
    name = "our_server" if request.param == "ours" else "real_server"
    server: Server = request.getfixturevalue(name)
    return server


@pytest.fixture
def server(our_server: Server) -> Server:
    """Ours, without proxies."""
    our_server.clear()
    return our_server


@pytest.fixture
def any_server(each_server: Server) -> Server:
    """One after the other, without proxies."""
    each_server.clear()
    return each_server


@pytest.fixture
def web(server: Server) -> Iterator[socket.socket]:
    """The upstream of a proxy ``web`` of ours that listens on ``{p1}``."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(PATIENCE_S)
        address = f"127.0.0.1:{upstream.getsockname()[1]}"
        body = {"name": "web", "upstream": address, "listen": ":{p1}"}
        assert server.ask("POST", "/proxies", body).status == 201
        yield upstream
