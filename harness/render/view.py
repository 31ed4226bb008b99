"""What a report says, before any markup: the run, its promises, and each drawn counterexample."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.record import PromiseRecord, RunRecord, TrialRecord, VerdictWord
from harness.render.case import Case, ShownCall
from harness.render.figure import Figure, described, figure
from harness.render.text import count, seconds, shorten
from harness.render.timeline import Column, Outage, Timeline, timeline

DRAWN_MOST: Final = 250
_MANY: Final = 60
"""From so many promises on, each gets less room."""

_HEADERS_MOST, _NOTES_MOST, _NOTE_MOST = 12, 20, 500
_ORDER: Final[tuple[VerdictWord, ...]] = ("broken", "unknown", "kept")


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
class Row:
    """One line of a counterexample's timeline."""

    time: str
    what: str
    detail: str
    kind: str
    decisive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The call that completed the proof, as its client saw it."""

    call: str
    said: str
    headers: tuple[tuple[str, str], ...]
    more_headers: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A counterexample, laid out."""

    said: str
    figure: Figure
    described: str
    caption: str
    rows: tuple[Row, ...]
    answer: Answer | None
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """Trials with one thing to say: one that was played, or several that were not."""

    names: tuple[str, ...]
    purpose: str
    verdict: VerdictWord
    said: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """One promise; texts are cut to what a page can hold."""

    record: PromiseRecord
    anchor: str
    says: str | None
    reason: str
    short_reason: str
    intermittent: str | None
    known: str | None
    calls: int
    conclusive: int
    trials: tuple[TrialView, ...]
    case: CaseView | None
    no_case: str | None
    replay: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The whole run; promises stand with the worst first."""

    record: RunRecord
    headline: str
    worst: VerdictWord
    counts: Mapping[str, int]
    missing: int
    started: str
    took: str | None
    promises: tuple[PromiseView, ...]
    notes: tuple[str, ...]

    def of(self, verdict: str) -> tuple[PromiseView, ...]:
        """The promises with a verdict."""
        return tuple(one for one in self.promises if one.record.verdict == verdict)


def run_view(record: RunRecord, read: Callable[[str], Case | str], place: str) -> RunView:
    """Arrange a run.

    Args:
        record: the run.
        read: gives the counterexample of a name in the record, or why it cannot be shown; each is
            asked for once and let go.
        place: the report folder, as a command line should name it.
    """
    ordered = sorted(record.promises, key=lambda promise: _ORDER.index(promise.verdict))
    room = Room.among(len(ordered))
    promises = tuple(
        _promise(one, number, read, room, _Where(place, record.clock))
        for number, one in enumerate(ordered, start=1)
    )
    counts = Counter(one.verdict for one in record.promises)
    missing = record.selected - len(record.promises)
    notes = list(dict.fromkeys(note for one in record.promises for note in one.notes))
    return RunView(
        record=record,
        headline=_headline(counts, missing),
        worst=next((word for word in _ORDER[:2] if counts[word]), _without(missing, counts)),
        counts={word: counts[word] for word in _ORDER},
        missing=missing,
        started=f"{record.started:%Y-%m-%d %H:%M:%S} UTC",
        took=_took(record),
        promises=promises,
        notes=tuple(shorten(note, _NOTE_MOST) for note in notes[:_NOTES_MOST]),
    )


def _without(missing: int, counts: Mapping[VerdictWord, int]) -> VerdictWord:
    return "unknown" if missing or not counts.get("kept") else "kept"


def _headline(counts: Mapping[VerdictWord, int], missing: int) -> str:
    said = [count(counts[word], "promise") + f" {word}" for word in _ORDER if counts[word]]
    if missing:
        said.append(f"{count(missing, 'promise')} without a verdict")
    if not said:
        return "no promise was verified"
    if len(said) == 1 and counts["kept"] > 1:
        return f"all {count(counts['kept'], 'promise')} kept"
    return ", ".join(said)


def _took(record: RunRecord) -> str | None:
    if record.finished is None:
        return None
    return f"{(record.finished - record.started).total_seconds():.1f} s"


# -- promises -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Where:
    """The report folder as a command line names it, and how time was asked to pass."""

    place: str
    clock: str


def _promise(
    record: PromiseRecord,
    number: int,
    read: Callable[[str], Case | str],
    room: Room,
    where: _Where,
) -> PromiseView:
    drawn = number <= DRAWN_MOST
    case: Case | str | None = None
    if record.counterexample is not None:
        left_out = f"only the first {DRAWN_MOST} are drawn; this is in {record.counterexample}"
        case = read(record.counterexample) if drawn else left_out
    return PromiseView(
        record=record,
        anchor=f"p{number}",
        says=None if record.says is None else shorten(record.says, room.says),
        reason=shorten(record.reason, room.reason),
        short_reason=shorten(record.reason.partition("\n")[0], room.cell),
        intermittent=_intermittent(record),
        known=None if record.baseline is None else shorten(record.baseline.said, room.reason),
        calls=sum(trial.evidence.get("calls", 0) for trial in record.trials),
        conclusive=sum(trial.verdict == "kept" for trial in record.trials),
        trials=tuple(_trials(record.trials, room)) if drawn else (),
        case=_case(case, record.verdict, room) if isinstance(case, Case) else None,
        no_case=case if isinstance(case, str) else None,
        replay=None
        if record.counterexample is None
        else _replay(where.place, record.counterexample, where.clock),
    )


def _replay(place: str, name: str, clock: str) -> str:
    """The line to paste; a name that looks like an option does not become one."""
    file = f"{place}/{name}" if place != "." else name
    words = ["stormproof", "replay", f"./{file}" if file.startswith("-") else file]
    return shlex.join(words if clock == "auto" else [*words, "--clock", clock])


def _intermittent(record: PromiseRecord) -> str | None:
    for trial in record.trials:
        if trial.verdict == "broken" and 0 < trial.broken_in < trial.worlds:
            return f"{trial.broken_in}/{trial.worlds}"
    return None


def _trials(trials: Sequence[TrialRecord], room: Room) -> Iterator[TrialView]:
    """One line for each that was played; those that were not, together by their reason."""
    idle: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        said = trial.reason.removeprefix(f"{trial.name} could not say: ")
        if trial.verdict == "unknown" and not trial.evidence:
            idle.setdefault(said, []).append(trial)
            continue
        yield TrialView(
            names=(trial.name,),
            purpose=shorten(trial.purpose, room.cell),
            verdict=trial.verdict,
            said="" if trial.verdict == "kept" else shorten(said, room.cell),
            evidence=_evidence(trial),
        )
    for said, group in idle.items():
        yield TrialView(
            names=tuple(trial.name for trial in group),
            purpose=shorten(group[0].purpose, room.cell) if len(group) == 1 else "",
            verdict="unknown",
            said=shorten(said, room.cell),
            evidence="",
        )


def _evidence(trial: TrialRecord) -> str:
    seen = [
        f"{number:,} {name.replace('_', ' ')}" for name, number in trial.evidence.items() if number
    ]
    if trial.broken_in:
        seen.append(f"broken in {trial.broken_in} of {count(trial.worlds, 'fresh world')}")
    return ", ".join(seen)


# -- counterexamples ------------------------------------------------------------------------------


def _case(case: Case, verdict: str, room: Room) -> CaseView:
    line = timeline(case)
    later = (
        f" {count(line.later, 'later call')} of this trial are in the file." if line.later else ""
    )
    return CaseView(
        said=case.said,
        figure=figure(case, line),
        described=described(case, line),
        caption=f"{case.trial.name}: {case.trial.purpose}.{_shrunk(case)}{later}",
        rows=tuple(_rows(line)),
        answer=_answer(case, room),
        seen=_seen(case, verdict),
    )


def _shrunk(case: Case) -> str:
    before = case.shrunk_from
    if before is None:
        return ""
    return f" The smallest plan found that shows it, of {count(before.calls, 'call')} at first."


def _seen(case: Case, verdict: str) -> str:
    if verdict == "unknown":
        return f"seen once, and not again in {count(case.worlds - 1, 'fresh world')}: nothing is proved"
    if case.broken_in == case.worlds:
        return f"in {case.broken_in} of {count(case.worlds, 'fresh world')}"
    return f"intermittent: in {case.broken_in} of {count(case.worlds, 'fresh world')}"


def rows_of(case: Case) -> tuple[Row, ...]:
    """The timeline of a counterexample, line by line."""
    return tuple(_rows(timeline(case)))


def _rows(line: Timeline) -> Iterator[Row]:
    """What happened, in order: calls, moves of the clock between them, outages."""
    happened: list[tuple[int, int, Column | Row]] = sorted(
        [(column.from_ns, 1, column) for column in line.columns] + list(_edges(line.outages)),
        key=lambda each: each[:2],
    )
    now_ns = line.columns[0].from_ns if line.columns else 0
    if line.window[0] < min([now_ns, *(at_ns for at_ns, _, _ in happened)]):
        since = seconds(line.window[0], line.decimals)
        yield Row(time=since, what="from here on every call counts", detail="", kind="move")
    for at_ns, _, what in happened:
        if at_ns > now_ns:
            passed = seconds(at_ns - now_ns, line.decimals)
            word = "the clock is moved" if line.held else "time passes"
            yield Row(time=f"+ {passed}", what=word, detail="", kind="move")
        if isinstance(what, Column):
            yield _calls(what, line.decimals)
            now_ns = max(now_ns, what.to_ns)
        else:
            yield what
            now_ns = max(now_ns, at_ns)


def _edges(outages: Sequence[Outage]) -> Iterator[tuple[int, int, Row]]:
    for outage in outages:
        counted = f"its effect was counted {count(outage.effect, 'time')}" if outage.effect else ""
        what = f"{outage.dependency}: {outage.fault or 'down'}"
        time = seconds(outage.from_ns)
        yield outage.from_ns, 0, Row(time=time, what=what, detail=counted, kind="fault")
        if outage.to_ns is not None:
            time = seconds(outage.to_ns)
            back = f"{outage.dependency}: answers again"
            yield outage.to_ns, 0, Row(time=time, what=back, detail="", kind="fault")


def _calls(column: Column, decimals: int) -> Row:
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
    return Row(time=time, what=what, detail=detail, kind="calls", decisive=decisive > 0)


def _answer(case: Case, room: Room) -> Answer | None:
    by_index = {call.index: call for call in case.calls}
    last = by_index.get(case.witness[-1]) if case.witness else None
    if last is None:
        return None
    return Answer(
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
