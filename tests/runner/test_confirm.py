"""A broken verdict is repeated in fresh worlds before anybody is accused."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from harness.seeds import Seed
from harness.units import NS_PER_S
from harness.verdict import Status
from tests.promises.rate_limit.simulated import Fixed, Log
from tests.runner.simulated_world import simulate

LIMIT = {"limit": "5/10s"}


@dataclass
class SometimesOneMore:
    """A log that gives the worlds named by ``lies`` one call too many, each with its first full key."""

    lies: frozenset[int]
    log: Log = field(default_factory=lambda: Log(5, 10 * NS_PER_S))
    worlds: list[str] = field(default_factory=list)

    def admits(self, key: str, now: int) -> bool:
        if self.log.admits(key, now):
            return True
        if key not in self.worlds:
            self.worlds.append(key)
            return self.worlds.index(key) in self.lies
        return False


@pytest.mark.parametrize(
    ("lies", "status", "word", "repeats"),
    [
        ({0, 1, 2}, Status.BROKEN, "6 calls of user-", (3, 3)),
        ({0, 1}, Status.BROKEN, "intermittent 2/5: 6 calls of user-", (2, 5)),
        ({0, 3, 4}, Status.BROKEN, "intermittent 3/5", (3, 5)),
        ({0}, Status.UNKNOWN, "once and not again in 4 fresh worlds", (1, 5)),
    ],
)
def test_how_often_it_was_seen_decides(
    lies: set[int], status: Status, word: str, repeats: tuple[int, int]
) -> None:
    """3 of the first 3, or 2 of 5, are broken; once only is unknown, and its file is kept."""
    result = simulate(SometimesOneMore(frozenset(lies)), Seed(1), **LIMIT)
    assert result.verdict.status is status
    assert word in result.verdict.reason
    assert result.results[0].repeats == repeats
    assert result.counterexample is not None
    assert len(result.counterexample.verdict.findings[0].calls) == 6


def test_after_a_proof_the_rest_is_not_played() -> None:
    """Users wait for us: one proved trial is enough, unless all are asked for."""
    short = simulate(Log(6, 10 * NS_PER_S), Seed(1), **LIMIT)
    assert [one.trial.steps == () for one in short.results].count(False) == 1
    full = simulate(Log(6, 10 * NS_PER_S), Seed(1), thorough=True, **LIMIT)
    assert sum(one.verdict.status is Status.BROKEN for one in full.results) > 3


def test_the_same_seed_draws_the_same_plans() -> None:
    """Trials are values: equal seeds give equal ones, other seeds other ones."""
    plans = [
        [one.trial for one in simulate(Log(5, 10 * NS_PER_S), Seed(n), **LIMIT).results]
        for n in (1, 1, 2)
    ]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


class Refuses:
    """Nobody ever gets in."""

    def admits(self, key: str, now: int) -> bool:
        return False


class Admits:
    """Everybody always gets in."""

    def admits(self, key: str, now: int) -> bool:
        return True


@pytest.mark.parametrize("limiter", [Refuses(), Admits()])
def test_kept_must_be_earned(limiter: Refuses | Admits) -> None:
    """Neither who always refuses nor who never does keeps a limit."""
    assert simulate(limiter, Seed(1), **LIMIT).verdict.status is Status.BROKEN


def test_a_store_that_goes_away() -> None:
    """Each word of ``when_down`` is kept by who behaves so, and its outage is counted."""
    for word in ("open", "closed"):
        store = {"dependency": "store", "when_down": word}
        result = simulate(Log(5, 10 * NS_PER_S), Seed(1), store=store, **LIMIT)
        assert result.verdict.status is Status.KEPT, (word, result.verdict)
        assert result.verdict.evidence["faults"]


@pytest.mark.parametrize(("promised", "done"), [("open", "closed"), ("closed", "open")])
def test_a_store_that_goes_away_otherwise(promised: str, done: str) -> None:
    """Open for closed and closed for open are broken."""
    from tests.runner.simulated_world import SimulatedWorld

    original = SimulatedWorld.__post_init__

    def other(self: SimulatedWorld) -> None:
        original(self)
        self.when_down = done

    store = {"dependency": "store", "when_down": promised}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedWorld, "__post_init__", other)
        result = simulate(Log(5, 10 * NS_PER_S), Seed(1), store=store, **LIMIT)
    assert result.verdict.status is Status.BROKEN
    assert next(r for r in result.results if r.verdict.findings).trial.name == "T9 store"


def test_once_broken_is_never_kept_whichever_trial_it_was() -> None:
    """Also where the words do not need the trial that saw it: its file stands in the record."""
    window = 10 * NS_PER_S
    limiter = OnceMore(Fixed(5, window, 0), at_most=5)
    result = simulate(limiter, Seed(1), limit="5/10s", window="fixed")
    seen = [one for one in result.results if one.repeats[0]]
    assert seen
    assert result.verdict.status is Status.UNKNOWN
    assert "once and not again" in result.verdict.reason


@dataclass
class OnceMore:
    """Fixed windows that let the twelfth key in for one window too many, once."""

    honest: Fixed
    at_most: int
    keys: list[str] = field(default_factory=list)

    def admits(self, key: str, now: int) -> bool:
        if key not in self.keys:
            self.keys.append(key)
        if self.honest.admits(key, now):
            return True
        return self.keys.index(key) == 1
