"""The sequential procedure: few calls prove a defect, honest ones are shown, and doubt says why."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from harness.models.backoff.law import Law, Slack, readings
from harness.models.backoff.looks import LEVEL, LOOKS, Look, look
from harness.models.backoff.spread import crowds, grows, verdict

MS = 1_000_000
SLACK = Slack()
FULL = Law(family="full", initial_ns=100.0 * MS, factor=2.0)
EQUAL = Law(family="equal", initial_ns=100.0 * MS, factor=2.0)
Draw = Callable[[Random, int, int], float]


def sampled(draw: Draw, calls: int, *, waits: int = 3, seed: int = 1) -> list[tuple[int, ...]]:
    """Calls whose k-th wait is so many times 100 ms times 2 to the k; ``draw(rng, call, k)``."""
    rng = Random(seed)
    return [
        tuple(round(draw(rng, call, k) * 100 * MS * 2**k) for k in range(waits))
        for call in range(calls)
    ]


def first(laws: tuple[Law, ...], sample: list[tuple[int, ...]], status: str) -> Look | None:
    """The first look that ends so."""
    for calls in LOOKS:
        seen = look(laws, sample[:calls], SLACK)
        if seen.status == status:
            return seen
    return None


def uniform(rng: Random, *_: int) -> float:
    return rng.random()


def upper_half(rng: Random, *_: int) -> float:
    return rng.uniform(0.5, 1)


def tent(rng: Random, *_: int) -> float:
    return (rng.random() + rng.random()) / 2


def one_seed(rng: Random, call: int, k: int) -> float:
    return Random(7 * k).random()


def pairs(rng: Random, call: int, k: int) -> float:
    return Random(f"{call // 2} {k}").random()


def doubled(rng: Random, *_: int) -> float:
    return 2 * rng.random()


@pytest.mark.parametrize(
    ("law", "draw", "within", "test"),
    [
        (FULL, upper_half, 24, "smallest"),
        (FULL, tent, 96, "bell"),
        (FULL, one_seed, 12, "together"),
        (FULL, pairs, 12, "together"),
        (FULL, lambda *_: 1.0, 12, None),
        (FULL, lambda rng, *_: 0.9 * rng.random(), 192, "largest"),
        (FULL, lambda rng, *_: rng.uniform(0.4, 0.6), 12, None),
    ],
)
def test_defects_are_proved_by_few_calls(
    law: Law, draw: Draw, within: int, test: str | None
) -> None:
    """By the test that is made for them, with all of the look's share of the level."""
    seen = first((law,), sampled(draw, 384), "broken")
    assert seen is not None
    assert seen.calls <= within
    worst = seen.readings[0].worst
    assert worst is not None
    assert worst.p < LEVEL / len(LOOKS)
    assert test is None or worst.name == test


@pytest.mark.parametrize("law", [FULL, EQUAL])
def test_what_is_wider_is_outside(law: Law) -> None:
    """One wait beyond the span ends the only reading, whatever the number of calls."""
    seen = look((law,), sampled(doubled, 12), SLACK)
    assert seen.status == "broken"
    assert seen.readings[0].outside is not None


@pytest.mark.parametrize(("law", "draw"), [(FULL, uniform), (EQUAL, upper_half)])
def test_honest_waits_are_shown(law: Law, draw: Draw) -> None:
    """From 48 calls on, and nearly always by 192; never accused."""
    for seed in range(8):
        sample = sampled(draw, 384, seed=seed)
        assert first((law,), sample, "broken") is None
        seen = first((law,), sample, "kept")
        assert seen is not None
        assert 48 <= seen.calls <= 192


def test_doubt_names_the_rival_or_the_edge() -> None:
    """Unknown says what is not settled."""
    assert "3 calls are too few" in look((FULL,), sampled(uniform, 3), SLACK).why
    flat = look((FULL,), sampled(lambda rng, _, k: rng.uniform(0.1 * (k == 0), 1), 48), SLACK)
    assert (flat.status, "lowest tenth" in flat.why) == ("open", True)
    one_wait = look((FULL,), sampled(uniform, 48, waits=1), SLACK)
    assert (one_wait.status, "initial x 1.1 explains" in one_wait.why) == ("open", True)
    narrow = Law(family="additive", initial_ns=100.0 * MS, extra_ns=12.0 * MS)
    waits = [tuple(round((100 + 12 * Random(i).random()) * MS) for _ in (1,)) for i in range(48)]
    assert "too little beside the rounding" in look((narrow,), waits, SLACK).why


