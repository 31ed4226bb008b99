"""What a report says, before any markup: the run, its promises, and each drawn counterexample."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.record import PromiseRecord, RunRecord, TrialRecord, VerdictWord
from harness.render.case import Case
from harness.render.story import CaseView, Room, case_view
from harness.render.text import count, shorten

DRAWN_MOST: Final = 250
_NOTES_MOST, _NOTE_MOST = 20, 500
_ORDER: Final[tuple[VerdictWord, ...]] = ("broken", "unknown", "kept")


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
    of_promises = (note for one in record.promises for note in one.notes)
    notes = list(dict.fromkeys([*record.notes, *of_promises]))
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
        case=case_view(case, record.verdict, room) if isinstance(case, Case) else None,
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
