"""One promise against one world: play its trials, judge, confirm what is broken, conclude."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.clock.errors import ClockError
from harness.contract.words import Promise
from harness.errors import CouldNotRun
from harness.plan import Played, Trial
from harness.promises.base import LEFT_OUT, NOT_NEEDED, Kind, TrialResult
from harness.runner.flights import flies
from harness.runner.play import Player, play_together
from harness.runner.smallest import SHRINK_S, smallest
from harness.runner.stage import Counterexample, Stage, can_play_together, needs_world
from harness.runner.times import NotAtRest
from harness.runner.world import World
from harness.units import NS_PER_S
from harness.verdict import Status, Verdict

_CONFIRM = 5
_LOST_TRIES = 5
_SMOKE_SHRINK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseResult:
    """All that is known of one promise after its trials.

    Attributes:
        ran: at least one trial was played.
        duration_s: real seconds.
        notes: what the reader must know of the world, e.g. why the clock was real.
    """

    promise: Promise
    verdict: Verdict
    results: tuple[TrialResult, ...]
    clock: str
    duration_s: float
    ran: bool
    notes: tuple[str, ...] = ()
    counterexample: Counterexample | None = None


Progress = Callable[[str, int, int], None]
"""Told before each trial: its name, its number from 1, and how many there are."""


def could_not_run(promise: Promise, error: Exception, clock: str, began_s: float) -> PromiseResult:
    """Nobody is accused when something could not do its part."""
    return PromiseResult(
        promise=promise,
        verdict=Verdict.unknown(f"could not run: {error}"),
        results=(),
        clock=clock,
        duration_s=time.monotonic() - began_s,
        ran=False,
    )


@dataclass(slots=True)
class Verification:
    """The state of one promise while its trials are played.

    Args:
        world: where they are played; everything happens in the calling thread.
        promise: what is verified.
        budget_s: real seconds that it may take.
        progress: told before each trial.
        thorough: play every trial, also when one has proved enough.
        shrink_s: real seconds that the counterexample may be shrunk for; 0 leaves it as it was.
        smoke: play only the few trials that the kind names for a smoke run; *kept* then means kept
            as far as they look.
    """

    world: World
    promise: Promise
    budget_s: float
    progress: Progress
    thorough: bool = False
    shrink_s: float = SHRINK_S
    smoke: bool = False
    stage: Stage = field(init=False)
    _results: list[TrialResult] = field(default_factory=list)
    _counterexamples: dict[str, Counterexample] = field(default_factory=dict)
    _deadline_s: float = 0.0

    def __post_init__(self) -> None:
        self.stage = Stage(self.world, self.promise)

    def run(self) -> PromiseResult:
        """Play, judge, confirm, conclude; what cannot run is *unknown*, never an error of ours."""
        began_s = time.monotonic()
        self._deadline_s = began_s + self.budget_s
        try:
            verdict = self._verdict()
        except (CouldNotRun, NotAtRest, ClockError) as error:
            self.world.spoil()
            verdict = Verdict.unknown(f"could not run: {error}")
            found = self._counterexample()
        else:
            found = self._smallest()
            verdict = self._retold(verdict, found)
        if any(needs_world(result.trial) or flies(result.trial) for result in self._results):
            # The service may still remember that a dependency was away, or work for calls that left.
            self.world.spoil()
        return PromiseResult(
            promise=self.promise,
            verdict=verdict,
            results=tuple(self._results),
            clock=self.world.time.mode,
            duration_s=time.monotonic() - began_s,
            ran=any(result.trial.steps for result in self._results),
            notes=tuple(self.world.notes),
            counterexample=found,
        )

    # -- trials ---------------------------------------------------------------------------------

    def _verdict(self) -> Verdict:
        kind = self.stage.kind
        trials = kind.trials(self.promise, self.stage.around())
        if self.smoke:
            trials = smoke_set(kind, trials)
        if self.world.time.mode == "real" and can_play_together(self.promise, trials):
            if self.world.history().calls:
                self.world.restart()  # other promises' calls may have used what this one shares
            self._play_in_one_schedule(trials)
        else:
            self._play_in_turn(trials)
        broken = [r for r in self._results if r.verdict.status is Status.BROKEN]
        if broken:
            return _told(broken[0].verdict, broken[0].repeats)
        once = next((result for result in self._results if result.repeats[0]), None)
        verdict = kind.conclude(self.promise, self._results)
        if once is not None and verdict.status is Status.KEPT:
            return Verdict.unknown(once.verdict.reason, verdict.evidence)
        if self.smoke and verdict.status is Status.KEPT:
            return replace(verdict, reason=f"as far as a smoke run looks: {verdict.reason}")
        return verdict

    def _play_in_turn(self, trials: Sequence[Trial]) -> None:
        proved: TrialResult | None = None
        for number, trial in enumerate(trials, start=1):
            if proved is not None and not self.thorough:
                self._results.append(_not_played(trial, f"{proved.trial.name} had proved enough"))
                continue
            if any(trial.unless & result.marks for result in self._results):
                self._results.append(_not_played(replace(trial, needed=False), NOT_NEEDED))
                continue
            self.progress(trial.name, number, len(trials))
            result = self._try(trial)
            if result.verdict.status is Status.BROKEN:
                result = self._confirm(result)
                proved = result if result.verdict.status is Status.BROKEN else None
            self._results.append(result)

    def _try(self, trial: Trial) -> TrialResult:
        """Play a trial; once more, up to five times, while answers that decide are lost."""
        if trial.cannot is not None:
            return _not_played(trial, trial.cannot)
        result = self._play(trial)
        for _ in range(_LOST_TRIES - 1):
            if not result.again or self._out_of_time():
                break
            result = self._play(trial)
        return result

    def _confirm(self, first: TrialResult) -> TrialResult:
        """Repeat a broken trial in fresh worlds: 3 of the first 3, or at least 2 of 5, stay broken."""
        seen, tried = 1, 1
        while tried < _CONFIRM and not (seen == tried == 3) and not self._out_of_time():
            again = self._play(first.trial)
            tried += 1
            seen += again.verdict.status is Status.BROKEN
        return _repeated(first, seen, tried)

    def _play(self, trial: Trial) -> TrialResult:
        if not self.stage.make_fresh(trial, self._deadline_s):
            return _not_played(trial, _too_long(trial))
        return self._judge(trial, self.stage.play(trial, self._deadline_s))

    def _play_in_one_schedule(self, trials: Sequence[Trial]) -> None:
        """In real time: all trials on their own keys at once, each in three fresh worlds."""
        worlds = 3
        played_trials = [trial for trial in trials if trial.cannot is None]
        exclusive = [t for t in played_trials if needs_world(t)]
        shared = [t for t in played_trials if not needs_world(t)]
        longest_s = max((t.span_ns for t in shared), default=0) / NS_PER_S
        for trial in trials:
            if trial.cannot is not None:
                self._results.append(_not_played(trial, trial.cannot))
        fits = [t for t in shared if t.span_ns / NS_PER_S <= self.budget_s]
        for trial in shared:
            if trial not in fits:
                self._results.append(_not_played(trial, _too_long(trial)))
        self.progress(f"{len(fits)} trials at once, about {longest_s:.0f} s", 1, len(trials))
        copies = [trial for trial in fits for _ in range(worlds)]
        played = play_together(self.world, [self._player(trial) for trial in copies])
        for trial, plays in _grouped(copies, played):
            self._results.append(self._judge_copies(trial, plays))
        for trial in exclusive:
            if time.monotonic() + trial.span_ns / NS_PER_S > self._deadline_s:
                self._results.append(_not_played(trial, _too_long(trial)))
                continue
            self.progress(trial.name, len(self._results) + 1, len(trials))
            result = self._try(trial)
            if result.verdict.status is Status.BROKEN:
                result = self._confirm(result)
            self._results.append(result)

    def _judge_copies(self, trial: Trial, plays: Sequence[Played]) -> TrialResult:
        results = [self._judge(trial, played) for played in plays]
        broken = [r for r in results if r.verdict.status is Status.BROKEN]
        if broken:
            return _repeated(broken[0], len(broken), len(results))
        kept = [r for r in results if r.verdict.status is Status.KEPT]
        return kept[0] if kept else results[0]

    # -- one playing ------------------------------------------------------------------------------

    def _player(self, trial: Trial) -> Player:
        return self.stage.player(trial, self._deadline_s)

    def _judge(self, trial: Trial, played: Played) -> TrialResult:
        result = self.stage.judge(trial, played)
        if result.verdict.status is Status.BROKEN and trial.name not in self._counterexamples:
            self._counterexamples[trial.name] = self.stage.shown(trial, result.verdict, played)
        return result

    def _counterexample(self) -> Counterexample | None:
        """That of the trial which decided; else one that was seen only once: its file is kept."""
        for result in self._results:
            if result.verdict.status is Status.BROKEN:
                return self._counterexamples.get(result.trial.name)
        return next(iter(self._counterexamples.values()), None)

    def _smallest(self) -> Counterexample | None:
        """The counterexample of the trial that decided, made smaller."""
        decided = next((r for r in self._results if r.verdict.status is Status.BROKEN), None)
        found = self._counterexample()
        if decided is None or found is None or not self.shrink_s:
            return found
        seen, tried = decided.repeats
        self.progress("making the counterexample smaller", len(self._results), len(self._results))
        most_s = min(self.shrink_s, _SMOKE_SHRINK_S) if self.smoke else self.shrink_s
        deadline_s = min(self._deadline_s, time.monotonic() + most_s)
        try:
            return smallest(self.stage, found, steady=seen == tried, deadline_s=deadline_s)
        except Exception as error:  # noqa: BLE001 (a proof is not lost because it stays as it was)
            self.world.spoil()
            self.world.notes.append(
                f"the counterexample of {self.promise.id} could not be made smaller ({error!r}); "
                "please report it"
            )
            return found

    def _retold(self, verdict: Verdict, found: Counterexample | None) -> Verdict:
        """Broken is told by its smallest proof: sentence, file and replay say the same."""
        if found is None or found.shrunk_from is None:
            return verdict
        repeats = next(r.repeats for r in self._results if r.trial.name == found.trial.name)
        return _told(replace(found.verdict, evidence=verdict.evidence), repeats)

    def _out_of_time(self) -> bool:
        return time.monotonic() > self._deadline_s


def smoke_set(kind: Kind, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials of a smoke run; the others only say that they were left out."""
    return tuple(
        kind.smoke(trial) or replace(trial, steps=(), needed=False, cannot=LEFT_OUT)
        for trial in trials
    )


