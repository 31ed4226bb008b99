"""How long a run will still take: from what is planned, corrected by what has been played.

A rough word, shown as such. What a call, a wait and a trial cost was measured on a quiet machine;
how much slower this one is shows as promises end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from harness.plan import Cut, Inject, Send, Trial, Until, Wait, WaitAdvised, hurts
from harness.units import NS_PER_S

_CALL_S: Final = 0.003
_WAIT_S: Final = 0.015
_TRIAL_S: Final = 0.08
_CUT_S: Final = 0.3
_START_S: Final = 1.0
_UNTIL_CALLS: Final = 2
_LATE_S: Final = 10.0
_TRUST_S: Final = 2.0
"""So much measured time weighs as much as the figures above."""

Key = tuple[str, str]
"""Service and promise."""


def trial_s(trial: Trial, *, frozen: bool) -> float:
    """About how long one trial takes in real time, in seconds, at least 0.

    Args:
        trial: as planned.
        frozen: the clock is held, so that waits cost next to nothing.
    """
    if not trial.steps:
        return 0.0
    cost_s = _TRIAL_S
    for step in trial.steps:
        match step:
            case Send():
                cost_s += step.times * _CALL_S
            case Until():
                cost_s += min(step.most, _UNTIL_CALLS) * _CALL_S
            case Wait() | WaitAdvised():
                cost_s += _WAIT_S
            case Cut() | Inject():
                cost_s += _CUT_S
            case _:
                pass
    return cost_s if frozen else cost_s + trial.span_ns / NS_PER_S


def promise_s(
    trials: Sequence[Trial], *, frozen: bool, together: bool, budget_s: float
) -> tuple[float, ...]:
    """About how long each stretch of a promise takes, in the order in which they are played.

    Args:
        trials: all of the promise.
        frozen: the clock is held: a stretch is a trial.
        together: in real time all trials but those with a fault are played at once: one stretch.
        budget_s: no promise takes longer.
    """
    costs = [trial_s(trial, frozen=frozen) for trial in trials]
    if not frozen and together:
        alone = [hurts(trial.steps) for trial in trials]
        shared = [cost for cost, own in zip(costs, alone, strict=True) if not own]
        costs = [
            max(shared, default=0.0),
            *(cost for cost, own in zip(costs, alone, strict=True) if own),
        ]
    total_s = sum(costs)
    scale = min(1.0, budget_s / total_s) if total_s else 1.0
    return tuple(cost * scale for cost in costs)


@dataclass(slots=True)
class TimeLeft:
    """What is still to be played; told of what begins and ends, and asked how long it will take.

    Attributes:
        planned: the stretches of each promise, in seconds, by service and promise.
        workers: processes that verify side by side.
        now_s: when the run began, on the clock that every other instant is of.
    """

    planned: Mapping[Key, tuple[float, ...]]
    workers: int
    now_s: float
    _open: dict[Key, float] = field(init=False)
    _running: tuple[Key, int] | None = None
    _since_s: float = field(init=False)
    _expected_s: float = 0.0
    _took_s: float = 0.0

    def __post_init__(self) -> None:
        self._since_s = self.now_s
        self._open = {key: sum(stretches) for key, stretches in self.planned.items()}

    def began(self, key: Key, number: int, now_s: float) -> None:
        """Stretch ``number`` of a promise, from 1, begins."""
        self._running, self._since_s = (key, number), now_s

    def ended(self, key: Key, took_s: float, now_s: float, *, whole: bool) -> None:
        """A promise has its verdict; ``whole`` if it was played as planned, to its end."""
        expected_s = self._open.pop(key, 0.0)
        self._running, self._since_s = None, now_s
        if whole:
            self._expected_s += expected_s
            self._took_s += took_s

    def left_s(self, now_s: float) -> float:
        """About how many seconds are left, never below 0."""
        return max(0.0, self._whole_s() - (now_s - self._since_s))

    def told(self, now_s: float) -> str:
        """What is left in words; once it takes much longer than planned, just that."""
        if now_s - self._since_s > self._whole_s() + _LATE_S:
            return "taking longer than planned"
        return told(self.left_s(now_s))

    def _whole_s(self) -> float:
        """What was left when the last thing was heard."""
        slower = (_TRUST_S + self._took_s) / (_TRUST_S + self._expected_s)
        left = dict(self._open)
        if self._running is not None and self._running[0] in left:
            key, number = self._running
            left[key] = sum(self.planned[key][number - 1 :])
        if not left:
            return 0.0
        whole_s = max(sum(left.values()) / self.workers, *left.values()) * slower
        starts = self._running is None and not self._took_s
        return whole_s + (_START_S if starts else 0.0)


def told(left_s: float) -> str:
    """The words for a time that is left: rounded up, as coarse as the guess is.

    >>> told(3.2), told(41), told(95), told(400)
    ('about 5 s left', 'about 45 s left', 'about 100 s left', 'about 7 min left')
    >>> told(0.0)
    'a few seconds left'
    """
    if left_s < 2.5:
        return "a few seconds left"
    if left_s <= 60:
        return f"about {ceil(left_s / 5) * 5} s left"
    if left_s <= 120:
        return f"about {ceil(left_s / 10) * 10} s left"
    return f"about {ceil(left_s / 60)} min left"


def in_all_s(promises: Iterable[Sequence[float]], services: int) -> float:
    """About how long all of it takes with one worker, the start of each service included."""
    return sum(sum(stretches) for stretches in promises) + services * _START_S
