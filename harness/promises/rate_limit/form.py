"""The form of a refusal, and answers that should have been one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.reading import Letter
from harness.verdict import Finding

_PROVED_BY: Final = 3
"""So many calls over the limit with another answer prove that it is the service's habit."""
_CLOSED: Final = ("closed", "reset")


def wrong_form(case: Case) -> Iterator[Finding]:
    """For each key the first refusal that lacks something of its declared form."""
    accused: set[str | None] = set()
    for index in case.new:
        reading = case.readings[index]
        if reading is None or reading.form is None or reading.key in accused:
            continue
        if case.in_counted_outage(index) or may_be_anothers(case, index):
            continue
        accused.add(reading.key)
        call, who = case.calls[index], case.who(index)
        at_ns = case.since(call.answered_target_ns or call.sent_target_ns)
        yield Finding(
            half="form",
            said=sentences.form(at_ns, call.status, reading.form),
            key=who,
            calls=(index,),
            proof={"missing": reading.form, "status": call.status, "origin_ns": case.origin_ns},
        )


def may_be_anothers(case: Case, index: int) -> bool:
    """Whether another rate limit may have refused the call: then the form is not ours to judge."""
    return any(other.covers(index) and not other.owes(index) for other in case.others)


def never_refused(case: Case) -> Iterator[Finding]:
    """Calls over the limit that were answered with an error or not at all, while nobody else was."""
    failed = [index for index in case.new if _has_failed(case, index)]
    if any(case.is_entitled(index) for index in failed):
        return
    proved: list[int] = []
    for index in failed:
        if not may_be_anothers(case, index) and case.book.was_over(index):
            proved.append(index)
        if len(proved) == _PROVED_BY:
            break
    else:
        return
    first = case.calls[proved[0]]
    status = first.status
    answer = f"with {status}" if status is not None else "by closing the connection"
    exceeded, at_ns = case.promise.exceeded, case.since(first.sent_target_ns)
    owner = case.owner(proved[0])
    yield Finding(
        half="form",
        said=sentences.not_refused(owner, at_ns, len(proved), answer, exceeded.status),
        key=owner,
        calls=tuple(proved),
        proof={"status": status, "count": len(proved), "origin_ns": case.origin_ns},
    )


def _has_failed(case: Case, index: int) -> bool:
    if not case.book.covers(index) or case.in_counted_outage(index):
        return False
    letter = case.book.letters[index]
    return letter is Letter.O or (letter is Letter.L and case.calls[index].error in _CLOSED)
