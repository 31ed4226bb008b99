"""What a drawing on the time axis is made of: bars, marks, lines and words at places of an `Axis`.

Across in percent of the width, down in pixels. The template ``strip.svg.jinja`` draws them as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from harness.render.axis import Axis

BarKind = Literal["closed", "open", "half-open", "call", "waits", "inside", "over", "band", "asked"]
MarkKind = Literal["ok", "failed", "uncounted", "refused", "stuck", "timer", "gone"]

Item = TypeVar("Item")

TITLE_PX: Final = 17
AXIS_PX: Final = 46
"""Below the axis: its times."""

WORDS: Final[dict[BarKind | MarkKind, str]] = {
    "closed": "closed",
    "open": "open",
    "half-open": "half-open",
    "call": "the call is under way",
    "waits": "under way, not at the dependency",
    "inside": "at the dependency",
    "over": "beyond what is promised",
    "band": "the declared band",
    "asked": "an attempt at the dependency",
    "ok": "a success there",
    "failed": "a failure there",
    "uncounted": "an answer that does not count",
    "refused": "answered without an attempt",
    "stuck": "neither in nor refused",
    "timer": "a timer of the target",
    "gone": "its client went away",
}
"""What the legend says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Something that lasts; ``proves``: it belongs to the proof."""

    from_x: float
    to_x: float
    y: float
    height: float
    kind: BarKind
    text: str = ""
    proves: bool = False

    @property
    def width(self) -> float:
        """In percent."""
        return round(max(self.to_x - self.from_x, 0.0), 2)

    @property
    def middle(self) -> float:
        """In percent."""
        return round((self.from_x + self.to_x) / 2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened at once; ``dx`` pixels beside its place, ``text`` above it."""

    x: float
    y: float
    kind: MarkKind
    dx: float = 0.0
    text: str = ""
    proves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A straight line."""

    x1: float
    x2: float
    y1: float
    y2: float
    kind: Literal["bound", "level", "queue", "fatal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Words; ``dx`` pixels beside their place; ``hot``: they tell of the proof."""

    x: float
    y: float
    text: str
    kind: Literal["title", "word", "label"] = "word"
    anchor: Literal["start", "middle", "end"] = "middle"
    dx: float = 0.0
    hot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A drawing.

    Attributes:
        axis: where instants lie, drawn at ``axis_y``.
        fatal_x: where the proof is complete, None where that is no instant.
        held: gaps are moves of the clock.
    """

    axis: Axis
    axis_y: float
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    rules: tuple[Rule, ...]
    words: tuple[Word, ...]
    fatal_x: float | None
    held: bool

    @property
    def height(self) -> float:
        """In pixels."""
        return self.axis_y + AXIS_PX

    @property
    def size(self) -> int:
        """Class of its least width, in steps of 2 rem."""
        return min(44, max(6, -(-self.axis.width_px // 32)))

    @property
    def kinds(self) -> tuple[BarKind | MarkKind, ...]:
        """What the legend explains."""
        bars: Iterable[BarKind | MarkKind] = (bar.kind for bar in self.bars)
        marks: Iterable[BarKind | MarkKind] = (mark.kind for mark in self.marks)
        return tuple(dict.fromkeys([*bars, *marks]))

    @property
    def proves(self) -> bool:
        """Whether something is marked as the proof."""
        return any(bar.proves for bar in self.bars) or any(mark.proves for mark in self.marks)


@dataclass(slots=True)
class Sheet:
    """A strip that is being drawn, from the top down."""

    axis: Axis
    held: bool
    y: float = 26.0
    bars: list[Bar] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)

    def title(self, text: str) -> None:
        """Name what comes below."""
        self.words.append(Word(x=0, y=self.y + 11, text=text, kind="title", anchor="start"))
        self.y += TITLE_PX

    def bar(
        self,
        from_x: float,
        to_x: float,
        kind: BarKind,
        height: float,
        text: str = "",
        *,
        proves: bool = False,
    ) -> None:
        """A bar at the present height, with its words where they find room in it."""
        fits = len(text) <= self.axis.room(from_x, to_x)
        self.bars.append(
            Bar(
                from_x=from_x,
                to_x=to_x,
                y=self.y,
                height=height,
                kind=kind,
                text=text if fits else "",
                proves=proves,
            )
        )

    def named_bar(
        self,
        from_x: float,
        to_x: float,
        kind: BarKind,
        height: float,
        text: str,
        *,
        proves: bool = False,
    ) -> None:
        """A bar with its words in it, or beside it where they find no room."""
        self.bar(from_x, to_x, kind, height, text, proves=proves)
        if self.bars[-1].text or not text:
            return
        after, before = 100 - to_x, from_x
        wide = 100 * (len(text) * 6.6 + 12) / self.axis.width_px
        is_after = after >= wide or after >= before
        anchor: Literal["start", "end"] = "start" if is_after else "end"
        x, dx, y = (to_x, 6, self.y) if is_after else (from_x, -6, self.y)
        self.words.append(
            Word(x=x, y=y + height / 2 + 4, text=text, anchor=anchor, dx=dx, hot=proves)
        )

    def mark(self, x: float, y: float, kind: MarkKind, text: str = "", *, proves: bool) -> None:
        """A mark, with its words above it."""
        self.marks.append(Mark(x=x, y=y, kind=kind, text=text, proves=proves))

    def done(self, fatal_x: float | None) -> Strip:
        """The drawing, its axis below all of it."""
        return Strip(
            axis=self.axis,
            axis_y=self.y + 26,
            bars=tuple(self.bars),
            marks=tuple(self.marks),
            rules=tuple(self.rules),
            words=tuple(self.words),
            fatal_x=fatal_x,
            held=self.held,
        )


def few(items: Sequence[Item], first: int, last: int) -> Iterator[Item]:
    """The first and the last of many."""
    if len(items) <= first + last:
        yield from items
    else:
        yield from items[:first]
        yield from items[len(items) - last :]
