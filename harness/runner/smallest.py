"""Makes a counterexample smaller on the wire, and plays one again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Final

from harness.errors import CouldNotRun
from harness.plan import Trial
from harness.runner.flights import flies
from harness.runner.stage import Counterexample, Stage, can_play_together, needs_world
from harness.runner.times import NotAtRest
from harness.shrink.proof import Playing, suggested
from harness.shrink.reduce import Enough
from harness.shrink.shrink import PLAYS_MOST, Manner, shrink
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

_RECENT: Final = 4
"""The longest of so many playings tells how much time the last proof needs."""
_SHARE: Final = 0.4
"""Of the time left: what is set aside for a last proof at most, and what the first way may take."""

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
    lived = _Wire(stage, found.trial, found.verdict.findings[0].half, deadline_s)
    starts = (*lived.suggested(found), whole)
    for manner, wire, last in _ways(lived, steady=steady):
        made = shrink(
            starts,
            wire.on_the_way(worlds + 1),
            manner=manner,
            worlds=worlds,
            last=last.play,
            suggest=wire.suggested,
        )
        if made is not None:
            break
    else:
        return found
    return found if made.plan == whole else replace(made.shown, shrunk_from=(len(whole), calls))


def _ways(lived: _Wire, *, steady: bool) -> Iterator[tuple[Manner, _Wire, _Wire]]:
    """How it is tried, until something is found: the manner, and where plans and last proof are played.

    Where calls stay under way the last proof begins with a target that was just started: a service
    that loses places, or gives one back twice, keeps what earlier plans have done to it, and would
    be shown broken by plans that do nothing. If that has led astray on the way, or the trial asks
    for it, each plan begins so. Only what never shows so is left to a target that has lived: its
    proof leans on calls of earlier trials.
    """
    flying = flies(lived.trial)
    stays = flying and lived.trial.fresh != "restart"
    sure = replace(lived, trial=replace(lived.trial, fresh="restart")) if stays else lived
    if steady and stays:
        yield "bold", lived.until(_SHARE), sure
    if steady and flying:
        yield "bold", sure, sure
    if steady:
        yield "careful", sure, sure
    if steady and stays:
        yield "careful", lived, lived
    yield "now and then", sure, sure


@dataclass(slots=True)
class _Wire:
    """Plays smaller plans for real.

    Attributes:
        trial: what is played, with other steps.
        half: what it must break.
    """

    stage: Stage
    trial: Trial
    half: str
    deadline_s: float
    _numbers: Iterator[int] = field(default_factory=count)
    _took_s: deque[float] = field(default_factory=partial(deque, maxlen=_RECENT))

    def until(self, share: float) -> _Wire:
        """The same with a share of the time that is left."""
        now_s = time.monotonic()
        return replace(self, deadline_s=now_s + share * (self.deadline_s - now_s))

    def on_the_way(self, playings: int) -> Callable[[Steps], Counterexample | None]:
        """Plays while there is time left for so many more playings: those of the last proof."""
        most_s = _SHARE * (self.deadline_s - time.monotonic())

        def play(plan: Steps) -> Counterexample | None:
            aside_s = min(most_s, playings * max(self._took_s, default=0.0))
            if time.monotonic() > self.deadline_s - aside_s:
                raise Enough
            return self.play(plan)

        return play

    def play(self, plan: Steps) -> Counterexample | None:
        """What a plan shows once, None if it does not break the same half."""
        began_s = time.monotonic()
        number = next(self._numbers)
        if began_s > self.deadline_s or number >= PLAYS_MOST:
            raise Enough
        trial = replace(self.trial, steps=plan)
        try:
            if not make_fresh_again(self.stage, trial, number, self.deadline_s):
                return None
            played = self.stage.play(trial, self.deadline_s)
            verdict = self.stage.judge(trial, played).verdict
        except (CouldNotRun, NotAtRest) as error:
            self.stage.world.spoil()
            raise Enough from error
        self._took_s.append(time.monotonic() - began_s)
        told = first_of(verdict, self.half)
        if told is None and time.monotonic() > self.deadline_s:
            raise Enough  # cut short, it shows nothing against the plan
        return None if told is None else self.stage.shown(trial, told, played)

    def suggested(self, shown: Counterexample) -> tuple[Steps, ...]:
        """Smaller plans that a playing suggests."""
        calls = shown.verdict.findings[0].calls
        playing = Playing(shown.trial.steps, shown.played, shown.history, calls)
        return suggested(playing, self._proves)

    def _proves(self, playing: Playing) -> tuple[int, ...] | None:
        trial = replace(self.trial, steps=playing.steps)
        verdict = self.stage.judged(playing.history, trial, playing.played).verdict
        told = first_of(verdict, self.half)
        return None if told is None else told.findings[0].calls


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
