"""Where everything of a counterexample's drawing lies.

Across, places are percent of the width, so that one drawing serves a phone and a desk; what must
keep its size (bars, letters) is in pixels around such a place. The time axis is not to scale: each
gap is labelled with its length, and a longer one is somewhat wider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from typing import Final

from harness.render.bars import LINE, WORDS, Bar, Bars, Label
from harness.render.case import Case
from harness.render.text import count, seconds
from harness.render.timeline import Column, Timeline

_UP: Final = 132
_TOP: Final = 46
_CALL_MOST: Final = 12.0
_ADVISED_MOST_S: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One column."""

    x: float
    time: tuple[str, ...]
    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The way from one place on the axis to the next."""

    from_x: float
    to_x: float
    text: str

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return (self.from_x + self.to_x) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that lasts: the window, an outage."""

    from_x: float
    to_x: float
    text: str
    ends: bool = True

    @property
    def width(self) -> float:
        """In percent."""
        return self.to_x - self.from_x

    @property
    def middle(self) -> float:
        """In percent."""
        return (self.from_x + self.to_x) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing of so many pixels' height; see the template ``figure.svg.jinja``."""

    height: float
    top: int
    zero: float
    axis: float
    window: Span
    bound_y: float | None
    bound_text: str
    spots: tuple[Spot, ...]
    bare: tuple[tuple[float, str], ...]
    steps: tuple[tuple[float, float, float], ...]
    gaps: tuple[Gap, ...]
    outages: tuple[Span, ...]
    kinds: tuple[str, ...]
    held: bool

    @property
    def places(self) -> int:
        """How many places the axis has: the least width follows from it."""
        return len(self.spots) + len(self.bare)


def figure(case: Case, line: Timeline) -> Figure:
    """Lay out the drawing of a timeline."""
    marks = _bare(case, line)
    places = _places(line, marks)
    bound, cap = _bound(case)
    totals = _totals(line, counted=bound is not None)
    tallest = max([1, bound or 0, totals[-1], *(c.count("admitted") for c in line.columns)])
    pixels = min(_CALL_MOST, _UP / tallest)
    zero = _TOP + pixels * tallest + LINE
    draw = Bars(pixels, zero, bound)
    down = max((draw.depth(column) for column in line.columns), default=0.0)
    words = max((sum(map(bool, draw.below(column))) for column in line.columns), default=0)
    axis = zero + down + words * LINE + (30 if line.held or len(places) > 1 else 12)
    spots = tuple(
        Spot(
            x=places[column.from_ns],
            time=_time(column, line.decimals),
            bars=tuple(draw.bars(column, before)),
            labels=tuple(draw.labels(column, before, down)),
        )
        for column, before in zip(line.columns, totals, strict=False)
    )
    return Figure(
        height=axis + 42 + 22 * len(line.outages),
        top=_TOP,
        zero=zero,
        axis=axis,
        window=_window(line, places),
        bound_y=None if bound is None else zero - pixels * bound,
        bound_text="" if bound is None else f"{cap} {bound:,}",
        spots=spots,
        bare=tuple((places[ns], text) for ns, text in marks.items()),
        steps=tuple(_steps(line, places, totals, draw)) if bound is not None else (),
        gaps=tuple(_gaps(line, places)),
        outages=tuple(_outages(line, places)),
        kinds=tuple(dict.fromkeys(bar.kind for spot in spots for bar in spot.bars)),
        held=line.held,
    )


def _bound(case: Case) -> tuple[int | None, str]:
    """The line that calls are counted against, and its name."""
    bound = case.number("bound")
    if bound is None:
        return None, ""
    return (bound + 1, "limit") if case.half == "lower" else (bound, "at most")


def _totals(line: Timeline, *, counted: bool) -> list[int]:
    """How many calls of the proof were counted before each column, and after the last."""
    totals = [0]
    for column in line.columns:
        totals.append(totals[-1] + (column.count("admitted", proof=True) if counted else 0))
    return totals


