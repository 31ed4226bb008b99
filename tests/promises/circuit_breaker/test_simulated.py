"""Simulated services play the trials: honest breakers are kept, those with a defect broken.

``make prove`` plays many contracts of each row, the tests a seeded sample.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

import pytest

from harness.seeds import Seed
from harness.verdict import Status
from tests.promises.circuit_breaker.breakers import Manner
from tests.promises.circuit_breaker.simulated import (
    DEFECTS,
    defective,
    drawn,
    healthy,
    promise,
    verify,
    world,
)

SAMPLE: Final = 16
REAL: Final = range(9, 14)


def test_honest_breakers_are_kept() -> None:
    """Whatever the words leave open is tried, and accuses nobody."""
    found = healthy(SAMPLE)
    assert found[Status.KEPT] == SAMPLE, found


def test_honest_breakers_are_not_accused_in_real_time() -> None:
    """Each event takes a while; what is too tangled to decide is unknown."""
    found = healthy(len(REAL), frozen=False, first=REAL[0])
    assert found[Status.BROKEN] == 0, found
    assert found[Status.KEPT] >= 3, found


@pytest.mark.parametrize("number", range(4))
def test_a_lock_around_the_call_is_not_accused(number: int) -> None:
    """Calls one after another: nothing is broken, and with one permit it is even kept."""
    seed = Seed(number)
    manner = Manner.by(seed.stream("manner"))
    its = promise(trips={"consecutive": 4}, half_open={"permits": 1, "successes": 2})
    make = world(its, replace(manner, serial=True), seed.stream("service"))
    assert verify(its, seed, make).verdict.status is Status.KEPT


@pytest.mark.parametrize("name", DEFECTS)
def test_each_defect_is_broken(name: str) -> None:
    """One contract each that can show it."""
    found = defective(name, 1, first=7)
    assert found[Status.BROKEN] == 1, found


def test_same_seed_same_verdict() -> None:
    """Plans and services are drawn from the seed alone."""
    seed = Seed(5)
    results = []
    for _ in range(2):
        words, manner = drawn(seed.stream("contract"))
        result = verify(words, seed, world(words, manner, seed.stream("service")))
        results.append((result.calls, result.virtual_ns, result.verdict))
    assert results[0] == results[1]


def test_the_sample_covers_many_manners() -> None:
    """The seeds of the sample draw each window, and late results both ways."""
    manners = [drawn(Seed(number).stream("contract"))[1] for number in range(SAMPLE)]
    windows = Counter(manner.window for manner in manners)
    assert set(windows) == {"sliding", "buckets", "tumbling"}
    assert {manner.late_counted for manner in manners} == {True, False}
    assert manners[0] != Manner()


def main(count: int) -> bool:
    """So many contracts of honest breakers, a quarter in real time, a tenth behind a lock and a defect."""
    good = True
    for name, found in (
        ("honest", healthy(count)),
        ("honest, real time", healthy(count // 4, frozen=False)),
        ("behind a lock", _locked(count // 10)),
    ):
        good &= not found[Status.BROKEN]
        print(f"{name}: {_told(found)}, {found['calls']} calls, {found['virtual_s']} s")
    for name in DEFECTS:
        found = defective(name, max(1, count // 10))
        good &= not found[Status.KEPT]
        print(f"{name}: {_told(found)}")
    return good


def _told(found: Counter[str]) -> str:
    return ", ".join(f"{found[status]} {status}" for status in Status)


def _locked(count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for number in range(count):
        seed = Seed(number)
        words, manner = drawn(seed.stream("serialised"))
        make = world(words, replace(manner, serial=True), seed.stream("service"))
        result = verify(words, seed, make)
        found[result.verdict.status] += 1
        found["calls"] += result.calls
        if result.verdict.status is not Status.KEPT:
            print(number, result.verdict.reason)
    return found
