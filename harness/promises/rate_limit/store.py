"""What the service does while its store is away: ``when_down``, word for word."""

from __future__ import annotations

from collections.abc import Iterator

from harness.promises.rate_limit import sentences
from harness.promises.rate_limit.case import Case
from harness.promises.rate_limit.form import may_be_anothers
from harness.promises.rate_limit.reading import Letter, Reading
from harness.verdict import Finding

_PROMISED = {
    "open": "promised is that every call is admitted then",
    "closed": "promised is that every call is refused then",
    "local": "promised is that each process limits by itself then",
}


def away(case: Case) -> Iterator[Finding]:
    """For each key the first answer during an outage that is not the promised one."""
    store = case.promise.store
    if store is None:
        return
    accused: set[str | None] = set()
    for index in case.new:
        reading = case.readings[index]
        if reading is None or reading.key in accused:
            continue
        if not case.book.covers(index) or not case.in_counted_outage(index):
            continue
        wrong = _wrong(store.when_down, reading, case.calls[index].status)
        if wrong is None or (reading.letter is not Letter.A and may_be_anothers(case, index)):
            continue
        accused.add(reading.key)
        who, at_ns = case.who(index), case.since(case.calls[index].sent_target_ns)
        yield Finding(
            half="store",
            said=sentences.store(who, at_ns, wrong, store.dependency, _PROMISED[store.when_down]),
            key=who,
            calls=(index,),
            proof={"when_down": store.when_down, "origin_ns": case.origin_ns},
        )


def _wrong(when_down: str, reading: Reading, status: int | None) -> str | None:
    """What is wrong with the answer; a lost call proves nothing."""
    if reading.letter is Letter.O:
        return f"was answered with {status}"
    if when_down == "open" and reading.letter is Letter.R:
        return "was refused"
    if when_down == "closed" and reading.letter is Letter.A:
        return "was admitted"
    if when_down != "open" and reading.letter is Letter.R and reading.form is not None:
        return f"was refused with {status} but without {reading.form}"
    if when_down == "local" and reading.letter is Letter.R and reading.entitled:
        return "was refused though its budget cannot have been used up"
    return None
