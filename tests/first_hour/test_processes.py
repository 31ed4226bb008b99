"""A service of several processes, verified as one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import harness.demo
from harness.contract.load import LoadedContract, load
from harness.errors import CouldNotRun
from harness.promises import words
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from tests.cli.conftest import Stormproof

SHOP = Path(harness.demo.__file__).parent / "shop.py"
FRONT = Path(__file__).parent / "programs" / "front.py"
SLEEPER = "import time; print('worker is up', flush=True); time.sleep(1e6)"
PROMISE = """
identities:
  customer: {header: X-Customer, value: "customer-{n}"}
operations:
  basket: {call: GET /basket, identity: customer, ok: 200}
promises:
  - {id: rate, kind: rate_limit, operation: basket, key: customer, limit: 10/10s,
     exceeded: {status: 429, headers: [Retry-After]}}
"""


def processes(*, limiter: str = "sliding", worker: str = SLEEPER, rest: str = "") -> str:
    """A contract of three processes, the last of which is called."""
    return f"""\
contract: 1
service: several
target:
  processes:
    worker: {{command: ["{{python}}", -c, "{worker}"]}}
    shop: {{command: ["{{python}}", "{SHOP}", --port, "{{shop.port}}", --limiter, {limiter}],
           ready: {{get: /health}}}}
    front: {{command: ["{{python}}", "{FRONT}", "{{port}}", "{{shop.port}}"]}}
{rest}{PROMISE}"""


def loaded(folder: Path, text: str) -> LoadedContract:
    path = folder / "contract.yaml"
    path.write_text(text)
    return load(path, words())


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


@pytest.mark.parametrize(
    ("limiter", "code", "said"),
    [("sliding", 0, "frozen"), ("fixed", 1, "at most 10 are promised in any 10s")],
)
def test_the_service_behind_a_front_is_verified(
    stormproof: Stormproof, tmp_path: Path, limiter: str, code: int, said: str
) -> None:
    """The limit is kept by another process than the one that is called; all share the held clock."""
    contract = loaded(tmp_path, processes(limiter=limiter))
    ran = stormproof("verify", contract.path, "--clock", "frozen")
    assert ran.code == code, ran.out + ran.err
    assert said in ran.out


def test_all_are_started_watched_and_ended(tmp_path: Path, supervisor: Supervisor) -> None:
    """In the order of the file; nobody is left when the world has ended."""
    with World(loaded(tmp_path, processes()), supervisor, Seed(1), clock="frozen") as world:
        parts = world.target.parts()
        assert [part.name for part in parts] == [
            "the process worker",
            "the process shop",
            "the process front",
        ]
        pids = [part.pid for part in parts]
        born = [psutil.Process(pid).create_time() for pid in pids]
        assert born == sorted(born)
        assert world.clock is not None
        assert {state.pid for state in world.clock.state()} >= set(pids)
        assert world.target.pid == pids[-1]
        assert "worker is up" in world.target.output()
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_whoever_dies_is_named(tmp_path: Path, supervisor: Supervisor, which: int) -> None:
    """A worker that nobody calls as well as the one that is called."""
    with World(loaded(tmp_path, processes()), supervisor, Seed(1)) as world:
        part = world.target.parts()[which]
        assert part.pid is not None
        os.kill(part.pid, signal.SIGKILL)
        until = time.monotonic() + 10
        while world.usable and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(CouldNotRun, match=f"{part.name} ended"):
            world.check_alive()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (processes(worker="raise SystemExit('no queue')"), "the process worker ended"),
        (
            processes(limiter="leaky"),
            "the process shop ended with exit status 2 before it was ready",
        ),
        (processes(rest="  setup: [[cp, nothing, nowhere]]\n"), "the setup command"),
        (processes().replace("/health", "/basket, within: 1s"), None),
        (
            processes().replace('"{port}", "{shop.port}"', '"{shop.port}", "{port}"'),
            "the process front ended",
        ),
    ],
)
def test_one_that_does_not_start_is_named(
    tmp_path: Path, supervisor: Supervisor, text: str, said: str | None
) -> None:
    """With its last output; the others are ended again."""
    world = World(loaded(tmp_path, text), supervisor, Seed(1), clock="real")
    if said is None:
        with world:
            return
    with pytest.raises(CouldNotRun, match=said):
        world.__enter__()
    assert not [child for child in psutil.Process().children() if "shop.py" in str(child.cmdline())]


def test_a_static_worker_is_found_out(tmp_path: Path, supervisor: Supervisor) -> None:
    """A process that cannot carry the held clock would be late or early: real time, and a note."""
    escapes = "import os; os.environ.pop('LD_PRELOAD', None); os.execvp('sleep', ['sleep', '1000'])"
    contract = loaded(tmp_path, processes(worker=escapes))
    with World(contract, supervisor, Seed(1)) as world:
        assert world.time.mode == "real"
        assert "without the clock's library" in "\n".join(world.notes)
