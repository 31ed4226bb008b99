"""A circuit breaker's proof: what the breaker may have been, who reached the dependency, who was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field

from harness.render.axis import axis
from harness.render.case import Case, Ns, Part
from harness.render.strip import MarkKind, Sheet, Strip
from harness.render.text import seconds

State = Literal["closed", "open", "half-open"]

_BEATS_MOST: Final = 12
_HELD_MOST: Final = 8
_LANE_PX, _MARK_PX = 22, 34
_OUTCOMES: Final[dict[str, MarkKind]] = {"ok": "ok", "failed": "failed", "uncounted": "uncounted"}


class _Lane(Part):
    from_ns: Ns
    to_ns: Ns
    states: Annotated[tuple[State, ...], Field(min_length=1)]
    placed: int | None = None


class _Point(Part):
    what: Literal["admitted", "rejected", "ended", "stuck"]
    outcome: str | None = None
    count: int
    from_ns: Ns
    calls: tuple[int, ...]


class _Reading(Part):
    state: State
    why: str
    seen: Mapping[str, str] = MappingProxyType({})


class Proof(Part):
    """What ``circuit_breaker`` writes into a finding that no reading explains."""

    at_ns: Ns
    lanes: Annotated[tuple[_Lane, ...], Field(min_length=1)]
    points: Annotated[tuple[_Point, ...], Field(min_length=1)]
    readings: tuple[_Reading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beat:
    """Points that stand together on the axis.

    Attributes:
        kind: ``inside`` where calls reached the dependency and stayed; else what became of them.
        points: the range of points that they are.
        ends: of ``inside``: the beats in which its calls ended.
    """

    kind: MarkKind | Literal["inside"]
    count: int
    at_ns: int
    points: tuple[int, int]
    calls: frozenset[int]
    returned: bool = False


def draw(case: Case, proof: Proof) -> Strip:
    """The lanes of the breaker's states with what it let through and what it refused."""
    beats = _fewer(_runs(list(_beats(_told_once(proof.points)))))
    line = axis([beat.at_ns for beat in beats])
    sheet = Sheet(line, case.held)
    _states(sheet, proof, beats)
    _through(sheet, beats)
    _refused(sheet, beats)
    return sheet.done(line.xs[-1])


def reasons(proof: Proof) -> Iterator[str]:
    """What the breaker may have been at the end, and why each of these forbids what happened."""
    for reading in proof.readings[:6]:
        seen = "; ".join(f"{name.replace('_', ' ')}: {how}" for name, how in reading.seen.items())
        why = reading.why.removeprefix(f"{reading.state}: ")
        yield f"if it was {reading.state}: {why}" + (f" (seen: {seen})" if seen else "")


# -- beats ---------------------------------------------------------------------------------------


def _told_once(points: Sequence[_Point]) -> list[tuple[int, _Point]]:
    """With their numbers; of calls that came together some may stand before the fatal one: once is enough."""
    numbered = list(enumerate(points))
    *_, before, fatal = [points[0], *points]
    again = before.what == fatal.what and set(fatal.calls) <= set(before.calls)
    return [*numbered[:-2], numbered[-1]] if again and len(points) > 1 else numbered


def _beats(points: Sequence[tuple[int, _Point]]) -> Iterator[_Beat]:
    """A call that came and ended with nothing between is one beat."""
    skip = False
    for (number, point), (_, after) in pairwise([*points, (0, points[-1][1])]):
        if skip:
            skip = False
            continue
        end = number + 1
        kind: MarkKind | Literal["inside"] = "inside"
        returned = False
        match point.what:
            case "admitted":
                if _is_its_end(point, after):
                    kind, end, skip = _outcome(after), end + 1, True
            case "ended":
                kind, returned = _outcome(point), True
            case "rejected":
                kind = "refused"
            case "stuck":
                kind = "stuck"
        yield _Beat(
            kind=kind,
            count=max(1, point.count),
            at_ns=point.from_ns,
            points=(number, end),
            calls=frozenset(point.calls),
            returned=returned,
        )


def _is_its_end(point: _Point, after: _Point) -> bool:
    alike = set(after.calls) == set(point.calls) and after.from_ns == point.from_ns
    return after.what == "ended" and alike


def _outcome(point: _Point) -> MarkKind:
    return _OUTCOMES.get(point.outcome or "", "gone")


def _runs(beats: Sequence[_Beat]) -> list[_Beat]:
    """Neighbours of one instant that are alike, as one."""
    made: list[_Beat] = []
    for beat in beats:
        if made and _alike(made[-1], beat) and made[-1].at_ns == beat.at_ns:
            made[-1] = _joined(made[-1], beat)
        else:
            made.append(beat)
    return made


