"""Counts as bars: admitted calls stand on the zero line, the others hang from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.render.case import Reading
from harness.render.timeline import Column

BarKind = Literal["counted", "excess", "admitted", "refused", "other", "lost"]

LINE: Final = 15
"""Pixels from one line of words to the next."""

WORDS: Final[dict[Reading, str]] = {"refused": "refused", "other": "other", "lost": "no answer"}
_READINGS: Final[tuple[Reading, ...]] = ("refused", "other", "lost")
_DOWN_MOST: Final = 40
_CELL_LEAST: Final = 3.0
_BAR, _SIDE_BAR = 34, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Calls of one kind: pixels from its column's place."""

    left: int
    width: int
    top: float
    height: float
    kind: BarKind
    decisive: bool = False
    cells: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word under or over a bar; pixels from its column's place."""

    y: float
    text: str
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Turns counts into bars: admitted calls stand on the zero line, the others hang from it."""

    pixels: float
    zero: float
    bound: int | None

    def bars(self, column: Column, before: int) -> Iterator[Bar]:
        counted = column.count("admitted", proof=True)
        beside = column.count("admitted", proof=False)
        if counted and self.bound is None:
            yield self._up("counted", 0, counted, decisive=True)
        elif counted:
            after, bound = before + counted, self.bound or 0
            if before < bound:
                yield self._up("counted", before, min(after, bound))
            if after > bound:
                yield self._up("excess", max(before, bound), after, decisive=True)
        if beside:
            left = _BAR // 2 + 4 if counted else -_BAR // 2
            width = _SIDE_BAR if counted else _BAR
            yield self._up("admitted", 0, beside, left=left, width=width)
        top = self.zero
        for reading in _READINGS:
            number = column.count(reading)
            if number:
                height = self._height(number, column)
                decisive = column.count(reading, proof=True) > 0
                yield Bar(
                    left=-_BAR // 2,
                    width=_BAR,
                    top=round(top, 1),
                    height=round(height, 1),
                    kind=reading,
                    decisive=decisive,
                )
                top += height

    def _up(
        self,
        kind: BarKind,
        low: int,
        high: int,
        *,
        decisive: bool = False,
        left: int = -_BAR // 2,
        width: int = _BAR,
    ) -> Bar:
        height = (high - low) * self.pixels
        cells = ""
        if self.pixels >= _CELL_LEAST:
            cells = "".join(
                f"M{left} {self.zero - n * self.pixels:.1f}h{width}" for n in range(low + 1, high)
            )
        top = self.zero - high * self.pixels
        return Bar(
            left=left,
            width=width,
            top=round(top, 1),
            height=round(height, 1),
            kind=kind,
            decisive=decisive,
            cells=cells,
        )

    def _clear(self, y: float) -> float:
        """A place for a word that the bound's line does not run through."""
        if self.bound is None:
            return y
        line = self.zero - self.bound * self.pixels
        return line - 6 if line - 6 < y < line + 12 else y

    def _height(self, number: int, column: Column) -> float:
        wanted = {r: max(8.0, column.count(r) * self.pixels) for r in _READINGS if column.count(r)}
        room = min(1.0, _DOWN_MOST / sum(wanted.values()))
        return max(8.0, number * self.pixels) * room

    def depth(self, column: Column) -> float:
        """Pixels below the zero line."""
        numbers = [column.count(reading) for reading in _READINGS]
        return sum(self._height(number, column) for number in numbers if number)

    def below(self, column: Column) -> Sequence[int]:
        """How many calls hang from the zero line, by kind."""
        return [column.count(reading) for reading in _READINGS]

    def labels(self, column: Column, before: int, down: float) -> Iterator[Label]:
        counted = column.count("admitted", proof=True)
        beside = column.count("admitted", proof=False)
        if counted:
            after = before + counted
            text = f"{counted:,}" if not before else f"+{counted:,} = {after:,}"
            over = self.bound is not None and after > self.bound
            height = (after if self.bound is not None else counted) * self.pixels
            yield Label(y=self._clear(self.zero - height - 6), text=text, decisive=over)
        elif beside:
            yield Label(y=self._clear(self.zero - beside * self.pixels - 6), text=f"{beside:,}")
        y = self.zero + down + LINE - 2
        for reading in _READINGS:
            number = column.count(reading)
            if number:
                decisive = column.count(reading, proof=True) > 0
                yield Label(y=y, text=f"{number:,} {WORDS[reading]}", decisive=decisive)
                y += LINE
