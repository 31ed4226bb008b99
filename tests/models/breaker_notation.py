"""Histories of a breaker in a few characters, as "What the words of a circuit breaker mean" writes them.

``F2``: two failed arrivals. ``S`` ok, ``N`` uncounted, ``x`` refused. ``+30``: the clock moves so many
seconds. ``H2``: held calls. ``b5/2``: a burst of five of which two arrive, and are held. ``eF``, ``eS``,
``eC``: the oldest held call ends failed, ok, or its client has gone. ``w``: a call stuck at rest.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import count
from typing import Any

from harness.models.breaker.points import Point, What
from harness.models.breaker.rules import Consecutive, Recovery, Rules, Timed, Trials, Weak
from harness.models.breaker.steps import Outcome
from harness.units import NS_PER_S

_TOKEN = re.compile(r"(?P<what>[FSNxHw]|e[FSC]|b|\+)(?P<count>[\d.]*)(?:/(?P<arrive>\d+))?")
_OUTCOMES: dict[str, Outcome] = {"F": "failed", "S": "ok", "N": "uncounted", "C": "gone"}


def rules(contract: str = "3", **words: Any) -> Rules:
    """``3``, ``failures 4``, ``3 in 60``, ``3 in 60 rolling`` or ``0.5 of 10``; T 60 s, K 1, S 1."""
    trials = Trials(permits=words.pop("permits", 1), successes=words.pop("successes", 1))
    recovery = Recovery(after_ns=60 * NS_PER_S, exact=words.pop("exact", False))
    return Rules(**{"trips": (trip(contract),), "recovery": recovery, "trials": trials, **words})


def trip(contract: str) -> Consecutive | Weak | Timed:
    """The trip of :func:`rules`."""
    match contract.split():
        case [failures]:
            return Consecutive(int(failures))
        case ["failures", failures]:
            return Weak(int(failures), int(failures))
        case [failures, "in", within, *rolling]:
            window_ns = int(within) * NS_PER_S
            return Timed(within_ns=window_ns, failures=int(failures), rolling=bool(rolling))
        case [rate, "of", minimum]:
            window_ns = 60 * NS_PER_S
            return Timed(within_ns=window_ns, rate=Fraction(rate), minimum=int(minimum))
    raise ValueError(f"{contract!r} is no contract")


class _Writer:
    """Writes points down, each at an instant of order of its own, but for bursts."""

    def __init__(self) -> None:
        self.made: list[Point] = []
        self.held: list[int] = []
        self.now = 0
        self.calls, self.order = count(), count()

    def point(self, what: What, call: int, at: int, outcome: Outcome | None = None) -> None:
        span, time = (at, at), (self.now, self.now)
        self.made.append(Point(what=what, call=call, order=span, time=time, outcome=outcome))

    def burst(self, times: int, arrive: int) -> None:
        at = next(self.order)
        for place in range(times):
            call = next(self.calls)
            self.point(What.ADMITTED if place < arrive else What.REJECTED, call, at)
            self.held += [call] * (place < arrive)

    def one(self, what: str) -> None:
        if what.startswith("e"):
            outcome = _OUTCOMES[what[1]]
            self.point(What.ENDED, self.held.pop(0), next(self.order), outcome)
            return
        call = next(self.calls)
        if what in "xw":
            self.point(What.REJECTED if what == "x" else What.STUCK, call, next(self.order))
            return
        self.point(What.ADMITTED, call, next(self.order))
        if what == "H":
            self.held.append(call)
        else:
            self.point(What.ENDED, call, next(self.order), _OUTCOMES[what])


def points(text: str) -> tuple[Point, ...]:
    """All points of a history."""
    writer = _Writer()
    for token in text.split():
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"{token!r} is no part of a history")
        what, number = match["what"], match["count"]
        if what == "+":
            writer.now += int(Fraction(number) * NS_PER_S)
        elif what == "b":
            writer.burst(int(number), int(match["arrive"]))
        else:
            for _ in range(int(number or 1)):
                writer.one(what)
    return tuple(writer.made)
