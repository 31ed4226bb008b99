"""Calls that were under way together: when each was at the dependency, and how many were inside.

On a held clock all of it may happen while no time passes, so what orders it are the moments of rest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from harness.render.axis import axis
from harness.render.case import Case, Ns, Part, ShownArrival, ShownCall
from harness.render.strip import Rule, Sheet, Strip, Word, few
from harness.render.text import count, seconds

_LANES_MOST: Final = 16
_STOPS_MOST: Final = 14
_LANE_PX, _LEVEL_PX = 15, 84
_LEVEL_MOST_PX: Final = 13.0


class _Visit(Part):
    call: int
    proves: bool = False
    sent_ns: Ns
    held: tuple[tuple[Ns, Ns | None], ...] = ()
    ended_ns: Ns | None = None
    end: str | None = None
    way: str = ""


class Proof(Part):
    """What ``concurrency_limit`` writes into a finding: instants of the machine since the plan began."""

    limit: int
    queue: int | None = None
    parts_ns: Ns
    lanes: Annotated[tuple[_Visit, ...], Field(min_length=1)]
    level: Annotated[tuple[tuple[Ns, int, int], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where an instant of the machine lies among the stops, and when they were for the target."""

    stops_ns: Sequence[int]
    targets_ns: Sequence[int]

    def of(self, at_ns: int) -> float:
        """A stop's number, or in the middle of the way to the next one."""
        right = bisect_left(self.stops_ns, at_ns)
        if right < len(self.stops_ns) and self.stops_ns[right] == at_ns:
            return float(right)
        if right == 0:
            return -0.5
        if right == len(self.stops_ns):
            return right - 0.5
        before, after = self.stops_ns[right - 1], self.stops_ns[right]
        return right - 1 + 0.3 + 0.4 * (at_ns - before) / (after - before)


def draw(case: Case, proof: Proof) -> Strip:
    """The level against the limit, and below it who was inside."""
    since_ns = _since_ns(case, proof)
    parts = next(
        (n for n, (at_ns, _, _) in enumerate(proof.level) if at_ns >= proof.parts_ns),
        len(proof.level) - 1,
    )
    shown = _shown(proof.lanes)
    first_ns = min(visit.sent_ns for visit in shown)
    first = next((n for n, (at_ns, _, _) in enumerate(proof.level) if at_ns >= first_ns), parts)
    level = proof.level[max(0, min(first - 1, parts), parts + 1 - _STOPS_MOST) : parts + 1]
    stops = [at_ns for at_ns, _, _ in level]
    places = _Places(stops, _targets(case, [since_ns + at_ns for at_ns in stops]))
    sheet = Sheet(axis(places.targets_ns), case.held)
    _level(sheet, proof, level)
    _lanes(sheet, places, proof.lanes, stops[-1])
    return sheet.done(sheet.axis.xs[-1])


def proved_ns(case: Case, proof: Proof) -> int:
    """When the proof was complete, on the machine's clock: at rest."""
    at_ns = next((at_ns for at_ns, _, _ in proof.level if at_ns >= proof.parts_ns), proof.parts_ns)
    return _since_ns(case, proof) + at_ns


def draw_calls(case: Case) -> Strip | None:
    """The calls of any proof with what reached a dependency; None where no call is known to have ended."""
    proof = set(case.witness)
    last_ns = max((c.ended_ns or 0 for c in case.calls if c.index in proof), default=0)
    if not last_ns:
        return None
    own = [call for call in case.calls if call.written_ns <= last_ns]
    by_token: dict[str, list[ShownArrival]] = {}
    for each in case.arrivals:
        if each.token is not None:
            by_token.setdefault(each.token, []).append(each)
    visits = [_visit(call, by_token, proves=call.index in proof) for call in own]
    near = [v for v in visits if v.proves][-_LANES_MOST:]
    near += [v for v in reversed(visits) if not v.proves][: _LANES_MOST - len(near)]
    instants = _instants(near, last_ns)
    stops = _chosen(instants, _targets(case, instants))
    places = _Places(stops, _targets(case, stops))
    sheet = Sheet(axis(places.targets_ns), case.held)
    _lanes(sheet, places, near, last_ns)
    return sheet.done(sheet.axis.xs[-1])


def _visit(
    call: ShownCall, by_token: Mapping[str, Sequence[ShownArrival]], *, proves: bool
) -> _Visit:
    return _Visit(
        call=call.index,
        proves=proves,
        sent_ns=call.written_ns,
        held=tuple((a.at_ns, a.ended_ns) for a in by_token.get(call.token or "", ())),
        ended_ns=call.ended_ns,
        end="answered" if call.status else "lost",
        way=str(call.status or call.error or "no answer"),
    )


def _instants(visits: Sequence[_Visit], last_ns: int) -> list[int]:
    """All that happened until the proof was complete."""
    found = {last_ns}
    for visit in visits:
        found |= {visit.sent_ns, visit.ended_ns or last_ns}
        found |= {edge for stay in visit.held for edge in stay if edge is not None}
    return sorted(each for each in found if each <= last_ns)


