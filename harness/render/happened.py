"""What happened in a counterexample, line by line: what many calls have in common is told once.

A line tells what became of calls until the next rest or clock move: each call's own story, in the order
of the machine's clock. Calls with the same story, one after another, share a line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from harness.render.befell import after, befallen, counted, doubted, fault_of
from harness.render.case import Case, Happening, ShownArrival, ShownCall
from harness.render.text import count, decimals_of, seconds, shorten

_TOLD_FIRST, _TOLD_LAST = 16, 12
_IN_FILE: Final = "in the file"
_PAUSE_NS: Final = 20_000_000
"""On a clock that runs, what comes so long after the last thing is told in a line of its own."""

_ARRIVAL_ENDS: Final = {"cut": "cut off there", "gone": "given up there"}
_CALL_ENDS: Final = {"left": "left by its client"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a timeline."""

    time: str
    what: str
    detail: str
    kind: str
    decisive: bool = False


class _Fact(NamedTuple):
    """One thing that became of a call; requests that belong to none have a call below 0."""

    at_ns: int
    target_ns: int
    call: int
    words: str


class _Told(NamedTuple):
    """Calls with one story between two rests, or (without calls) something that befell them all."""

    target_ns: int
    story: tuple[str, ...]
    calls: tuple[int, ...] = ()
    kind: str = "calls"
    detail: str = ""


def lines(case: Case, proved_ns: int | None = None) -> list[Line]:
    """The timeline until the calls of the proof had ended; a long one says how much of it is left out.

    Args:
        case: the counterexample.
        proved_ns: when its proof was complete, on the machine's clock, where that was at a rest.
    """
    told, later = _until_proved(case, _merged(_stories(case, proved_ns)))
    left_out = len(told) - _TOLD_FIRST - _TOLD_LAST
    if left_out > 1:
        what = f"{count(left_out, 'more line')}, with the clock's moves between"
        between = _Told(told[_TOLD_FIRST - 1].target_ns, (what,), kind="left out", detail=_IN_FILE)
        told = [*told[:_TOLD_FIRST], between, *told[-_TOLD_LAST:]]
    made = list(_lines(case, told))
    if later:
        made.append(Line(time="…", what=later, detail=_IN_FILE, kind="move"))
    return made


def _until_proved(case: Case, told: list[_Told]) -> tuple[list[_Told], str]:
    """What came later proves nothing; how many calls that were."""
    proof, end = frozenset(case.witness), len(told)
    if not told or told[-1].kind != "proved":
        end = max(
            (n + 1 for n, each in enumerate(told) if proof.intersection(each.calls)), default=end
        )
    shown = {call for each in told[:end] for call in each.calls}
    later = sum(call.index not in shown for call in case.calls)
    return told[:end], count(later, "later call") if later else ""


def _lines(case: Case, told: Sequence[_Told]) -> Iterator[Line]:
    decimals = decimals_of({each.target_ns - case.origin_ns for each in told}) if case.held else 3
    proof = frozenset(case.witness)
    by_index = {call.index: call for call in case.calls}
    word = "the clock is moved" if case.held else "time passes"
    now_ns = told[0].target_ns if told else 0
    for each in told:
        if each.kind == "left out":
            yield Line(time="…", what=each.story[0], detail=each.detail, kind="move")
            continue
        if each.target_ns > now_ns:
            passed = seconds(each.target_ns - now_ns, decimals)
            yield Line(time=f"+ {passed}", what=word, detail="", kind="move")
            now_ns = each.target_ns
        own = [by_index[call] for call in each.calls if call in by_index]
        decisive = [call for call in each.calls if call in proof]
        yield Line(
            time=seconds(each.target_ns - case.origin_ns, decimals),
            what=shorten(_what(each, own), 300),
            detail=shorten(each.detail or _detail(own, len(decisive)), 200),
            kind=each.kind,
            decisive=bool(decisive),
        )


def _what(each: _Told, calls: Sequence[ShownCall]) -> str:
    story = ", ".join(_counted(each.story))
    if not each.calls:
        return story
    if each.calls[0] < 0:
        return f"{count(len(each.calls), 'request')} of no known call: {story}"
    names = {call.operation for call in calls}
    name = f" of {names.pop()}" if len(names) == 1 else ""
    return f"{count(len(each.calls), 'call')}{name}: {story}"


def _counted(story: Sequence[str]) -> Iterator[str]:
    """What comes several times in a row, once."""
    for words, run in groupby(story):
        number = len(list(run))
        yield words if number == 1 else f"{words} {number:,} times"


def _detail(calls: Sequence[ShownCall], decisive: int) -> str:
    who = list(dict.fromkeys(call.caller for call in calls))
    told = "" if not who else who[0] if len(who) == 1 else count(len(who), "caller")
    if not decisive:
        return told
    proof = "the proof" if decisive == len(calls) else f"{decisive:,} of them are of the proof"
    return f"{told}; {proof}" if told else proof


# -- stories ---------------------------------------------------------------------------------------


