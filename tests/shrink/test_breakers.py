"""Counterexamples of simulated breakers: each is made small with few playings.

A playing on the wire starts the target again, so their number is what shrinking costs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import pytest

from harness.plan import Fire, Trial
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.words import CircuitBreaker
from harness.runner.smallest import first_of
from harness.seeds import Seed
from harness.shrink.proof import Playing, suggested
from harness.shrink.shrink import Shrunk, shrink
from harness.shrink.unroll import Steps, unrolled
from harness.verdict import Status
from tests.promises.circuit_breaker.simulated import (
    DEFECTS,
    KIND,
    Make,
    around,
    drawn_defect,
    verify,
    world,
)

STEPS_MOST: Final = 8
PLAYS_MOST: Final = 60


@dataclass(frozen=True, slots=True)
class Simulated:
    """Plays the plans of one trial against services that were just started."""

    words: CircuitBreaker
    scene: Surroundings
    trial: Trial
    half: str
    make: Make

    def play(self, plan: Steps) -> Playing | None:
        history, played = self.make().play(replace(self.trial, steps=plan))
        playing = Playing(plan, played, history, ())
        calls = self.proves(playing)
        return None if calls is None else replace(playing, calls=calls)

    def proves(self, playing: Playing) -> tuple[int, ...] | None:
        trial = replace(self.trial, steps=playing.steps)
        result = KIND.judge(self.words, self.scene, playing.history, trial, playing.played)
        told = first_of(result.verdict, self.half)
        return None if told is None else told.findings[0].calls


def shrunk(name: str, number: int) -> tuple[int, Shrunk[Playing]] | None:
    """How many steps the counterexample of a defect has as it was played, and the smallest."""
    seed = Seed(number)
    words, manner = drawn_defect(name, seed.stream("contract", name))
    make = world(words, manner, seed.stream("service", name), defect=name)
    found = verify(words, seed, make)
    if found.verdict.status is not Status.BROKEN:
        return None
    trial = found.results[-1].trial
    scene = around(words, seed.stream("again"))
    wire = Simulated(words, scene, trial, found.verdict.findings[0].half, make)
    playing = wire.play(trial.steps)
    if playing is None:
        return None
    whole = unrolled(trial.steps, playing.played)

    def suggest(shown: Playing) -> tuple[Steps, ...]:
        return suggested(shown, wire.proves)

    starts = (*suggest(playing), whole)
    made = shrink(starts, wire.play, manner="bold", worlds=4, suggest=suggest)
    return None if made is None else (len(whole), made)


SAMPLE: Final = (
    "never opens",
    "each fifth call while open",
    "T x 0.9",
    "refusal restarts T",
    "herd",
    "S + 1",
    "permit lost on ok",
    "trial failure ignored",
    "late success closes",
)


def test_breakers_are_shown_in_few_steps_and_few_playings() -> None:
    """Each is smaller than it was; half of them need no more steps, or playings, than promised."""
    found = [made for name in SAMPLE if (made := shrunk(name, 7)) is not None]
    assert len(found) == len(SAMPLE)
    assert all(len(made.plan) < before for before, made in found)
    assert median(len(made.plan) for _, made in found) <= STEPS_MOST
    assert median(made.plays for _, made in found) <= PLAYS_MOST
    assert all(made.seen == made.worlds == 4 for _, made in found)


@pytest.mark.parametrize("name", ["T x 0.9", "late success closes"])
def test_nothing_follows_the_proof(name: str) -> None:
    """The last step is the one that completes it."""
    found = shrunk(name, 7)
    assert found is not None
    assert isinstance(found[1].plan[-1], Fire)


def main(count: int) -> int:
    """Each defect with so many seeds; a line for each, then the medians; 1 if they are too large."""
    steps, plays = [], []
    for number in range(count):
        for name in DEFECTS:
            found = shrunk(name, number)
            if found is None:
                continue
            before, made = found
            steps.append(len(made.plan))
            plays.append(made.plays)
            print(f"{name} {number}: {before} steps -> {len(made.plan)} in {made.plays} playings")
    print(f"median of {len(steps)}: {median(steps)} steps in {median(plays)} playings")
    return int(median(steps) > STEPS_MOST or median(plays) > PLAYS_MOST)