def _chosen(stops_ns: Sequence[int], targets_ns: Sequence[int]) -> list[int]:
    """As many as there is room for: where they are too many, the last one of each target instant first."""
    if len(stops_ns) <= _STOPS_MOST:
        return list(stops_ns)
    last = list(dict(zip(targets_ns, stops_ns, strict=True)).values())
    room = _STOPS_MOST - len(last)
    between = stops_ns[:: -(-len(stops_ns) // room)] if room > 0 else ()
    return list(few(sorted({*last, *between}), _STOPS_MOST // 2, _STOPS_MOST // 2))


def _since_ns(case: Case, proof: Proof) -> int:
    """When the plan began, on the machine's clock."""
    written = {call.index: call.written_ns for call in case.calls}
    return next(
        (written[v.call] - v.sent_ns for v in proof.lanes if written.get(v.call)),
        0,
    )


def _targets(case: Case, stops_ns: Sequence[int]) -> list[int]:
    """Target time from the first stop on, as far as the file tells it; never falling."""
    known = sorted(_known(case))
    found: list[int] = []
    for at_ns in stops_ns:
        place = bisect_left(known, (at_ns, -(1 << 63)))
        told = known[min(place, len(known) - 1)][1] if known else 0
        found.append(max(told, found[-1]) if found else told)
    first = found[0] if found else 0
    grain_ns = 1 if case.held else 1_000_000
    return [(each - first) // grain_ns * grain_ns for each in found]


def _known(case: Case) -> Iterator[tuple[int, int]]:
    """Instants on both clocks."""
    for event in case.events:
        if event.at_ns and event.target_ns is not None:
            yield event.at_ns, event.target_ns
    for each in case.arrivals:
        yield each.at_ns, each.target_ns
        if each.ended_ns is not None and each.ended_target_ns is not None:
            yield each.ended_ns, each.ended_target_ns
    for call in case.calls:
        if call.written_ns:
            yield call.written_ns, call.sent_target_ns
        if call.ended_ns is not None and call.ended_target_ns is not None:
            yield call.ended_ns, call.ended_target_ns


# -- the level -------------------------------------------------------------------------------------


def _level(sheet: Sheet, proof: Proof, level: Sequence[tuple[int, int, int]]) -> None:
    """How many were inside at each rest, and how many waited, against the limit."""
    sheet.title(f"inside at each rest, {proof.limit:,} allowed")
    most = max([1, proof.limit, *(inside for _, inside, _ in level)])
    pixels = min(_LEVEL_MOST_PX, (_LEVEL_PX - 20) / most)
    top, zero = sheet.y + 16, sheet.y + 16 + pixels * most
    xs = sheet.axis.xs
    for place, (_, inside, waiting) in enumerate(level):
        left = sheet.axis.at(place - 0.5) if place else 0.0
        right = sheet.axis.at(place + 0.5) if place + 1 < len(xs) else xs[-1]
        sheet.y = max(top, zero - pixels * min(inside, proof.limit))
        if inside:
            sheet.bar(left, right, "inside", zero - sheet.y)
        if inside > proof.limit:
            sheet.y = zero - pixels * inside
            sheet.bar(left, right, "over", pixels * (inside - proof.limit), proves=True)
        y = zero - pixels * inside - 5
        if abs(y - 4 - (zero - pixels * proof.limit)) < 8 and inside < proof.limit:
            y = zero - pixels * proof.limit - 5
        over = inside > proof.limit
        sheet.words.append(Word(x=xs[place], y=y, text=f"{inside:,}", kind="label", hot=over))
        if waiting:
            text = f"{waiting:,} wait"
            sheet.words.append(Word(x=xs[place], y=zero + 13, text=text))
    bound = zero - pixels * proof.limit
    sheet.rules.append(Rule(x1=0, x2=100, y1=bound, y2=bound, kind="bound"))
    sheet.y = zero + 26


def _lanes(sheet: Sheet, places: _Places, visits: Sequence[_Visit], last_ns: int) -> None:
    """One line for each call: under way, inside, and how it ended."""
    shown = _shown(visits)
    more = len(visits) - len(shown)
    sheet.title(f"each call; {count(more, 'more call')} in the file" if more else "each call")
    for visit in shown:
        _lane(sheet, places, visit, last_ns)
        sheet.y += _LANE_PX
    sheet.y -= 6


def _shown(visits: Sequence[_Visit]) -> list[_Visit]:
    """As many as there is room for, the proof's own first; in the order in which they began."""
    own = [visit for visit in visits if visit.proves][:_LANES_MOST]
    others = [visit for visit in visits if not visit.proves]
    found = [*own, *others[: _LANES_MOST - len(own)]]
    return sorted(found, key=lambda visit: (visit.sent_ns, visit.call))


def _lane(sheet: Sheet, places: _Places, visit: _Visit, last_ns: int) -> None:
    x = sheet.axis.at
    ended = visit.ended_ns if visit.ended_ns is not None and visit.ended_ns <= last_ns else None
    from_x = 0.0 if places.of(visit.sent_ns) < 0 else x(places.of(visit.sent_ns))
    to_x = sheet.axis.xs[-1] if ended is None else x(places.of(ended))
    sheet.y += 4
    sheet.bar(from_x, to_x, "waits", 3)
    sheet.y -= 4
    for from_ns, left_ns in visit.held:
        if from_ns > last_ns:
            continue
        gone = left_ns if left_ns is not None and left_ns <= last_ns else None
        start = 0.0 if places.of(from_ns) < 0 else x(places.of(from_ns))
        end = sheet.axis.xs[-1] if gone is None else x(places.of(gone))
        sheet.bar(start, end, "inside", 11, proves=visit.proves)
    held = any(from_ns <= last_ns and (to is None or to > last_ns) for from_ns, to in visit.held)
    said = _end(visit) if ended is not None else "inside" if held else "waits"
    hot = visit.proves
    sheet.words.append(Word(x=to_x, y=sheet.y + 9, dx=6, text=said, anchor="start", hot=hot))


def _end(visit: _Visit) -> str:
    if visit.end == "answered":
        return visit.way if visit.way != "ok" else "answered"
    return visit.end or ""


def described(proof: Proof) -> str:
    """The drawing in words."""
    told = ", ".join(f"{inside:,} inside" for _, inside, _ in proof.level[-8:])
    return f"{proof.limit:,} allowed; at each rest: {told}; {seconds(proof.parts_ns)} after the plan began"
