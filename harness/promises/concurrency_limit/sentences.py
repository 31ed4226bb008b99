"""The words of a verdict, all in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.promises.concurrency_limit.book import Break, Half, Terms
from harness.units import about_seconds, format_duration, number_of

_SAID: Final[Mapping[Half, str]] = {
    "upper": "{calls}{who} {are} inside{place}, {bound} allowed",
    "twice": "slot given back twice after {way}{place}: {calls}{who} {are} inside, {bound} allowed",
    "few": "only {count} of {limit_calls}{who} {get} in{place}; the next is kept out",
    "lost": "slot lost after {way}{place}: only {count} of {limit_calls}{who} {get} in",
    "beside": "free slot beside a waiter{place}: after {way}, {count} of {limit_calls}{who} {are} "
    "inside, and a call that waits does not get in",
    "key": "{key} is blocked by {way}{place}: {count} of its own {limit_calls} {are} inside, and the "
    "next is kept out",
    "queue": "{calls}{who} {wait}{place}, where a queue of {queue} is promised",
    "early": "refused with {count} waiting{who}{place}, where a queue of {queue} is promised",
    "waits": "refusal waits{place}: {when}",
    "timeout": "a call{who} waits longer than {span}{place} and is not refused",
    "order": "a call{who} that came later is inside{place}, while one that waited before it came "
    "still waits",
}


def told(found: Break, terms: Terms, *, workers: int, elapsed_ns: int) -> str:
    """The sentence of a proof, which was complete so long after the plan began, by the target's clock."""
    last = found.visits[-1].label if found.visits else ""
    span = format_duration(terms.queue_timeout_ns or 0)
    early = f"a call that waited was refused before its {span} were over"
    said = _SAID[found.half].format(
        count=found.count,
        calls=number_of(found.count, "call"),
        are="is" if found.count == 1 else "are",
        get="gets" if found.count == 1 else "get",
        wait="waits" if found.count == 1 else "wait",
        limit_calls=number_of(terms.limit, "call"),
        who="" if found.key == "all" else f" of {found.key}",
        place=f" ({last})" if last.startswith("round") else "",
        bound=terms.limit * terms.each,
        queue=terms.queue,
        way=found.way,
        key=found.key,
        span=span,
        when=early
        if terms.queue_timeout_ns
        else "a call that finds no place must be refused at once",
    )
    over = f", over {workers} workers" if found.half == "upper" and workers > 1 else ""
    after = f", after {about_seconds(elapsed_ns)}" if elapsed_ns else ""
    return f"{said}{over}{after}."


def wrong_form(answered: str, count: int, limit: int, status: str) -> str:
    """Calls over the limit got another answer than the declared refusal."""
    were = f"{number_of(count, 'call was', 'calls were')} answered {answered}"
    return f"beyond the {limit} inside, {were}, where a refusal with {status} is promised."