def _stories(case: Case, proved_ns: int | None) -> Iterator[_Told]:
    """What became of each call between two borders, the calls in order of what came first."""
    facts = sorted(_facts(case), key=lambda fact: fact.at_ns)
    if proved_ns is not None:
        facts = [fact for fact in facts if fact.at_ns <= proved_ns]
    borders = _borders(case, facts)
    around = sorted(_around(case, proved_ns), key=lambda pair: pair[0])
    for _, chunk in groupby(facts, key=lambda fact: _stretch(case, borders, fact)):
        own = list(chunk)
        if not case.held:  # what comes close together is one instant to a reader
            own = [fact._replace(target_ns=own[0].target_ns) for fact in own]
        while around and around[0][0] <= own[0].at_ns:
            yield around.pop(0)[1]
        yield from _between(own)
    yield from (told for _, told in around)


def _stretch(case: Case, borders: Sequence[int], fact: _Fact) -> tuple[int, int]:
    """Between which borders a fact lies; on a held clock at which of its instants, too."""
    return bisect_left(borders, fact.at_ns), fact.target_ns if case.held else 0


def _between(facts: Sequence[_Fact]) -> Iterator[_Told]:
    if len(facts) == 1:
        yield _Told(facts[0].target_ns, (facts[0].words,), (facts[0].call,))
        return
    by_call: dict[int, list[_Fact]] = defaultdict(list)
    for fact in facts:
        by_call[fact.call].append(fact)
    for call, own in by_call.items():
        story = tuple(fact.words for fact in own)
        yield _Told(target_ns=own[0].target_ns, story=story, calls=(call,))


def _merged(told: Iterator[_Told]) -> list[_Told]:
    made: list[_Told] = []
    for each in told:
        last = made[-1] if made else None
        if last is not None and each.calls and last.calls and _same(last, each):
            made[-1] = last._replace(calls=last.calls + each.calls)
        else:
            made.append(each)
    return made


def _same(one: _Told, other: _Told) -> bool:
    alike = one.story == other.story and one.target_ns == other.target_ns
    return alike and (one.calls[0] < 0) == (other.calls[0] < 0)


def _borders(case: Case, facts: Sequence[_Fact]) -> list[int]:
    """Rests and clock moves; on a clock that runs, pauses."""
    if case.held:
        kinds = ("Rested", "ClockMoved")
        return sorted(event.at_ns for event in case.events if event.event in kinds)
    return [b.at_ns - 1 for a, b in pairwise(facts) if b.at_ns - a.at_ns > _PAUSE_NS]


def _facts(case: Case) -> Iterator[_Fact]:
    by_token: dict[str | None, int] = {
        call.token: call.index for call in case.calls if call.token is not None
    }
    for call in case.calls:
        yield _Fact(call.written_ns, call.sent_target_ns, call.index, "begun")
        if call.ended_ns is not None:
            target_ns = call.ended_target_ns
            at_ns = call.sent_target_ns if target_ns is None else target_ns
            yield _Fact(call.ended_ns, at_ns, call.index, _call_end(call))
    for each in case.arrivals:
        yield from _arrived(each, by_token)


def _arrived(each: ShownArrival, by_token: Mapping[str | None, int]) -> Iterator[_Fact]:
    call = by_token.get(each.token, -each.number)
    yield _Fact(each.at_ns, each.target_ns, call, f"reached {shorten(each.dependency, 60)}")
    if each.ended_ns is not None and each.state != "held":
        target_ns = each.target_ns if each.ended_target_ns is None else each.ended_target_ns
        words = _ARRIVAL_ENDS.get(each.state, f"answered {each.status} there")
        yield _Fact(each.ended_ns, target_ns, call, words)


def _call_end(call: ShownCall) -> str:
    if call.status is not None:
        return f"got {call.status}" if call.error is None else f"got {call.status} ({call.error})"
    return _CALL_ENDS.get(
        call.error or "", f"ended without an answer ({call.error or 'none came'})"
    )


def _around(case: Case, proved_ns: int | None) -> Iterator[tuple[int, _Told]]:
    """Faults, counts, and the rest at which all was proved."""
    for event in case.events:
        if proved_ns is not None and event.at_ns >= proved_ns:
            if event.event == "Rested" and event.target_ns is not None:
                story = ("at rest: the proof is complete",)
                yield event.at_ns, _Told(target_ns=event.target_ns, story=story, kind="proved")
                return
            continue
        words = _event(event)
        if words is not None and event.target_ns is not None:
            what, detail, kind = words
            told = _Told(target_ns=event.target_ns, story=(what,), kind=kind, detail=detail)
            yield event.at_ns, told


def _event(event: Happening) -> tuple[str, str, str] | None:
    match event.event:
        case "FaultBegan":
            return f"{befallen(event)}: {fault_of(event)}", counted(event), "fault"
        case "FaultEnded":
            return f"{befallen(event)}: {after(event)}", doubted(event), "fault"
        case "Resources":
            held = (
                f"{event.threads:,} threads, {event.descriptors:,} descriptors, "
                f"{event.connections:,} connections, {count(len(event.pids), 'process', 'processes')}"
            )
            return "counted", held, "move"
    return None
