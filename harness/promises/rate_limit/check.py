"""The pure checker of ``rate_limit``: what a history proves of a promise, and what was counted.

The meaning of every word, and why no accusation can be false, stands in "What `rate_limit` means,
and how it is decided", sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.history import History
from harness.models.intervals import FOREVER
from harness.promises.rate_limit import form, halves, headers, sentences, store, waits
from harness.promises.rate_limit.budgets import margin_ns
from harness.promises.rate_limit.case import Case, Setting
from harness.promises.rate_limit.eras import clock_steps
from harness.promises.rate_limit.reading import Letter, Reading
from harness.promises.rate_limit.words import RateLimit
from harness.verdict import Finding, Verdict

__all__ = ["Judgement", "Letter", "Reading", "Setting", "judge", "judge_history"]

_SHOWN_MOST: Final = 8
"""So many findings of one half are told; more say nothing new."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was proved and what was counted.

    Attributes:
        findings: proofs that the promise is broken; the one that was complete first is first.
        readings: one for each call of the history; None for what is no call, or older than asked.
        evidence: counts of what was seen, of the judged calls.
        full_cap: some key got all that any limit allows at once.
        widest_ns: the widest interval of an answered call.
        margin_exceeded: that is too wide for steps at an edge.
        rivals: of counted refusals that another promise may have caused, its id.
    """

    findings: tuple[Finding, ...]
    readings: tuple[Reading | None, ...]
    evidence: Mapping[str, int]
    full_cap: bool
    widest_ns: int
    margin_exceeded: bool
    rivals: Mapping[int, str] = field(default_factory=dict)


def judge(
    promise: RateLimit,
    history: History,
    setting: Setting,
    *,
    first_call: int = 0,
    own: Collection[int] | None = None,
) -> Judgement:
    """Judge the calls from index ``first_call`` on; all older ones count in windows.

    A finding holds at least one call from there on. Where several trials share that stretch, ``own``
    names the calls of the one whose evidence is counted; the findings are of all. On a real clock
    only what is broken both in elapsed time and on the wall clock is found.
    """
    case = Case.of(promise, history, setting, first_call)
    obeyed = list(waits.obeyed(case))
    told = headers.judged(case)
    findings = _chosen(
        (
            halves.too_many(case),
            halves.refused_though_owed(case),
            form.wrong_form(case),
            form.never_refused(case),
            waits.unreadable(case),
            waits.refused_again(case, obeyed),
            waits.admitted_early(case),
            told.findings,
            store.away(case),
        )
    )
    counted = [index for index in case.new if own is None or index in own]
    filled = _filled(case, counted)
    evidence = _evidence(case, counted) | {
        "full_limits": len(filled),
        "retry_after_judged": len(obeyed),
        "exact_judged": waits.held_back(case),
        "headers_complete": told.complete,
        "remaining_judged": told.remaining,
        "reset_judged": told.reset,
        "clock_set": clock_steps(history, first_call),
    }
    widest = _widest_ns(case, counted)
    return Judgement(
        findings,
        case.readings,
        evidence,
        bool(filled),
        widest,
        widest > margin_ns(promise),
        _rivals(case, counted),
    )


def _chosen(rules: Iterable[Iterable[Finding]]) -> tuple[Finding, ...]:
    """A few of each rule, in the order in which their proofs were complete."""
    shown = [
        finding
        for rule in rules
        for finding in sorted(rule, key=lambda found: max(found.calls))[:_SHOWN_MOST]
    ]
    return tuple(sorted(shown, key=lambda found: max(found.calls)))


def _evidence(case: Case, counted: Sequence[int]) -> dict[str, int]:
    own = [
        (index, reading)
        for index in counted
        if (reading := case.readings[index]) is not None and case.book.covers(index)
    ]
    letters = [reading.letter for _, reading in own]
    normal = [(index, each) for index, each in own if not case.in_counted_outage(index)]
    refusals = [
        each
        for index, each in normal
        if each.letter is Letter.R and (each.over or case.book.is_drained(index))
    ]
    admitted = [index for index, each in normal if each.letter is Letter.A and each.entitled]
    return {
        "calls": len(own),
        "admitted": letters.count(Letter.A),
        "refused": letters.count(Letter.R),
        "lost": letters.count(Letter.L),
        "other": letters.count(Letter.O),
        "over_refused": sum(each.form is None and each.whole for each in refusals),
        "over_refused_wrong_form": sum(each.form is not None for each in refusals),
        "over_other": sum(each.letter is Letter.O and each.over for _, each in normal),
        "entitled_admitted": len(admitted),
        "readmitted": sum(_is_readmitted(case, index) for index in admitted),
        "in_outage": len(own) - len(normal),
    }


def _is_readmitted(case: Case, index: int) -> bool:
    """Whether the same key had been refused, and told so, before the call was written."""
    key = case.book.keys[index]
    first = case.book.first_refusal_answered(key)
    return first is not None and first < case.calls[index].written_seq


def _filled(case: Case, counted: Sequence[int]) -> frozenset[int]:
    """The limits of which some key was admitted all that they allow at once."""
    admitted = [index for index in counted if case.book.letters[index] is Letter.A]
    return frozenset(
        limit
        for limit in range(len(case.book.budgets))
        if any(case.book.is_filling(index, limit) for index in reversed(admitted))
    )


def _rivals(case: Case, counted: Sequence[int]) -> Mapping[int, str]:
    found: dict[int, str] = {}
    for other in case.others:
        for index in counted:
            refused = case.book.letters[index] is Letter.R and index not in found
            if refused and other.covers(index) and not other.owes(index):
                found[index] = other.promise.id
    return found


def _widest_ns(case: Case, counted: Sequence[int]) -> int:
    return max(
        (
            spans[index].end - spans[index].start
            for spans in case.book.spans
            for index in counted
            if case.book.covers(index) and spans[index].end < FOREVER
        ),
        default=0,
    )


def judge_history(promise: RateLimit, history: History, setting: Setting) -> Verdict:
    """The verdict that one history alone gives.

    *Kept* is: not broken, an over call refused in the declared form, and an entitled call admitted
    after a refusal of the same key.
    """
    judged = judge(promise, history, setting)
    if judged.findings:
        return Verdict.broken(judged.findings, judged.evidence)
    evidence = judged.evidence
    for count, reason, settle in (
        ("calls", "it holds no call", "make some"),
        ("refused", "nobody was refused", "send more calls than the limit allows at once"),
        ("admitted", "nobody was admitted", "find out what the operation needs"),
        (
            "over_refused",
            "no refused call was certainly over the limit",
            "send one more than the limit within a narrower span",
        ),
        (
            "readmitted",
            "nobody was admitted again after a refusal",
            "call again when the budget is whole",
        ),
    ):
        if not evidence[count]:
            return Verdict.unknown(sentences.unknown("the history", reason, settle), evidence)
    return Verdict.kept(
        f"{evidence['over_refused']} calls over the limit were refused as declared, and "
        f"{evidence['readmitted']} admitted afterwards when it was due.",
        evidence,
    )
