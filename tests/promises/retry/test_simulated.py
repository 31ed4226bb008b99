"""Plans, reading, judge and conclusion against simulated services, in virtual time.

``make prove`` plays thousands of policies; the tests play a sample of each.
"""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from harness.verdict import Status, Verdict
from tests.promises.retry.services import DEFECTS, SOME, drawn, drawn_some, spoiled, worlds
from tests.promises.retry.simulated import verify

SAMPLE: Final = 8


def honest(number: int) -> Verdict:
    """The verdict on honest policy ``number``; the same for ever."""
    rng = Random(f"healthy{number}")
    policy, words = drawn(rng)
    return verify(words, worlds(policy, rng))[0]


def defective(name: str, number: int) -> Verdict:
    """The verdict on a policy with a planted defect."""
    rng = Random(f"{name}{number}")
    policy, words = spoiled(rng, name)
    return verify(words, worlds(policy, rng))[0]


def loose(name: str, number: int) -> Verdict:
    """The verdict under ``jitter: some``."""
    rng = Random(f"some {name}{number}")
    policy, words = drawn_some(rng, name)
    return verify(words, worlds(policy, rng))[0]


@pytest.mark.parametrize("number", range(SAMPLE))
def test_honest_services_are_kept(number: int) -> None:
    """Random policies under their own documentation."""
    verdict = honest(number)
    assert verdict.status is Status.KEPT, verdict


@pytest.mark.parametrize("name", DEFECTS)
def test_defects_are_broken(name: str) -> None:
    """One planted defect each."""
    verdict = defective(name, 1)
    assert verdict.status is Status.BROKEN, verdict
    assert verdict.findings[0].proof["attempts"] or "refused" in verdict.reason


@pytest.mark.parametrize("name", SOME)
def test_with_jitter_and_no_more(name: str) -> None:
    """The word for documents that say no more than "with jitter"."""
    verdict = loose(name, 2)
    assert verdict.status == SOME[name], verdict


def main(healthy: int, each: int) -> dict[str, dict[str, int]]:
    """How policies were judged: ``healthy`` honest ones, ``each`` of every defect and of ``some``."""
    counts: dict[str, dict[str, int]] = {}

    def count(name: str, wanted: str, number: int, verdict: Verdict) -> None:
        row = counts.setdefault(f"{name}, to be {wanted}", dict.fromkeys(Status, 0))
        row[verdict.status] += 1
        if verdict.status != wanted:
            print(f"{name} {number}: {verdict.status}: {verdict.reason}")

    for number in range(healthy):
        count("honest", "kept", number, honest(number))
    for name in DEFECTS:
        for number in range(each):
            count(name, "broken", number, defective(name, number))
    for name, wanted in SOME.items():
        for number in range(each):
            count(f"some: {name}", wanted, number, loose(name, number))
    return counts
