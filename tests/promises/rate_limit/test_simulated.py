"""Honest algorithms against all words: kept where the words are theirs, accused where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import pytest

from harness.promises.rate_limit.check import Judgement, judge
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_MS, NS_PER_S, format_duration
from tests.promises.rate_limit.notation import SETTING, promise
from tests.promises.rate_limit.simulated import (
    All,
    Bucket,
    Client,
    Fixed,
    Limiter,
    Log,
    Make,
    Numbers,
    TwoBuckets,
    edge,
    edge_of_bucket,
    saturate,
    straddle,
    wander,
)

ALGORITHMS: dict[str, Make] = {
    "aligned": lambda n, rng: Fixed(n.count, n.window, n.phase),
    "first call": lambda n, rng: Fixed(n.count, n.window, None),
    "log": lambda n, rng: Log(n.count, n.window, closed=rng.random() < 0.5),
    "log in ms": lambda n, rng: Log(n.count, n.window, stamp=NS_PER_MS),
    "log of refusals": lambda n, rng: Log(n.count, n.window, counts_refusals=True),
    "two buckets": lambda n, rng: TwoBuckets(n.count, n.window, n.phase),
    "bucket of N": lambda n, rng: Bucket(n.count, n.count, n.window),
    "bucket of B": lambda n, rng: Bucket(n.size, n.count, n.window),
    "steps": lambda n, rng: Bucket(n.size, n.count, n.window, step=n.step, phase=n.phase),
    "log in seconds": lambda n, rng: Log(n.count, n.window, stamp=NS_PER_S),
}
WORDS: dict[str, Callable[[Numbers], RateLimit]] = {
    "limit": lambda n: _promise(n, burst=None),
    "fixed": lambda n: _promise(n, window="fixed"),
    "approximate": lambda n: _promise(n, window="approximate"),
    "burst: N": lambda n: _promise(n, burst=n.count),
    "burst: B": lambda n: _promise(n, burst=n.size),
    "refill": lambda n: _promise(n, burst=n.size, refill=f"{n.step}ns"),
    "refused_count": lambda n: _promise(n, refused_count="yes"),
    "granularity": lambda n: _promise(n, granularity="1s"),
}
# One row an algorithm, in the order of WORDS; u, l: the half that breaks; k: keeps; ?: breaks, in
# whichever half; .: breaks for some numbers only, never judged here.
MATRIX = {
    "aligned": "u k k ul ul ? u u",
    "first call": "u k k ul ul ? u u",
    "log": "k k k l u ? k k",
    "log in ms": "k k k l u ? k k",
    "log of refusals": "l l l l u ? k l",
    "two buckets": "ul l k l u ? ul ul",
    "bucket of N": "u u u k u . u u",
    "bucket of B": "lu l l l k k l l",
    "steps": ". . . ul ? k . .",
    "log in seconds": "u k k l u ? u k",
}
CELLS = [
    (algorithm, words, cell)
    for algorithm, row in MATRIX.items()
    for words, cell in zip(WORDS, row.split(), strict=True)
    if cell != "."
]
RUNS = 2


def _promise(numbers: Numbers, **words: object) -> RateLimit:
    return promise(f"{numbers.count}/{format_duration(numbers.window)}", **words)


def play(words: RateLimit, make: Make, numbers: Numbers, rng: Random, widest: int) -> Judgement:
    """The trials of these words against one limiter; judged trial by trial, as a run does."""
    client = Client(make(numbers, rng), rng, widest, now=rng.randrange(numbers.window))
    parts: list[Judgement] = []
    for trial in _trials(words, numbers):
        first = len(client.calls)
        client.key += 10
        trial(client)
        client.wait(3 * numbers.window)
        parts.append(judge(words, client.history(), SETTING, first_call=first))
    return _together(parts)


def _trials(words: RateLimit, numbers: Numbers) -> Iterable[Callable[[Client], None]]:
    slack, size = words.granularity, words.burst
    if size is None:
        reach = 2 if words.window == "approximate" else 1
        yield lambda client: edge(client, numbers, slack, reach=reach)
        yield lambda client: straddle(client, numbers, slack)
        if words.window is not None:
            yield lambda client: saturate(client, numbers)
    else:
        yield lambda client: edge_of_bucket(client, numbers, slack, size)
    cap = size or numbers.count
    for _ in range(3):
        yield lambda client: wander(client, numbers, slack, cap)


def _together(parts: list[Judgement]) -> Judgement:
    evidence = {name: sum(each.evidence[name] for each in parts) for name in parts[0].evidence}
    findings = tuple(finding for each in parts for finding in each.findings)
    return Judgement(findings, (), evidence, any(each.full_cap for each in parts), 0, False)


def _widest(words: RateLimit, numbers: Numbers) -> int:
    if words.burst is not None:
        return min(30 * NS_PER_MS, numbers.window // (24 * words.burst))
    return min(30 * NS_PER_MS, numbers.window // (16 * (numbers.count + 4)))


@pytest.mark.parametrize(("algorithm", "words", "cell"), CELLS)
def test_each_algorithm_is_accused_under_words_that_are_not_its_own(
    algorithm: str, words: str, cell: str
) -> None:
    """On a frozen clock every cell of the table: accused in the half named, or kept."""
    for run in range(RUNS):
        rng = Random(f"{algorithm} {words} {run}")
        numbers = Numbers.draw(rng)
        if words == "refill" and cell != "k":  # B + q at once are allowed: a small q shows more
            numbers = replace(numbers, step_tokens=1)
        declared = WORDS[words](numbers)
        found = play(declared, ALGORITHMS[algorithm], numbers, rng, widest=0)
        halves = {finding.half for finding in found.findings}
        if cell == "k":
            assert not halves, found.findings[0].said
            assert found.full_cap
            assert found.evidence["over_refused"]
            assert found.evidence["readmitted"]
        else:
            wanted = {"upper", "lower"} if cell == "?" else {_HALVES[letter] for letter in cell}
            assert halves & wanted, f"{numbers}: {halves}"


_HALVES = {"u": "upper", "l": "lower"}


@pytest.mark.parametrize(
    ("algorithm", "words"), [(algorithm, words) for algorithm, words, cell in CELLS if cell == "k"]
)
@pytest.mark.parametrize("lost", [0.0, 0.02])
def test_no_honest_algorithm_is_ever_accused_in_real_time(
    algorithm: str, words: str, lost: float
) -> None:
    """With random widths up to the margin, and with lost answers: not one accusation."""
    for run in range(RUNS):
        rng = Random(f"{algorithm} {words} {run} {lost}")
        numbers = Numbers.draw(rng)
        declared = WORDS[words](numbers)

        def make(numbers: Numbers, rng: Random) -> Limiter:
            return ALGORITHMS[algorithm](numbers, rng)

        found = play(declared, make, numbers, rng, _widest(declared, numbers))
        assert not found.findings, f"{numbers}: {found.findings[0].said}"


def test_two_limits_are_kept_by_two_logs() -> None:
    """Several limits at once: the honest service is never accused, whichever of them is full."""
    for run in range(RUNS):
        rng = Random(run)
        numbers = Numbers.draw(rng)
        count, window = numbers.count * 2, numbers.window * 7
        words = promise(
            [
                f"{numbers.count}/{format_duration(numbers.window)}",
                f"{count}/{format_duration(window)}",
            ]
        )
        found = play(
            words,
            lambda n, rng: All([Log(n.count, n.window), Log(n.count * 2, n.window * 7)]),
            numbers,
            rng,
            widest=0,
        )
        assert not found.findings, found.findings[0].said
        assert found.evidence["over_refused"]
        assert found.evidence["full_limits"] >= 2
