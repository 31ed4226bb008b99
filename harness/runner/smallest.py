"""Makes a counterexample smaller on the wire, and plays one again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Final

from harness.errors import CouldNotRun
from harness.plan import Trial
from harness.runner.flights import flies
from harness.runner.stage import Counterexample, Stage, can_play_together, needs_world
from harness.runner.times import NotAtRest
from harness.shrink.guesses import first_steps, guesses
from harness.shrink.reduce import Enough
from harness.shrink.shrink import shrink
from harness.shrink.unroll import Steps, unrolled
from harness.units import NS_PER_S
from harness.verdict import Status, Verdict

SHRINK_S: Final = 30.0
"""Real seconds that shrinking may take."""

_WORLDS: Final = 4
"""Fresh worlds on a held clock that a smaller plan must be seen in: one a quarter of a window."""

_COSTLY_CALLS: Final = 500
_COSTLY_WORLDS: Final = 2
"""Plans of more calls are tried in fewer worlds, or the time would end before anything is smaller."""

_RECENT: Final = 8
"""The longest of so many playings tells how much time the last proof needs."""

_GOLDEN: Final = 0.6180339887
_HOUR_NS: Final = 3_600 * NS_PER_S


def smallest(
    stage: Stage, found: Counterexample, *, steady: bool, deadline_s: float
) -> Counterexample:
    """The smallest playing that breaks the promise in the same half; else ``found``, unrolled.

    Args:
        stage: where the smaller plans are played.
        found: what is to be made smaller.
        steady: it was seen in every fresh world. One that then turns out to hang on the hour is
            shrunk as one that is seen now and then.
        deadline_s: no plan is begun after this, on ``time.monotonic()``.
    """
    whole = unrolled(found.trial.steps, found.played)
    calls = replace(found.trial, steps=whole).calls
    frozen_worlds = _WORLDS if calls <= _COSTLY_CALLS else _COSTLY_WORLDS
    worlds = frozen_worlds if stage.world.time.mode == "frozen" else 1
    wire = _Wire(stage, found, found.verdict.findings[0].half, deadline_s, worlds)
    shrunk = partial(
        shrink,
        (*wire.suggested(found), whole),
        wire.play,
        worlds=worlds,
        bold=flies(found.trial),
        last=wire.play_last,
        suggest=wire.suggested,
    )
    made = (shrunk(steady=True) if steady else None) or shrunk(steady=False)
    if made is None or made.plan == whole:
        return found
    return replace(made.shown, shrunk_from=(len(whole), calls))


@dataclass(slots=True)
class _Wire:
    """Plays smaller plans for real.

    Attributes:
        worlds: so many playings the last proof needs; time is set aside for twice as many.
    """

    stage: Stage
    found: Counterexample
    half: str
    deadline_s: float
    worlds: int
    _numbers: Iterator[int] = field(default_factory=count)
    _took_s: deque[float] = field(default_factory=partial(deque, maxlen=_RECENT))

    def play(self, plan: Steps) -> Counterexample | None:
        """What a plan shows once, None if it does not break the same half."""
        aside_s = 2 * self.worlds * max(self._took_s, default=0.0)
        return self._play(plan, self.deadline_s - aside_s)

    def play_last(self, plan: Steps) -> Counterexample | None:
        """The same for the last proof."""
        return self._play(plan, self.deadline_s)

    def suggested(self, shown: Counterexample) -> tuple[Steps, ...]:
        """Smaller plans that a playing suggests, as it stands and as far as the proof goes."""
        short = self._until_proved(shown)
        finding = short.verdict.findings[0]
        return guesses(short.trial.steps, short.played, finding.calls, short.history)

    def _until_proved(self, shown: Counterexample) -> Counterexample:
        """The playing up to the step that completes the proof; the history alone tells."""
        if not flies(shown.trial):
            return shown
        found = shown
        low, high = 0, len(shown.played.steps)
        while low + 1 < high:
            middle = (low + high) // 2
            short = self._judged(shown, middle)
            low, high = (low, middle) if short is not None else (middle, high)
            found = short or found
        return found

    def _judged(self, shown: Counterexample, count: int) -> Counterexample | None:
        """Its first steps, if they are proof enough."""
        stage = self.stage
        trial = replace(shown.trial, steps=shown.trial.steps[:count])
        played = first_steps(shown.played, count)
        result = stage.kind.judge(stage.promise, stage.around(), shown.history, trial, played)
        told = first_of(result.verdict, self.half)
        return None if told is None else replace(shown, trial=trial, played=played, verdict=told)

    def _play(self, plan: Steps, deadline_s: float) -> Counterexample | None:
        began_s = time.monotonic()
        if began_s > deadline_s:
            raise Enough
        trial = replace(self.found.trial, steps=plan)
        try:
            if not make_fresh_again(self.stage, trial, next(self._numbers), self.deadline_s):
                return None
            played = self.stage.play(trial, self.deadline_s)
            verdict = self.stage.judge(trial, played).verdict
        except (CouldNotRun, NotAtRest) as error:
            self.stage.world.spoil()
            raise Enough from error
        self._took_s.append(time.monotonic() - began_s)
        told = first_of(verdict, self.half)
        return None if told is None else self.stage.shown(trial, told, played)


def make_fresh_again(
    stage: Stage, trial: Trial, number: int, deadline_s: float, *, wall_ns: int | None = None
) -> bool:
    """A fresh world for playing ``number`` of a plan; False if the time left has no room for it.

    A target that has to be just started is started again. On a held clock the playings are else
    spread evenly over the promise's longest window, so that a plan that is seen in several of them
    does not owe it to the hour; ``wall_ns`` asks for the place in the hour of just this instant
    instead. In real time new callers are fresh enough, unless the key is shared, a store is cut off
    or a witness is told what to answer.
    """
    world = stage.world
    if trial.fresh == "restart":
        return stage.make_fresh(trial, deadline_s)
    if world.time.mode == "frozen":
        window_ns = max(1, stage.kind.quiet_ns(stage.promise) // 2)
        start_ns = world.now_ns + stage.quiet_ns()
        phase_ns = int(number * _GOLDEN % 1 * window_ns)
        if wall_ns is not None:
            window_ns, phase_ns = _HOUR_NS, wall_ns - (world.wall_ns - world.now_ns)
        world.move_to(start_ns + (phase_ns - start_ns) % window_ns)
        return True
    if needs_world(trial) or not can_play_together(stage.promise, [trial]):
        return stage.make_fresh(trial, deadline_s)
    return time.monotonic() + trial.span_ns / NS_PER_S <= deadline_s


def first_of(verdict: Verdict, half: str) -> Verdict | None:
    """The same verdict, findings of ``half`` first; None if it has none."""
    if verdict.status is not Status.BROKEN:
        return None
    same = [finding for finding in verdict.findings if finding.half == half]
    others = [finding for finding in verdict.findings if finding.half != half]
    return Verdict.broken([*same, *others], verdict.evidence) if same else None
