"""The published clients, unchanged, against our server and against the one they were written for."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.proxy import from_toxiproxy_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proxy.api.servers import Server

PROGRAMS = Path(__file__).parent / "programs"
NODE_CLIENT = "toxiproxy-node-client@4.1.0"


@pytest.fixture
def toxiproxy(any_server: Server) -> Iterator[Any]:
    """toxiproxy-python's server object; its address is the whole process's."""
    theirs = pytest.importorskip("toxiproxy")
    from toxiproxy.api import APIConsumer  # type: ignore[import-untyped]

    before = APIConsumer.host, APIConsumer.port
    server = theirs.Toxiproxy()
    server.update_api_consumer("127.0.0.1", any_server.port)
    yield server
    server.update_api_consumer(*before)


def test_toxiproxy_python_drives_servers(toxiproxy: Any, any_server: Server) -> None:
    """Every public method of ``Toxiproxy`` does what its name says."""
    assert toxiproxy.running()
    assert b"2.12.0" in toxiproxy.version()
    made = toxiproxy.create(upstream="localhost:1", name="py")
    assert made.listen.startswith("127.0.0.1:")
    assert set(toxiproxy.proxies()) == {"py"}
    assert toxiproxy.get_proxy("py").listen == made.listen
    assert toxiproxy.get_proxy("nobody") is None
    wanted = {
        "name": "more",
        "upstream": "localhost:2",
        "listen": f"127.0.0.1:{any_server.ports['p1']}",
    }
    assert [one.name for one in toxiproxy.populate([wanted])] == ["more"]
    assert toxiproxy.populate([wanted]) == []
    assert toxiproxy.destroy(made)
    assert toxiproxy.destroy("more") is False
    assert toxiproxy.reset()
    toxiproxy.destroy_all()
    assert toxiproxy.proxies() == {}


def test_toxiproxy_python_drives_proxies(toxiproxy: Any) -> None:
    """Every public method of ``Proxy`` does what its name says."""
    made = toxiproxy.create(upstream="localhost:1", name="py", enabled=False)
    assert not made.enabled
    made.enable()
    assert toxiproxy.get_proxy("py").enabled
    made.disable()
    assert not toxiproxy.get_proxy("py").enabled
    made.add_toxic(type="latency", attributes={"latency": 10, "jitter": 3})
    made.add_toxic(
        name="up", type="bandwidth", stream="upstream", toxicity=0.5, attributes={"rate": 5}
    )
    assert made.get_toxic("latency_downstream").attributes == {"latency": 10, "jitter": 3}
    assert made.get_toxic("nobody") is None
    assert [(one.name, one.stream, one.toxicity) for one in made.toxics().values()] == [
        ("up", "upstream", 0.5),
        ("latency_downstream", "downstream", 1),
    ]
    assert made.destroy_toxic("up")
    with made.down():
        assert not toxiproxy.get_proxy("py").enabled
    assert toxiproxy.get_proxy("py").enabled
    assert made.destroy()


def test_toxiproxy_python_maps_errors(toxiproxy: Any) -> None:
    """400, 404 and 409 become the client's own exceptions, with the body as it came."""
    from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists  # type: ignore[import-untyped]

    made = toxiproxy.create(upstream="localhost:1", name="py")
    with pytest.raises(ProxyExists):
        toxiproxy.create(upstream="localhost:1", name="py")
    with pytest.raises(InvalidToxic) as invalid:
        made.add_toxic(type="nope")
    assert invalid.value.args == (b'{"error":"invalid toxic type","status":400}\n',)
    made.add_toxic(type="noop")
    with pytest.raises(ProxyExists) as exists:
        made.add_toxic(type="noop")
    assert exists.value.args == (b'{"error":"toxic already exists","status":409}\n',)
    with pytest.raises(NotFound):
        made.destroy_toxic("nobody")


def test_a_proxy_of_toxiproxy_python_can_be_taken_over(toxiproxy: Any, any_server: Server) -> None:
    """The same proxy for our client, which keeps its address whatever happens to theirs."""
    taken = from_toxiproxy_python(toxiproxy.create(upstream="localhost:1", name="a b"))
    toxiproxy.update_api_consumer("127.0.0.1", any_server.ports["p4"])
    assert taken.state().upstream == "localhost:1"
    assert taken.add_toxic("latency", {"latency": 5.0}).attributes["latency"] == 5
    taken.client.close()


def run(*command: str) -> None:
    """A program that says so when it has done everything."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "every method did as it should" in done.stdout


@pytest.fixture(scope="session")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published package, installed where nobody else looks."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node or npm is not here")
    folder = tmp_path_factory.mktemp("node")
    quick = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=0")
    command = ["npm", "install", "--silent", *quick, "--prefix", str(folder), NODE_CLIENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install {NODE_CLIENT} here: {done.stderr.strip()[-200:]}")
    return folder / "node_modules" / "toxiproxy-node-client"


def test_node_client(any_server: Server, node_client: Path) -> None:
    """toxiproxy-node-client 4.1.0, every method."""
    ports = any_server.ports
    run(
        "node",
        str(PROGRAMS / "node_client.cjs"),
        str(node_client),
        any_server.url,
        str(ports["p1"]),
    )


def test_chaostoolkit(any_server: Server) -> None:
    """chaostoolkit-toxiproxy 0.3.1, every action and probe."""
    python = os.environ.get("STORMPROOF_CHAOSTOOLKIT", sys.executable)
    if python == sys.executable and importlib.util.find_spec("chaostoxi") is None:
        pytest.skip(
            "chaostoolkit-toxiproxy is not here: set STORMPROOF_CHAOSTOOLKIT to a Python that has it"
        )
    run(python, str(PROGRAMS / "chaos.py"), any_server.url)


def test_toxiproxy_cli(any_server: Server) -> None:
    """toxiproxy-cli 2.12.0, every command."""
    cli = os.environ.get("STORMPROOF_TOXIPROXY_CLI") or shutil.which("toxiproxy-cli")
    if cli is None:
        pytest.skip("toxiproxy-cli is not here: set STORMPROOF_TOXIPROXY_CLI to its binary")

    def does(*words: str) -> str:
        command = [cli, "--host", any_server.url, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    listen = f"localhost:{any_server.ports['p1']}"
    assert "Created new proxy cli" in does("create", "-l", listen, "-u", "localhost:1", "cli")
    assert "cli" in does("list")
    assert "Added" in does(
        "toxic", "add", "-t", "latency", "-a", "latency=100", "-n", "late", "cli"
    )
    assert "Updated" in does("toxic", "update", "-n", "late", "-a", "jitter=5", "cli")
    assert "jitter=5" in does("inspect", "cli")
    assert "Removed" in does("toxic", "delete", "-n", "late", "cli")
    assert "disabled" in does("toggle", "cli")
    assert "enabled" in does("toggle", "cli")
    assert "Deleted" in does("delete", "cli")
