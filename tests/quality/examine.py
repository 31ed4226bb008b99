"""Verifies the promises of a reference contract against its healthy target or a mutant of it."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from fixtures.mutants import contract_of
from harness.contract.load import LoadedContract, load
from harness.promises import words
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor

BUDGET_S = 300.0
_TURN_S = 0.001
"""How long the thread that slows a client holds the interpreter's lock each time."""


def reference(name: str) -> LoadedContract:
    """The contract of a reference target, or of other words (`fixtures.mutants.contract_of`)."""
    return load(contract_of(name), words())


def with_module(loaded: LoadedContract, module: str) -> LoadedContract:
    """The same contract, its target started from another module."""
    target = loaded.contract.target
    command = tuple(
        module if part.startswith("fixtures.") else part for part in target.command or ()
    )
    contract = loaded.contract.model_copy(
        update={"target": target.model_copy(update={"command": command})}
    )
    return replace(loaded, contract=contract)


def examine(
    loaded: LoadedContract,
    only: Collection[str] | None = None,
    *,
    seed: int = 1,
    thorough: bool = False,
) -> dict[str, PromiseResult]:
    """Verify each promise in a world of its own target; what cannot start raises.

    No counterexample is shrunk: that takes time and changes no verdict.
    """
    found: dict[str, PromiseResult] = {}
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(seed)) as world:
        for promise in loaded.contract.promises:
            if only is None or promise.id in only:
                run = Verification(
                    world, promise, BUDGET_S, _silent, thorough=thorough, shrink_s=0.0
                )
                found[promise.id] = run.run()
    return found


def _silent(name: str, number: int, total: int) -> None:
    """Nobody looks on."""
    del name, number, total


@contextmanager
def busy_cores(count: int = 3) -> Iterator[None]:
    """Other processes that compute without pause, more of them than the machine has cores."""
    context = multiprocessing.get_context("spawn")
    spinners = [context.Process(target=_spin_for_ever, daemon=True) for _ in range(count)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


@contextmanager
def slow_client() -> Iterator[None]:
    """A thread beside the client that takes the interpreter's lock from it again and again."""
    stop = threading.Event()
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    spinner = threading.Thread(target=_spin, args=(stop,), daemon=True)
    spinner.start()
    try:
        yield
    finally:
        stop.set()
        spinner.join()
        sys.setswitchinterval(usual_s)


def _spin(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(2_000))


def _spin_for_ever() -> None:
    while True:
        sum(range(2_000))