def _alike(one: _Beat, other: _Beat) -> bool:
    return one.kind == other.kind != "inside" and one.returned == other.returned


def _joined(one: _Beat, other: _Beat) -> _Beat:
    return replace(
        one,
        count=one.count + other.count,
        points=(one.points[0], other.points[1]),
        calls=one.calls | other.calls,
    )


def _fewer(beats: list[_Beat]) -> list[_Beat]:
    """At most so many: neighbours that are alike are joined, the nearest first; then the oldest go."""
    while len(beats) > _BEATS_MOST:
        near = [
            (beats[place + 1].at_ns - beats[place].at_ns, place)
            for place in range(len(beats) - 2)
            if _alike(beats[place], beats[place + 1])
        ]
        if not near:
            return beats[-_BEATS_MOST:]
        _, place = min(near)
        beats[place : place + 2] = [_joined(*beats[place : place + 2])]
    return beats


# -- lanes ---------------------------------------------------------------------------------------


def _states(sheet: Sheet, proof: Proof, beats: Sequence[_Beat]) -> None:
    """One bar; where it may have been several things, one bar beside the other for each."""
    sheet.title("what the breaker may have been")
    ends = [_end_x(sheet, lane, beats) for lane in proof.lanes[:-1]]
    edges = [0.0, *ends, sheet.axis.xs[-1]]
    for lane, from_x, to_x in zip(proof.lanes, edges, edges[1:], strict=False):
        if to_x <= from_x:
            continue
        height = _LANE_PX / len(lane.states)
        top = sheet.y
        for state in lane.states:
            sheet.bar(from_x, to_x, state, height, state)
            sheet.y += height
        sheet.y = top
    sheet.y += _LANE_PX + 10


def _end_x(sheet: Sheet, lane: _Lane, beats: Sequence[_Beat]) -> float:
    """Where it became something else: right after the last point of the lane."""
    if lane.placed is None:
        return sheet.axis.of(lane.to_ns)
    for place, beat in enumerate(beats):
        if beat.points[1] >= lane.placed:
            return sheet.axis.at(place + (0.0 if beat.points[1] == lane.placed else -0.5))
    return sheet.axis.xs[-1]


def _through(sheet: Sheet, beats: Sequence[_Beat]) -> None:
    """Who reached the dependency: at once done, or held there until a later beat."""
    sheet.title("reached the dependency")
    sheet.y += _MARK_PX - 12
    y = sheet.y
    for place, beat in enumerate(beats):
        if beat.kind in ("refused", "stuck", "inside"):
            continue
        _mark(sheet, place, beat, y, proves=place == len(beats) - 1)
    sheet.y += 12
    inside = [place for place, beat in enumerate(beats) if beat.kind == "inside"]
    for place in inside[-_HELD_MOST:]:
        end = _end_of(beats, place)
        last = place == len(beats) - 1
        to_x = 100.0 if end is None else sheet.axis.xs[end]
        from_x = sheet.axis.xs[place]
        text = f"{beats[place].count:,} inside"
        sheet.named_bar(from_x, to_x, "over" if last else "inside", 16, text, proves=last)
        sheet.y += 20
    sheet.y += 4


def _end_of(beats: Sequence[_Beat], place: int) -> int | None:
    """The beat in which the last of its calls ended."""
    left = set(beats[place].calls)
    for later in range(place + 1, len(beats)):
        if beats[later].returned:
            left -= beats[later].calls
            if not left:
                return later
    return None


def _refused(sheet: Sheet, beats: Sequence[_Beat]) -> None:
    """Who was answered without an attempt, or waits for nothing."""
    if not any(beat.kind in ("refused", "stuck") for beat in beats):
        return
    sheet.title("did not reach it")
    sheet.y += _MARK_PX - 12
    for place, beat in enumerate(beats):
        if beat.kind in ("refused", "stuck"):
            _mark(sheet, place, beat, sheet.y, proves=place == len(beats) - 1)
    sheet.y += 12


def _mark(sheet: Sheet, place: int, beat: _Beat, y: float, *, proves: bool) -> None:
    if beat.kind != "inside":
        count = f"{beat.count:,}" if beat.count > 1 else ""
        sheet.mark(sheet.axis.xs[place], y, beat.kind, count, proves=proves)


def described(proof: Proof) -> str:
    """The drawing in words."""
    lanes = (
        f"{' or '.join(lane.states)} from {seconds(lane.from_ns)} to {seconds(lane.to_ns)}"
        for lane in proof.lanes
    )
    return "the breaker may have been " + ", ".join(lanes)
