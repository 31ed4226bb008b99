"""A wire through ours, and where its binary is, through the real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.proxy.api.servers import NO_REAL, ours, real, real_binary
from tests.proxy.data.proxied import Control, Proxied, proxied

SEED = 7


@pytest.fixture(scope="session")
def our_data_server() -> Iterator[Control]:
    """A process of its own."""
    with ours("--seed", str(SEED)) as server, closing(Control(server.port, server.pid)) as control:
        yield control


@pytest.fixture(scope="session")
def real_data_server() -> Iterator[Control]:
    """The same, Toxiproxy itself."""
    binary = real_binary()
    if binary is None:
        pytest.skip(NO_REAL)
    with real(binary) as server, closing(Control(server.port, server.pid)) as control:
        yield control


@pytest.fixture
def wire(our_data_server: Control) -> Iterator[Proxied]:
    """Ours."""
    our_data_server.clear()
    with proxied(our_data_server) as wire:
        yield wire


@pytest.fixture(params=["our_data_server", "real_data_server"], ids=["ours", "real"])
def each_wire(request: pytest.FixtureRequest) -> Iterator[Proxied]:
    """One after the other."""
    server: Control = request.getfixturevalue(request.param)
    server.clear()
    with proxied(server) as wire:
        yield wire
