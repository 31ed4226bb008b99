"""Fixtures: ``verify`` and ``promise`` for scenarios; the others for an engineer's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from harness.plugin.handles import ClockHandle, TargetHandle, WitnessHandle, witness_of
from harness.plugin.session import Session, user_properties
from harness.verdict import Status

if TYPE_CHECKING:
    from harness.contract.load import LoadedContract
    from harness.contract.model import Contract
    from harness.contract.words import Promise
    from harness.nemesis import Nemesis
    from harness.runner.world import World
    from harness.seeds import Seed
    from harness.services import Service

Selected = tuple["LoadedContract", "Promise"]


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Selected:
    """The promise of this item, with its contract."""
    found: Selected = request.param
    return found


@pytest.fixture
def verify(request: pytest.FixtureRequest) -> Callable[[Selected], None]:
    """Verify a promise; the test fails unless it is kept, in the verdict's own words.

    What the baseline knows to be broken is an expected failure.
    """
    session = _session(request.config)

    def verify(selected: Selected) -> None:
        __tracebackhide__ = True
        loaded, promise = selected
        result = session.verify(loaded, promise)
        request.node.user_properties.extend(user_properties(result, loaded.contract.service))
        verdict = result.verdict
        said = f"{verdict.status.value.upper()} {promise.id}: {verdict.reason}"
        known = session.settings.known(loaded.contract.service, promise.id, verdict.status.value)
        if known is not None:
            said = f"{said} ({known.said})"
            request.node.user_properties.append(("baseline", known.said))
            if known.state == "known":
                pytest.xfail(said)
        if verdict.status is not Status.KEPT or (known is not None and known.fails):
            pytest.fail(said, pytrace=False)

    return verify


@pytest.fixture(scope="session")
def _world(request: pytest.FixtureRequest) -> World:
    session = _session(request.config)
    first, *others = session.settings.contracts
    if others:
        raise pytest.UsageError("the fixtures of a target need just one --contract")
    return session.world(first)


@pytest.fixture(scope="session")
def contract(request: pytest.FixtureRequest) -> Contract:
    """The contract, as values."""
    return _session(request.config).settings.contracts[0].contract


@pytest.fixture(scope="session")
def target(_world: World) -> TargetHandle:
    """The running target: ``url``, ``host``, ``port``, ``output()``."""
    return TargetHandle(_world)


@pytest.fixture(scope="session")
def clock(_world: World) -> ClockHandle:
    """The target's clock: ``advance("61s")``, ``now_s``; frozen where it can be held."""
    return ClockHandle(_world)


@pytest.fixture(scope="session")
def services(_world: World) -> Mapping[str, Service]:
    """The running stores by the names of the contract's dependencies."""
    return _world.services


@pytest.fixture
def witness(contract: Contract, request: pytest.FixtureRequest) -> Iterator[WitnessHandle]:
    """A scripted dependency: the contract's first witness, or ``witness["name"]``.

    It answers as usual until the test says otherwise: ``witness.answer(503)``, ``witness.hold()``
    and ``witness.release()``, ``witness.script((Rule(...),))`` with the rules of `harness.script`,
    ``witness.reach("refuse")``. It tells what it saw in this test: ``witness.arrivals()``,
    ``witness.held()``, ``witness.truth()``. Each test begins with the usual answers.

    While it holds a call that another thread makes, ``clock.advance("31s")`` lets the target's time
    pass, so that its timeouts run; ``witness.await_arrivals(1)`` first waits until the call is there.
    """
    if all(each.kind != "witness" for each in contract.dependencies.values()):
        raise pytest.UsageError("the contract has no dependency of `kind: witness`")
    world: World = request.getfixturevalue("_world")
    world.land()
    try:
        yield witness_of(world)
    finally:
        world.land()


@pytest.fixture
def nemesis(_world: World) -> Iterator[Nemesis]:
    """Hurts the service (``"target"``) or a store (by its name) as long as a block runs.

    ``with nemesis.paused("redis"):``, ``killed(...)`` (gone, and back on the same port), and in the same
    way ``out_of_descriptors``, ``short_of_memory``, ``disk_full``, ``clock_stepped("1h")``; or any fault
    of `harness.faults.process` by ``nemesis.inject(fault)``. Each says what was seen of it
    (``injected.effect``). A fault that this system refuses, that was not seen to be in effect all the
    time, or that could not be undone fails the test. Whatever a test leaves is undone after it.

    A call that waits for who is hurt may wait for its time-out, which a held clock does not reach by
    itself: ``clock.run(lambda: client.get("/"))`` lets the service's time pass meanwhile.
    """
    try:
        yield _world.hurts.nemesis
    finally:
        _world.hurts.nemesis.end_all()


@pytest.fixture
def client(target: TargetHandle) -> Iterator[httpx.Client]:
    """An httpx client on the target; it follows no redirects and uses no proxy."""
    secured = target.secured

    def name_peer(request: httpx.Request) -> None:
        """The certificate is for a name, and we call an address."""
        if secured is not None:
            request.extensions = {**request.extensions, "sni_hostname": secured.name}

    with httpx.Client(
        base_url=target.url,
        trust_env=False,
        timeout=10.0,
        verify=True if secured is None else secured.context,
        event_hooks={"request": [name_peer]},
    ) as client:
        yield client


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> Seed:
    """The run's seed: ``seed.stream("my test")`` is a ``random.Random`` of its own."""
    return _session(request.config).settings.seed


def _session(config: pytest.Config) -> Session:
    found: Any = config.pluginmanager.get_plugin("stormproof-session")
    if not isinstance(found, Session):
        raise pytest.UsageError("give the service's contract with --contract FILE")
    return found
