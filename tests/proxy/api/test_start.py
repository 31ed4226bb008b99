"""``stormproof proxy`` and ``python -m harness.proxy``: options, config files, ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.proxy import ToxiproxyClient
from tests.proxy.api.differences import shows
from tests.proxy.api.servers import PATIENCE_S, ROOT, ours, with_ports

if TYPE_CHECKING:
    from pathlib import Path


def test_a_config_file(tmp_path: Path) -> None:
    """Its proxies are there from the start; toxics of theirs with --toxics alone."""
    toxic = {"type": "latency", "attributes": {"latency": 5}}
    web = {"name": "web", "upstream": "localhost:1", "listen": "localhost:0", "toxics": [toxic]}
    file = tmp_path / "toxiproxy.json"
    file.write_text(json.dumps([web, web | {"name": "off", "enabled": False}]))
    for options, toxics in (((), 0), (("--toxics",), 1)):
        with ours("--config", str(file), *options) as server, ToxiproxyClient(server.url) as client:
            states = client.proxies()
            assert {name: one.enabled for name, one in states.items()} == {
                "off": False,
                "web": True,
            }
            assert len(states["web"].toxics) == toxics


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "bad request body: unexpected EOF"),
        ('[{"name":"a"}]', "missing required field: upstream at proxy 1"),
        ('[{"name":"a","upstream":"localhost:1","listen":"nope"}]', "missing port in address"),
        ('[{"name":"a","upstream":"192.0.2.1:1"}]', "--allow 192.0.2.1"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_config_file_that_cannot_be_used(tmp_path: Path, text: str | None, told: str) -> None:
    """Exit code 4, and what is wrong with which file."""
    file = tmp_path / "toxiproxy.json"
    if text is not None:
        file.write_text(text)
    command = [sys.executable, "-m", "harness.proxy", "--port", "0", "--config", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert told in done.stderr
    assert str(file) in done.stderr


@shows("start-fails")
def test_a_port_that_is_taken() -> None:
    """Exit code 4, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "harness", "proxy", "--port", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "Address already in use. Give another --port" in done.stderr


def test_hosts_that_are_allowed() -> None:
    """A network, a name: proxies may lead there, requests may name it; nothing else."""
    with ours("--allow", "192.0.2.0/24", "--allow", "api.example") as server, with_ports(server):
        for upstream, status in (
            ("192.0.2.7:80", 201),
            ("api.example:80", 201),
            ("192.0.3.1:80", 403),
        ):
            body = {"name": upstream, "upstream": upstream, "enabled": False}
            assert server.ask("POST", "/proxies", body).status == status
        assert (
            server.ask("PATCH", "/proxies/192.0.2.7:80", {"upstream": "evil.example:80"}).status
            == 403
        )
        assert server.ask("GET", "/version", headers={"Host": "api.example"}).status == 200
        assert server.ask("GET", "/version", headers={"Host": "evil.example"}).status == 403


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_by_a_signal(number: signal.Signals) -> None:
    """Exit code 0; connections are cut, what was printed says where and with which seed."""
    command = [sys.executable, "-m", "harness", "proxy", "--port", "0", "--seed", "7"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
        assert found
        assert "Seed 7" in second
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=PATIENCE_S) as wire:
            process.send_signal(number)
            assert wire.recv(1) == b""
        assert process.wait(PATIENCE_S) == 0
