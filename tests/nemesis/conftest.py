"""Worlds around a small service and a real store, for what shall befall them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.contract.load import load
from harness.history import Call
from harness.nemesis import Nemesis
from harness.promises import words
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor

PROGRAM = Path(__file__).parent / "programs" / "service.py"
CONTRACT = """
contract: 1
service: small
target:
  command: ["{{python}}", "{program}", "{{port}}", "{{work.dir}}"{more}]
  env: {{REDIS_URL: "{{redis.url}}"}}
  ready: {{tcp: yes, within: 20s}}
dependencies: {{redis: {{kind: valkey}}, other: {{kind: witness}}}}
operations:
  get: {{call: GET /}}
  note: {{call: "GET /note?a"}}
  note_more: {{call: "GET /note?b"}}
  note_last: {{call: "GET /note?c"}}
  notes: {{call: GET /notes}}
  grow: {{call: "GET /grow?64"}}
  grow_little: {{call: "GET /grow?15"}}
  abort: {{call: "GET /abort?64"}}
  open: {{call: "GET /open?9"}}
  close: {{call: GET /close}}
  clock: {{call: GET /clock}}
promises: [{{id: p, kind: rate_limit, operation: get, key: ip, limit: 3/2s}}]
"""

Worlds = Callable[..., AbstractContextManager[World]]


@contextmanager
def started(folder: Path, *more: str, **settings: Any) -> Iterator[World]:
    """A world, with a supervisor of its own."""
    path = folder / "contract.yaml"
    path.write_text(CONTRACT.format(program=PROGRAM, more="".join(f', "{word}"' for word in more)))
    with Supervisor() as supervisor:
        with World(load(path, words()), supervisor, Seed(1), **settings) as world:
            yield world
        left = [entry for entry in supervisor.ledger.entries if not entry.startswith("directory")]
        assert left == []


@pytest.fixture
def worlds(tmp_path: Path) -> Worlds:
    """Starts worlds."""
    return lambda *more, **settings: started(tmp_path, *more, **settings)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world on a held clock, with a child in another session, for all tests that leave it as it was."""
    with started(tmp_path_factory.mktemp("shared"), "child", "daemon", clock="frozen") as world:
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """The shared world; nothing may be left of a test."""
    before = shared.hurts.nemesis._scene.ledger.entries.copy()
    yield shared
    assert shared.hurts.nemesis.in_force == ()
    kinds = {entry.split(" ")[0] for entry in shared.hurts.nemesis._scene.ledger.entries}
    assert kinds <= {entry.split(" ")[0] for entry in before}
    assert call(shared).status == 200


@pytest.fixture
def nemesis(world: World) -> Nemesis:
    """That of the shared world."""
    return world.hurts.nemesis


def call(world: World, operation: str = "get") -> Call:
    """One call from a fresh address."""
    caller = world.fresh_caller()
    request = world.composer.compose(
        operation, caller, key="ip", source=caller.address, forwarded=None, connection=None
    )
    (index,) = world.exchange([request], together=False)
    return world.call(index)


def body(world: World, operation: str) -> str:
    """What a call is answered."""
    return call(world, operation).body.decode()


def entries(world: World, kind: str) -> list[str]:
    """What stands on the ledger of a kind."""
    ledger = world.hurts.nemesis._scene.ledger
    return [entry for entry in ledger.entries if entry.startswith(f"{kind} ")]


def ask(world: World, command: str) -> str:
    """What the store says to an inline command."""
    store: Any = world.services["redis"]
    said: bytes = store._ask(command)
    return said.decode()
