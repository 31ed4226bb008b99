"""A counterexample as it is told: drawing, timeline, the answer that decides; all cut to their room."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.render.case import Case, ShownCall
from harness.render.drawing import Drawing, drawing
from harness.render.happened import Line, lines
from harness.render.text import count, seconds, shorten
from harness.render.timeline import Column, Outage, Timeline, timeline

_MANY: Final = 60
"""From so many promises on, each gets less room."""

_HEADERS_MOST: Final = 12
_COMPLETES: Final = "The call that completes the proof"
_SAW: Final = "What the last call of the proof was answered in the end"
RATE_LIMIT: Final = "rate_limit"
"""The kind whose calls are counted: its timeline tells of instants, not of calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many bytes the texts of a promise may take."""

    says: int = 6_000
    reason: int = 6_000
    cell: int = 300
    body: int = 1_200
    header: int = 300

    @classmethod
    def among(cls, promises: int) -> Room:
        """Less for each, where there are many."""
        share = min(1.0, _MANY / max(1, promises))
        return cls(
            says=max(300, int(cls().says * share**2)),
            reason=max(400, int(cls().reason * share**2)),
            cell=max(100, int(cls().cell * share)),
            body=max(150, int(cls().body * share)),
            header=max(60, int(cls().header * share)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The call that completed the proof, as its client saw it."""

    title: str
    call: str
    said: str
    headers: tuple[tuple[str, str], ...]
    more_headers: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A counterexample, laid out."""

    said: str
    drawing: Drawing
    caption: str
    rows: tuple[Line, ...]
    third: str
    answer: Answer | None
    seen: str


def case_view(case: Case, verdict: str, room: Room) -> CaseView:
    drawn = drawing(case)
    return CaseView(
        said=case.said,
        drawing=drawn,
        caption=f"{case.trial.name}: {case.trial.purpose}.{_shrunk(case)}{_later(case)}",
        rows=_told(case, drawn),
        third="answers" if case.kind == RATE_LIMIT else "who",
        answer=None if drawn.proved_ns is not None else _answer(case, room),
        seen=_seen(case, verdict),
    )


def _shrunk(case: Case) -> str:
    before = case.shrunk_from
    if before is None:
        return ""
    fewer = before.calls > len(case.calls)
    first = count(before.calls, "call") if fewer else count(before.steps, "step")
    return f" The smallest plan found that shows it, of {first} at first."


def _later(case: Case) -> str:
    later = timeline(case).later if case.kind == RATE_LIMIT else 0
    return f" {count(later, 'later call')} of this trial are in the file." if later else ""


def _seen(case: Case, verdict: str) -> str:
    if verdict == "unknown":
        return f"seen once, and not again in {count(case.worlds - 1, 'fresh world')}: nothing is proved"
    if case.broken_in == case.worlds:
        return f"in {case.broken_in} of {count(case.worlds, 'fresh world')}"
    return f"intermittent: in {case.broken_in} of {count(case.worlds, 'fresh world')}"


def rows_of(case: Case) -> tuple[Line, ...]:
    """The timeline of a counterexample, line by line."""
    return _told(case, drawing(case))


def words_of(case: Case) -> tuple[str, ...]:
    """What its drawing shows beside the timeline."""
    return drawing(case).words


def _told(case: Case, drawn: Drawing) -> tuple[Line, ...]:
    if case.kind == RATE_LIMIT:
        return tuple(_rows(timeline(case)))
    return tuple(lines(case, drawn.proved_ns))


def _rows(line: Timeline) -> Iterator[Line]:
    """What happened, in order: calls, moves of the clock between them, outages."""
    happened: list[tuple[int, int, Column | Line]] = sorted(
        [(column.from_ns, 1, column) for column in line.columns] + list(_edges(line.outages)),
        key=lambda each: each[:2],
    )
    now_ns = line.columns[0].from_ns if line.columns else 0
    if line.window[0] < min([now_ns, *(at_ns for at_ns, _, _ in happened)]):
        since = seconds(line.window[0], line.decimals)
        yield Line(time=since, what="from here on every call counts", detail="", kind="move")
    for at_ns, _, what in happened:
        if at_ns > now_ns:
            passed = seconds(at_ns - now_ns, line.decimals)
            word = "the clock is moved" if line.held else "time passes"
            yield Line(time=f"+ {passed}", what=word, detail="", kind="move")
        if isinstance(what, Column):
            yield _calls(what, line.decimals)
            now_ns = max(now_ns, what.to_ns)
        else:
            yield what
            now_ns = max(now_ns, at_ns)


def _edges(outages: Sequence[Outage]) -> Iterator[tuple[int, int, Line]]:
    for outage in outages:
        what = f"{outage.whom}: {outage.fault}"
        time = seconds(outage.from_ns)
        yield outage.from_ns, 0, Line(time=time, what=what, detail=outage.counted, kind="fault")
        if outage.to_ns is not None:
            time = seconds(outage.to_ns)
            back = f"{outage.whom}: {outage.after}"
            yield outage.to_ns, 0, Line(time=time, what=back, detail=outage.doubted, kind="fault")


def _calls(column: Column, decimals: int) -> Line:
    time = seconds(column.from_ns, decimals)
    if column.to_ns > column.from_ns:
        time = f"{time} to {seconds(column.to_ns, decimals)}"
    kinds = Counter[str]()
    decisive = 0
    for (reading, proof), number in column.calls.items():
        kinds["without an answer" if reading == "lost" else reading] += number
        decisive += number * proof
    answers = ", ".join(
        shorten(what, 80) if number == 1 else f"{number:,} times {shorten(what, 80)}"
        for what, number in column.answers.most_common(6)
    )
    parts = ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items()))
    said = "the proof" if decisive == kinds.total() else f"{decisive:,} of them are the proof"
    detail = f"{answers}; {said}" if decisive else answers
    what = f"{count(kinds.total(), 'call')}: {parts}"
    return Line(time=time, what=what, detail=detail, kind="calls", decisive=decisive > 0)


def _answer(case: Case, room: Room) -> Answer | None:
    by_index = {call.index: call for call in case.calls}
    last = by_index.get(case.witness[-1]) if case.witness else None
    if last is None:
        return None
    is_complete = case.kind == RATE_LIMIT
    return Answer(
        title=_COMPLETES if is_complete else _SAW,
        call=f"{last.operation} by {last.caller}, {last.reading}",
        said=_said(last),
        headers=tuple(
            (name, shorten(value, room.header)) for name, value in last.headers[:_HEADERS_MOST]
        ),
        more_headers=max(0, len(last.headers) - _HEADERS_MOST),
        body=shorten(_body(last.body), room.body, "the file"),
    )


def _said(call: ShownCall) -> str:
    return f"status {call.status}" if call.status else f"no answer ({call.error or 'none came'})"


def _body(text: str) -> str:
    """JSON with air, if it is short JSON; else as it came."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
