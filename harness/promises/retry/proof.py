"""What a finding shows of calls and their attempts: the table that a drawing is made of."""

from __future__ import annotations

from math import inf
from typing import Any

from harness.models.backoff.law import Law, Span
from harness.promises.retry.attempts import Attempt, Clock, Tries
from harness.promises.retry.demand import is_usual
from harness.promises.retry.words import Retry
from harness.units import NS_PER_MS
from harness.verdict import Finding


def finding(
    promise: Retry, half: str, said: str, shown: Tries, *, clock: Clock = "frozen", **more: Any
) -> Finding:
    """A finding about one call, with the table of its attempts."""
    return Finding(
        half=half,
        said=said,
        key=shown.caller,
        calls=(shown.call,),
        proof={**span_of(shown), "attempts": table(promise, shown, clock), **more},
    )


def span_of(shown: Tries) -> dict[str, int]:
    """The stretch of target time that a call's attempts fill."""
    times = [each.arrived_ns for each in shown.attempts] or [shown.sent_ns]
    last = max([*times, *(e.ended_ns[1] for e in shown.attempts if e.ended_ns)])
    return {"origin_ns": shown.sent_ns, "from_ns": times[0], "to_ns": last}


def table(promise: Retry, shown: Tries, clock: Clock) -> list[dict[str, Any]]:
    """One row for each attempt k: A_k, E_k, the wait d_k that follows and its band in each reading."""
    rows = []
    for k, attempt in enumerate(shown.attempts, start=1):
        row: dict[str, Any] = {
            "k": k,
            "arrived_ns": attempt.arrived_ns,
            "ended_ns": None if attempt.ended_ns is None else attempt.ended_ns[1],
            "outcome": attempt.outcome,
            "method": attempt.method,
        }
        if k < len(shown.attempts):
            row |= _wait(promise, shown, k, clock)
        rows.append(row)
    return rows


def _wait(promise: Retry, shown: Tries, k: int, clock: Clock) -> dict[str, Any]:
    gap = shown.gap(k, clock)
    usual = is_usual(promise, shown, k)
    bands = [band(promise, law, shown, k, clock) for law in promise.laws] if usual else []
    return {
        "next_ns": shown.attempts[k].arrived_ns,
        "wait_ns": gap.most_ns,
        "wait_least_ns": gap.least_ns,
        "bands": bands,
    }


def band(promise: Retry, law: Law, shown: Tries, k: int, clock: Clock) -> dict[str, Any]:
    """Where the wait after attempt ``k`` may lie in one reading, rounding of timers included."""
    before = shown.gap(k - 1, clock).most_ns + promise.slack.early_ns if k > 1 else None
    span = law.span(k, before)
    low, high = edges(span, promise)
    return {"reading": named(law), "lo_ns": int(low), "hi_ns": None if high == inf else int(high)}


def edges(span: Span, promise: Retry) -> tuple[float, float]:
    """The band of a span: at least 0."""
    slack = promise.slack
    return max(0.0, span.bottom_ns - slack.early_ns), span.top_ns + slack.late_ns


def named(law: Law) -> str:
    """A reading for people."""
    return f"{_jitter(law.family)}, cap after the draw" if law.cap_after else _jitter(law.family)


def explained(rival: str) -> str:
    """A law that was tried beside the declared one, by its name, for people.

    >>> explained("none"), explained("proportional 0.2"), explained("factor x 0.9"), explained("")
    ('no jitter', 'proportional jitter of 0.2', '0.9 times the declared factor', '')
    """
    what, _, number = rival.partition(" ")
    if what in {"initial", "factor"}:
        times = number.removeprefix("x ")
        return f"{times} times the declared {what}" if times != number else f"a factor of {number}"
    if what.endswith(","):
        return f"{_jitter(what[:-1])}, {number}"
    return f"{_jitter(what)}{' of ' if number else ''}{number}" if what else ""


def _jitter(family: str) -> str:
    return "no jitter" if family == "none" else f"{family} jitter"


def ms(ns: float) -> str:
    """A span for people, in ms with up to three decimals.

    >>> ms(2_000_000), ms(1_234_567)
    ('2 ms', '1.235 ms')
    """
    return f"{round(ns / NS_PER_MS, 3):,.3f}".rstrip("0").rstrip(".") + " ms"


def outcomes(attempts: tuple[Attempt, ...]) -> str:
    """What became of attempts, in order."""
    return ", ".join(str(each.outcome) for each in attempts)