def _bare(case: Case, line: Timeline) -> dict[int, str]:
    """Instants that matter without a call: ends of the window and of outages, the end of a wait."""
    taken = {column.from_ns for column in line.columns}
    marks: dict[int, str] = {}
    for outage in line.outages:
        marks[outage.from_ns] = ""
        if outage.to_ns is not None:
            marks[outage.to_ns] = ""
    for ns in line.window:
        marks[ns] = ""
    value = case.proof.get("retry_after")
    if isinstance(value, str) and value.isascii() and value.isdigit():
        advised_ns = line.window[0] + min(int(value), _ADVISED_MOST_S) * 10**9
        if advised_ns <= line.window[1]:
            marks[advised_ns] = f"{int(value)} s are over"
    return {
        ns: text or seconds(ns, line.decimals)
        for ns, text in marks.items()
        if ns not in taken and not any(c.from_ns < ns <= c.to_ns for c in line.columns)
    }


def _places(line: Timeline, marks: dict[int, str]) -> dict[int, float]:
    """Percent of the width by instant; a gap that is ten times longer is somewhat wider."""
    instants = sorted({column.from_ns for column in line.columns} | set(marks))
    if not instants:
        return {0: 50.0}
    spans = [right - left for left, right in pairwise(instants)]
    least = min(spans, default=1)
    weights = [min(1.0 + 0.25 * log10(span / least), 2.0) for span in spans]
    unit = 100.0 / (sum(weights) + 1.0)
    places, x = {}, unit / 2
    for instant, weight in zip(instants, [*weights, 0.0], strict=True):
        places[instant] = round(x, 2)
        x += weight * unit
    return places


def _at(places: dict[int, float], ns: int) -> float:
    """The place of an instant; of one inside a column, that of the column."""
    return places[max((known for known in places if known <= ns), default=min(places))]


def _window(line: Timeline, places: dict[int, float]) -> Span:
    from_ns, to_ns = line.window
    return Span(
        from_x=_at(places, from_ns),
        to_x=_at(places, to_ns),
        text=seconds(to_ns - from_ns, line.decimals) if to_ns > from_ns else "one instant",
    )


def _gaps(line: Timeline, places: dict[int, float]) -> Iterator[Gap]:
    ends = {column.from_ns: column.to_ns for column in line.columns}
    instants = sorted(places)
    for left, right in pairwise(instants):
        length = seconds(right - ends.get(left, left), line.decimals)
        yield Gap(from_x=places[left], to_x=places[right], text=f"+ {length}")


def _outages(line: Timeline, places: dict[int, float]) -> Iterator[Span]:
    for outage in line.outages:
        ended = outage.to_ns is not None
        yield Span(
            from_x=_at(places, outage.from_ns),
            to_x=_at(places, outage.to_ns) if outage.to_ns is not None else 100.0,
            text=f"{outage.whom} {outage.fault}",
            ends=ended,
        )


def _time(column: Column, decimals: int) -> tuple[str, ...]:
    if column.from_ns == column.to_ns:
        return (seconds(column.from_ns, decimals),)
    return (f"{seconds(column.from_ns, decimals)[:-2]} to", seconds(column.to_ns, decimals))


def _steps(
    line: Timeline, places: dict[int, float], totals: Sequence[int], draw: Bars
) -> Iterator[tuple[float, float, float]]:
    """From each counted bar's top to where the next one begins: (from x, to x, y)."""
    at = [
        (places[column.from_ns], after)
        for column, after in zip(line.columns, totals[1:], strict=True)
        if column.count("admitted", proof=True)
    ]
    for (left, total), (right, _) in pairwise(at):
        yield left, right, round(draw.zero - total * draw.pixels, 1)


def described(case: Case, line: Timeline) -> str:
    """The drawing in words, for who cannot see it."""
    parts = []
    for column in line.columns:
        admitted = column.count("admitted")
        kinds = [f"{admitted:,} admitted"] if admitted else []
        kinds += [
            f"{column.count(reading):,} {word}"
            for reading, word in WORDS.items()
            if column.count(reading)
        ]
        parts.append(f"at {' '.join(_time(column, line.decimals))}: {', '.join(kinds)}")
    parts += [
        f"{outage.whom} {outage.fault} from {seconds(outage.from_ns)}" for outage in line.outages
    ]
    return f"{count(len(case.calls), 'call')} in trial {case.trial.name}; " + "; ".join(parts)