def _repeated(first: TrialResult, seen: int, tried: int) -> TrialResult:
    verdict = first.verdict
    if seen == 1:
        verdict = Verdict.unknown(
            f"{first.trial.name} was broken once and not again in {tried - 1} fresh worlds: "
            f"{verdict.reason}",
            verdict.evidence,
        )
    return replace(first, verdict=verdict, repeats=(seen, tried))


def _told(verdict: Verdict, repeats: tuple[int, int]) -> Verdict:
    seen, tried = repeats
    if seen == tried:
        return verdict
    return replace(verdict, reason=f"intermittent {seen}/{tried}: {verdict.reason}")


def _not_played(trial: Trial, reason: str) -> TrialResult:
    verdict = Verdict.unknown(f"{trial.name} could not say: {reason}")
    return TrialResult(trial=replace(trial, steps=()), verdict=verdict)


def _too_long(trial: Trial) -> str:
    return (
        f"it needs {trial.span_ns / NS_PER_S:.0f} s of the target's clock, more than the budget; "
        "a held clock or a longer --budget would settle it"
    )


def _grouped(
    trials: Iterable[Trial], played: Iterable[Played]
) -> Iterator[tuple[Trial, list[Played]]]:
    """Trials in their order, each with all its playings."""
    waiting = deque(zip(trials, played, strict=True))
    while waiting:
        trial = waiting[0][0]
        plays = []
        while waiting and waiting[0][0] is trial:
            plays.append(waiting.popleft()[1])
        yield trial, plays