def test_two_readings_of_the_cap() -> None:
    """Waits at the cap in a quarter of the calls: only the cap after the draw explains them."""
    listed = (200.0 * MS, 400.0 * MS)
    law = Law(family="full", initial_ns=0, listed_ns=listed, cap_ns=300.0 * MS)
    laws = readings(law, 2)
    rng = Random(4)
    sample = [
        tuple(round(min(300.0, rng.uniform(0, nominal)) * MS) for nominal in (200, 400))
        for _ in range(192)
    ]
    seen = look(laws, sample, SLACK)
    assert seen.status == "kept", seen.why
    assert [reading.is_out for reading in seen.readings] == [True, False]
    halved = [(one, two // 2) for one, two in sample]
    assert look(laws, halved, SLACK).status == "broken"


def test_waits_that_fit_badly_are_not_shown() -> None:
    """Too likely to be broken, too unlikely to be kept."""
    low = sampled(lambda rng, *_: rng.random() ** 1.7, 48)
    seen = look((FULL,), low, SLACK)
    assert seen.status == "open"
    assert "fit the declared law badly" in seen.why


def test_decorrelated_waits_that_hang_on_nothing() -> None:
    """Each uniform in the first span whatever came before: too small for where they should lie."""
    law = Law(family="decorrelated", initial_ns=100.0 * MS)
    rng = Random(6)
    sample = [tuple(round(rng.uniform(100, 300) * MS) for _ in range(4)) for _ in range(96)]
    assert first((law,), sample, "broken") is not None


# -- callers that come back together ---------------------------------------------------------


def wave(width_ms: float, callers: int = 40, seed: int = 0) -> list[int]:
    """First waits, uniform in so many ms."""
    rng = Random(seed)
    return [round(rng.uniform(0, width_ms) * MS) for _ in range(callers)]


@pytest.mark.parametrize(
    ("width_ms", "said"), [(2.0, "broken"), (5.0, "kept"), (100.0, "kept"), (0.0, "broken")]
)
def test_a_crowd_is_nine_in_ten_within_the_rounding(width_ms: float, said: str) -> None:
    """Five waves of forty: all crowds, or none."""
    waves = [wave(width_ms, seed=seed) for seed in range(5)]
    assert verdict(crowds(waves)) == said
    assert verdict(crowds(waves[:4])) == "open"


def test_some_crowds_are_open() -> None:
    """Between one wave in five and all of them nothing is said."""
    apart, crowd = wave(100), wave(1)
    assert verdict(crowds([crowd, apart, apart, apart, apart])) == "kept"
    for number in (2, 3, 4):
        assert verdict(crowds([crowd] * number + [apart] * (5 - number))) == "open"


def test_a_declared_spread() -> None:
    """At most half within 250 ms: uniform over 1 s is spread, over 0.3 s is not."""
    for width_ms, said in ((1_000, "kept"), (300, "broken")):
        waves = [wave(width_ms, seed=seed) for seed in range(5)]
        assert verdict(crowds(waves, share=0.5, within_ns=250 * MS)) == said


def test_growth() -> None:
    """Twice as long is seen, half as long is proved broken, and just as long is open."""
    rng = Random(2)

    def calls(factor: float) -> list[list[int]]:
        return [[round(rng.random() * 100 * MS * factor**k) for k in range(3)] for _ in range(200)]

    assert grows(calls(2.0), 2.5 * MS) == ("kept", 0)
    assert grows(calls(0.3), 2.5 * MS)[0] == "broken"
    assert grows(calls(1.0), 2.5 * MS)[0] == "open"
    assert grows([], 2.5 * MS)[0] == "open"
