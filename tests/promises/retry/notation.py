"""Promises and the attempts of calls in a few characters.

``waits(promise, "100 200 400")``: four attempts, each answered 503 at once, so many ms apart.
``tries(promise, "POST reset", "+0 POST 200")``: attempts one by one: ms after the end of the one before,
method, outcome and more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Literal

from harness.models.advice import Advice
from harness.models.backoff.looks import Look
from harness.promises.retry.attempts import Attempt, Tries
from harness.promises.retry.parts import CONNECTION, TIMEOUT
from harness.promises.retry.rules import Case, broken
from harness.promises.retry.waits import looked, outside
from harness.promises.retry.words import Retry
from harness.units import NS_PER_MS, NS_PER_S
from harness.verdict import Finding

EPOCH_NS = 1_700_000_000 * NS_PER_S
LATER_NS = 1_000_000 * NS_PER_S
_OUTCOMES = {"reset": CONNECTION, "timeout": TIMEOUT}
_ITEM = re.compile(
    r"(?:\+(?P<wait>[\d.]+)\s+)?(?P<method>[A-Z]+)\s+(?P<outcome>\w+)"
    r"(?:\s+after=(?P<after>[\d.]+))?(?:\s+date=(?P<date>[\d.]+))?(?:\s+use=(?P<use>\d+))?"
    r"(?:\s+key=(?P<key>\w+))?(?:\s+took=(?P<took>[\d.]+))?"
)


def promise(**words: Any) -> Retry:
    """Four attempts, 100 ms first, factor 2, no jitter, unless said."""
    given = {
        "id": "r",
        "kind": "retry",
        "operation": "fetch",
        "attempts": 4,
        "backoff": {"initial": "100ms", "factor": 2, "jitter": "none"},
        "retry_on": ["timeout", "connection", 429, 500, 502, 503, 504],
    }
    merged = {key: value for key, value in (given | words).items() if value is not None}
    return Retry.model_validate_json(json.dumps(merged))


def backoff(initial: str = "100ms", **words: Any) -> dict[str, Any]:
    """A backoff of factor 2 from ``initial``."""
    return {"initial": initial, "factor": 2, **words}


def ns(ms: str | float) -> int:
    """Milliseconds with any decimals, as ns."""
    return round(float(ms) * NS_PER_MS)


def waits(text: str | Iterable[float], call: int = 0, *, last: int | str = 503) -> Tries:
    """One call of which every attempt fails at once, with so many ms between them."""
    items = text.split() if isinstance(text, str) else [str(each) for each in text]
    first = [f"GET {last if not items else 503}"]
    return tries(*first, *(f"+{ms} GET {last}" for ms in items), call=call)


def tries(
    *items: str, call: int = 0, left_after: int | None = None, until_ns: int = LATER_NS, **more: Any
) -> Tries:
    """One call, attempt by attempt; its client leaves after so many of them."""
    made: list[Attempt] = []
    now_ns = sent_ns = 10 * NS_PER_S
    for number, item in enumerate(items, start=1):
        match = _ITEM.fullmatch(item)
        assert match, item
        now_ns += ns(match["wait"] or 0)
        arrived_ns, now_ns = now_ns, now_ns + ns(match["took"] or 0)
        made.append(
            Attempt(
                number=number + 100 * call,
                method=match["method"],
                arrived_ns=arrived_ns,
                ended_ns=(now_ns, now_ns),
                outcome=_outcome(match["outcome"]),
                use=int(match["use"] or 1),
                key=match["key"],
                advice=_advice(match["after"], match["date"], now_ns),
                told=bool(match["after"] or match["date"]),
                ended_wall_ns=EPOCH_NS + now_ns,
                at_ns=number * 10,
            )
        )
    return Tries(
        call=call,
        caller=f"key-{call}",
        operation="fetch",
        attempts=tuple(made),
        sent_ns=sent_ns,
        ended_ns=None if left_after is not None else now_ns,
        seen_until_ns=until_ns,
        left_at_ns=None if left_after is None else left_after * 10 + 5,
        **more,
    )


def _outcome(text: str) -> int | str:
    return int(text) if text.isdigit() else _OUTCOMES[text]


def _advice(after: str | None, date: str | None, now_ns: int) -> Advice | None:
    if after is not None:
        return Advice(delta_ns=ns(float(after) * 1_000))
    if date is not None:
        return Advice(date_ns=EPOCH_NS + now_ns + ns(float(date) * 1_000))
    return None


Status = Literal["broken", "kept", "open"]


def judged(words: Retry, *calls: Tries, **more: Any) -> tuple[Status, list[Finding], Look | None]:
    """What calls prove: all findings, and what the last look at their waits says."""
    case = Case(words, calls, **more)
    found = list(broken(case))
    out = outside(case)
    if out is not None:
        found.append(out)
    look = None
    if words.laws:
        look, statistical = looked(case)
        if statistical is not None:
            found.append(statistical)
    if found:
        return "broken", found, look
    return ("open" if look is None else look.status), [], look
