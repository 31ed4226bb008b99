"""A deadline's proof: the call against its deadline, its attempts and timers; what 200 calls left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.render.axis import axis
from harness.render.case import Case, Ns, Part
from harness.render.strip import Rule, Sheet, Strip, Word, few
from harness.render.text import count, span

_TIMERS_FIRST, _TIMERS_LAST = 4, 3
_ATTEMPTS_FIRST, _ATTEMPTS_LAST = 6, 2
_BAR_PX: Final = 16
_HEADS: Final = ("0 calls", "50", "100", "150", "200", "healed")


class _Attempt(Part):
    dependency: str
    from_ns: Ns
    to_ns: Ns | None = None
    state: str = ""
    status: int | None = None


class Proof(Part):
    """What ``deadline`` writes into a finding about one call, in ns since it was sent."""

    within_ns: Ns
    ended_ns: Ns | None = None
    idle_ns: Ns | None = None
    timers_ns: tuple[Ns, ...] = ()
    attempts: tuple[_Attempt, ...] = ()


class Leak(Part):
    """What it writes of counts that grow."""

    what: str
    a_call: float
    counts: dict[str, tuple[int, ...]]
    after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The counts of one resource, and how high each stands against the highest, in percent."""

    name: str
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    grows: bool

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.name} after {', '.join(_HEADS[: len(self.counts)])}: " + ", ".join(
            f"{each:,}" for each in self.counts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the target held after so many calls.

    Attributes:
        heads: of the columns.
        rows: one for each resource, those that grow first.
    """

    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def draw(case: Case, proof: Proof) -> Strip:
    """The call against what is promised, its attempts at each dependency, and the target's timers."""
    attempts = list(few(proof.attempts, _ATTEMPTS_FIRST, _ATTEMPTS_LAST))
    answered = proof.ended_ns is not None and proof.ended_ns != proof.idle_ns
    end_ns = proof.ended_ns if proof.ended_ns is not None else proof.idle_ns
    silent_ns = None if answered else proof.idle_ns
    end_ns = max(0, proof.within_ns if end_ns is None else end_ns)
    timers = list(few([t for t in proof.timers_ns if t <= end_ns], _TIMERS_FIRST, _TIMERS_LAST))
    grain_ns = 1 if case.held else 1_000_000

    def grained(ns: int) -> int:
        return ns // grain_ns * grain_ns

    stops = {0, grained(proof.within_ns), grained(end_ns)} | {grained(each) for each in timers}
    for each in attempts:
        stops |= {grained(each.from_ns)}
        stops |= set() if each.to_ns is None else {grained(each.to_ns)}
    sheet = Sheet(axis(sorted(stops)), case.held)
    x = sheet.axis.of
    top, due_x, end_x = sheet.y, x(grained(proof.within_ns)), x(grained(end_ns))
    sheet.title(f"the call: {_end(case, proof, answered=answered)}")
    sheet.bar(x(0), min(due_x, end_x), "call", _BAR_PX)
    if end_x > due_x:
        said = f"+ {span(end_ns - proof.within_ns)}"
        sheet.bar(due_x, end_x if answered else 100.0, "over", _BAR_PX, said, proves=True)
    sheet.y += _BAR_PX + 12
    for name in dict.fromkeys(each.dependency for each in attempts):
        own = [each for each in attempts if each.dependency == name]
        whole = sum(each.dependency == name for each in proof.attempts)
        more = f"; {count(whole - len(own), 'more')} in between" if whole > len(own) else ""
        sheet.title(f"attempts at {name}: {whole:,}{more}")
        for each in own:
            to_x = 100.0 if each.to_ns is None else x(grained(each.to_ns))
            said = _became(each, silent_ns)
            sheet.named_bar(x(grained(each.from_ns)), to_x, "asked", _BAR_PX, said)
            sheet.y += _BAR_PX + 4
        sheet.y += 6
    if timers:
        left = len([t for t in proof.timers_ns if t <= end_ns]) - len(timers)
        sheet.title("timers of the target" + (f"; {left:,} more in between" if left else ""))
        sheet.y += 8
        for each_ns in timers:
            sheet.mark(x(grained(each_ns)), sheet.y, "timer", proves=False)
        sheet.y += 10
    sheet.rules.append(Rule(x1=due_x, x2=due_x, y1=top - 8, y2=sheet.y + 20, kind="bound"))
    word = f"promised within {span(proof.within_ns)}"
    sheet.words.append(Word(x=due_x, y=top - 12, text=word, hot=True))
    return sheet.done(None)


def proved_ns(case: Case, proof: Proof) -> int | None:
    """When the proof was complete, on the machine's clock; None where the call's end completes it."""
    if proof.idle_ns is None or (proof.ended_ns is not None and proof.ended_ns < proof.idle_ns):
        return None
    looked_ns = case.origin_ns + proof.idle_ns
    rests = (e for e in case.events if e.event == "Rested" and e.target_ns is not None)
    return next((e.at_ns for e in rests if (e.target_ns or 0) >= looked_ns), None)


def _end(case: Case, proof: Proof, *, answered: bool) -> str:
    call = next((each for each in case.calls if each.index in case.witness[:1]), None)
    if not answered or call is None:
        return f"no answer in {span(proof.idle_ns)}" if proof.idle_ns else "no answer"
    return str(call.status) if call.status else f"no answer ({call.error or 'none came'})"


def _became(each: _Attempt, silent_ns: int | None) -> str:
    """How it ended; what was let go only when the plan ended, after all had come to rest, did not."""
    if silent_ns is not None and (each.to_ns is None or each.to_ns >= silent_ns):
        return "held"
    word = {"gone": "given up", "held": "held"}.get(each.state, each.state)
    return f"{word} {each.status}" if each.status and each.state == "answered" else word


def counts(proof: Leak) -> Counts:
    """All counts, those that grow first."""
    width = max((len(row) for row in proof.counts.values()), default=0)
    names = sorted(proof.counts, key=lambda name: name != proof.what)
    return Counts(
        heads=_HEADS[:width],
        rows=tuple(
            _row(name, proof.counts[name][: len(_HEADS)], name == proof.what) for name in names[:8]
        ),
    )


def _row(name: str, values: tuple[int, ...], grows: bool) -> Row:
    most = max([1, *values])
    shares = tuple(round(100 * max(0, value) / most, 1) for value in values)
    return Row(name=name, counts=values, shares=shares, grows=grows)


def described(proof: Proof) -> str:
    """The drawing in words."""
    ended = "no answer" if proof.ended_ns is None else f"answered after {span(proof.ended_ns)}"
    return (
        f"promised within {span(proof.within_ns)}: {ended}; {count(len(proof.attempts), 'attempt')}"
    )
