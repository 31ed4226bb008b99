"""A time axis on which 100 ms and 60 s can both be read: its stops stand about as far apart as words need.

Across, places are percent of the width, so that one drawing serves a phone and a desk. Time is not to
scale: a gap that is ten times as long is somewhat wider, and each says how long it is. Stops of one
instant stand side by side in their order: on a held clock much happens while none of its time passes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import floor, log10
from typing import Final

from harness.render.text import decimals_of, seconds

STEP_PX: Final = 34
"""From one stop to the next of the same instant."""
_SIDE_PX: Final = 48
_GAP_PX: Final = 62
_TENFOLD_PX: Final = 12
_GAP_MOST_PX: Final = 120
_LETTER_PX: Final = 6.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """All stops of one instant, with its time."""

    from_x: float
    to_x: float
    text: str

    @property
    def middle(self) -> float:
        """Where its words stand."""
        return (self.from_x + self.to_x) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Where instants lie.

    Attributes:
        stops_ns: never falling, from the drawing's origin on; at least one.
        xs: of each stop, in percent.
        ticks: one for each instant.
        gaps: from the end of one tick to the next: the middle of it, and how long it is.
        width_px: the least width in which all words find room.
    """

    stops_ns: tuple[int, ...]
    xs: tuple[float, ...]
    ticks: tuple[Tick, ...]
    gaps: tuple[tuple[float, str], ...]
    width_px: int

    def at(self, place: float) -> float:
        """Percent of a stop by its number, or between two of them."""
        place = min(max(place, 0.0), len(self.xs) - 1.0)
        left = floor(place)
        right = min(left + 1, len(self.xs) - 1)
        return round(self.xs[left] + (self.xs[right] - self.xs[left]) * (place - left), 2)

    def of(self, ns: int) -> float:
        """Percent of an instant: of the last stop that has it, or in between."""
        right = bisect_right(self.stops_ns, ns)
        if right == 0:
            return self.xs[0]
        if right == len(self.stops_ns) or self.stops_ns[right - 1] == ns:
            return self.xs[right - 1]
        before, after = self.stops_ns[right - 1], self.stops_ns[right]
        return self.at(right - 1 + (ns - before) / (after - before))

    def room(self, from_x: float, to_x: float) -> int:
        """How many letters find room between two places, at the least width."""
        return int(((to_x - from_x) / 100 * self.width_px - 6) / _LETTER_PX)


def axis(stops_ns: Sequence[int]) -> Axis:
    """Lay out stops, at least one, in their order."""
    decimals = decimals_of(sorted(set(stops_ns)))
    spans = [after - before for before, after in pairwise(stops_ns)]
    least = min((span for span in spans if span > 0), default=1)
    widths = [_width_px(span, least, decimals) for span in spans]
    places = list(accumulate(widths, initial=float(_SIDE_PX)))
    total = places[-1] + _SIDE_PX
    xs = tuple(round(100 * place / total, 2) for place in places)
    ticks = tuple(_ticks(stops_ns, xs, decimals))
    return Axis(
        stops_ns=tuple(stops_ns),
        xs=xs,
        ticks=ticks,
        gaps=tuple(_gaps(stops_ns, xs, decimals)),
        width_px=round(total),
    )


def _width_px(span_ns: int, least_ns: int, decimals: int) -> float:
    if span_ns <= 0:
        return STEP_PX
    wide = _GAP_PX + _TENFOLD_PX * log10(span_ns / least_ns)
    words = (len(seconds(span_ns, decimals)) + 2) * _LETTER_PX + 6
    return max(min(wide, _GAP_MOST_PX), words)


def _ticks(stops_ns: Sequence[int], xs: Sequence[float], decimals: int) -> Iterator[Tick]:
    first = 0
    for place, ns in enumerate(stops_ns):
        if place + 1 == len(stops_ns) or stops_ns[place + 1] != ns:
            yield Tick(from_x=xs[first], to_x=xs[place], text=seconds(ns, decimals))
            first = place + 1


def _gaps(
    stops_ns: Sequence[int], xs: Sequence[float], decimals: int
) -> Iterator[tuple[float, str]]:
    for (from_ns, left), (to_ns, right) in pairwise(zip(stops_ns, xs, strict=True)):
        if to_ns > from_ns:
            yield round((left + right) / 2, 2), f"+ {seconds(to_ns - from_ns, decimals)}"
