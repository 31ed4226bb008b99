"""One promise in one world: binds a plan to fresh callers, plays it, and judges what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from harness.contract.words import Promise
from harness.history import History
from harness.plan import Played, Trial, hurts
from harness.promises import kinds
from harness.promises.base import Kind, Surroundings, TrialResult
from harness.runner.callers import can_call_from
from harness.runner.doubted import doubted
from harness.runner.flights import flies
from harness.runner.play import Player, play_one
from harness.runner.world import World
from harness.units import NS_PER_S
from harness.verdict import Verdict

_BOOT_NS: Final = 2 * NS_PER_S
"""What a target may still wait for once it listens, as a master does between two of its workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """What showed a promise broken, and what is needed to see it again.

    Attributes:
        trial: the plan.
        verdict: of this playing; its first finding is the one that is told.
        history: everything since the target started.
        played: which calls of the history belong to which step of the plan.
        readings: for each call that belongs to it how its kind reads the answer: True in, False
            refused, None neither.
        shrunk_from: how many steps and calls its unrolled plan had before it was shrunk, None
            where it stayed as it was.
    """

    trial: Trial
    verdict: Verdict
    history: History
    played: Played
    readings: Mapping[int, bool | None]
    shrunk_from: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the plans of one promise are played; everything happens in the calling thread."""

    world: World
    promise: Promise

    @property
    def kind(self) -> Kind:
        """The promise's kind."""
        return kinds()[self.promise.kind]

    def around(self) -> Surroundings:
        """What the kind may know of contract and world."""
        contract = self.world.contract
        return Surroundings(
            promises=contract.promises,
            ok={name: frozenset(spec.ok) for name, spec in contract.operations.items()},
            frozen=self.world.time.mode == "frozen",
            can_call_from=can_call_from,
            rng=self.world.seed.stream(contract.service, self.promise.id),
            serving=self.world.serving,
            operations=contract.operations,
            dependencies=contract.dependencies,
        )

    def quiet_ns(self) -> int:
        """Past every window of the contract, so that no promise remembers another's trials."""
        known = kinds()
        return max(known[p.kind].quiet_ns(p) for p in self.world.contract.promises)

    def player(self, trial: Trial, deadline_s: float) -> Player:
        """Who plays the trial, until ``deadline_s`` on ``time.monotonic()``."""
        promise: Any = self.promise
        around = self.around()
        proxies = getattr(promise, "trusted_proxies", ())
        return Player(
            self.world,
            trial,
            operations=promise.operation,
            key=getattr(promise, "key", None),
            own_address=_own_address(promise, self.world),
            proxy=proxies[0] if proxies else None,
            admitted=lambda call: self.kind.admitted(promise, around, call),
            deadline_s=deadline_s,
        )

    def make_fresh(self, trial: Trial, deadline_s: float) -> bool:
        """A world in which nobody remembers anything; False if the time left has no room for it.

        A held clock is moved; in real time target and stores start again, or are waited for.
        """
        world, quiet_ns = self.world, self.quiet_ns()
        is_frozen = world.time.mode == "frozen"
        if not is_frozen and time.monotonic() + trial.span_ns / NS_PER_S > deadline_s:
            return False
        if trial.fresh == "restart" and (world.is_fresh or world.restart()):
            if is_frozen:
                world.flights.walk_to(world.now_ns + _BOOT_NS)
            return True
        if is_frozen:
            world.move_to(world.now_ns + quiet_ns)
            return True
        if not world.history().calls or world.restart():
            return True
        if time.monotonic() + (quiet_ns + trial.span_ns) / NS_PER_S > deadline_s:
            return False
        world.move_to(world.now_ns + quiet_ns)
        return True

    def play(self, trial: Trial, deadline_s: float) -> Played:
        """Play the trial, and bring back what it took away."""
        played = play_one(self.world, self.player(trial, deadline_s))
        self.world.heal_all()
        return played

    def judge(self, trial: Trial, played: Played) -> TrialResult:
        """What the playing shows."""
        self.world.check_alive()
        return self.judged(self.world.history(), trial, played)

    def judged(self, history: History, trial: Trial, played: Played) -> TrialResult:
        """What a history shows of a playing; a checker that crashes proves nothing."""
        try:
            said = self.kind.judge(self.promise, self.around(), history, trial, played)
            verdict = doubted(self.promise.kind, history, played, said.verdict)
            return replace(said, verdict=verdict)
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody is accused)
            why = f"{trial.name} could not say: the checker failed ({error!r}); please report it"
            return TrialResult(trial=trial, verdict=Verdict.unknown(why))

    def shown(self, trial: Trial, verdict: Verdict, played: Played) -> Counterexample:
        """What was seen, to be told, drawn and seen again."""
        history, around = self.world.history(), self.around()
        own = {index for step in played.steps for index in step}
        own.update(index for finding in verdict.findings[:1] for index in finding.calls)
        calls = history.calls
        return Counterexample(
            trial=trial,
            verdict=verdict,
            history=history,
            played=played,
            readings={
                index: self.kind.admitted(self.promise, around, calls[index])
                for index in sorted(own)
            },
        )


def needs_world(trial: Trial) -> bool:
    """Whether a trial hurts the service or a store: nothing else may run meanwhile."""
    return hurts(trial.steps)


def can_play_together(promise: Promise, trials: Iterable[Trial]) -> bool:
    """Whether in real time all trials of a promise can share one schedule.

    Not where they share a key, or tell witnesses what to answer.
    """
    return getattr(promise, "key", None) != "global" and not any(map(flies, trials))


def _own_address(promise: Any, world: World) -> bool:
    """Whether each caller needs an address of its own: where any promise on the way counts by it."""
    identity = world.contract.identities.get(getattr(promise, "key", ""))
    if identity is not None and identity.source:
        return True
    return any(
        getattr(other, "key", None) == "ip" and set(other.operation) & set(promise.operation)
        for other in world.contract.promises
    )
