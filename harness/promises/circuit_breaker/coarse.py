"""Real time: points of one kind that overlap are unordered anyway, so that they may be put as alike.

A wider interval allows more orders and times, so this only ever loosens what is judged; but a burst of
k calls costs k steps of the search then, not 2 to the k.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.models.breaker.points import Point
from harness.promises.circuit_breaker.matching import FOREVER


def coarsened(points: Iterable[Point]) -> tuple[Point, ...]:
    """The same points, each as wide as the chain of overlapping ones of its kind."""
    kinds: dict[tuple[object, object], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.what, point.outcome), []).append(point)
    return tuple(each for alike in kinds.values() for each in _widened(alike))


def _widened(points: list[Point]) -> Iterator[Point]:
    chain: list[Point] = []
    end = -FOREVER
    for point in sorted(points, key=lambda each: each.order):
        if point.order[1] >= FOREVER:  # nobody saw its end: it would make all that follows one
            yield point
            continue
        if chain and point.order[0] > end:
            yield from _alike(chain)
            chain = []
        chain.append(point)
        end = max(end, point.order[1])
    yield from _alike(chain)


def _alike(chain: list[Point]) -> Iterator[Point]:
    if not chain:
        return
    order = (min(each.order[0] for each in chain), max(each.order[1] for each in chain))
    time = (min(each.time[0] for each in chain), max(each.time[1] for each in chain))
    for each in chain:
        yield replace(each, order=order, time=time)
