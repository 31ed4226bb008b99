"""The words of a verdict, all in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.promises.concurrency_limit.book import Break, Half, Terms
from harness.units import format_duration, format_seconds

_SAID: Final[Mapping[Half, str]] = {
    "upper": "{count} calls{who} are inside{place}, {bound} allowed",
    "twice": "slot given back twice after {way}{place}: {count} calls{who} are inside, {bound} allowed",
    "few": "only {count} of {limit} calls{who} get in{place}; the next is kept out",
    "lost": "slot lost after {way}{place}: {count} of {limit} calls{who} get in",
    "beside": "free slot beside a waiter{place}: after {way} {count} of {limit} calls{who} are inside, "
    "and one who waits does not get in",
    "key": "{key} is blocked by {way}{place}: {count} of its own {limit} calls are inside, and the "
    "next is kept out",
    "queue": "{count} calls{who} wait{place}, where a queue of {queue} is promised",
    "early": "refused with {count} waiting{who}{place}; a queue of {queue} is promised",
    "waits": "refusal waits{place}: {when}",
    "timeout": "a call{who} waits longer than {span}{place} and is not refused",
    "order": "one{who} who came later is inside{place}, and one who waited before it came waits still",
}


def told(found: Break, terms: Terms, *, workers: int, elapsed_ns: int) -> str:
    """The sentence of a proof, which was complete so long after the plan began, by the target's clock."""
    last = found.visits[-1].label if found.visits else ""
    span = format_duration(terms.queue_timeout_ns or 0)
    early = f"a call that waited was refused before {span} were over"
    said = _SAID[found.half].format(
        count=found.count,
        who="" if found.key == "all" else f" of {found.key}",
        place=f" ({last})" if last.startswith("round") else "",
        limit=terms.limit,
        bound=terms.limit * terms.each,
        queue=terms.queue,
        way=found.way,
        key=found.key,
        span=span,
        when=early if terms.queue_timeout_ns else "who finds no place is to be refused at once",
    )
    over = f", over {workers} workers" if found.half == "upper" and workers > 1 else ""
    after = f", after {format_seconds(elapsed_ns)}" if elapsed_ns else ""
    return f"{said}{over}{after}."


def wrong_form(answered: str, count: int, limit: int, status: str) -> str:
    """Calls over the limit got another answer than the declared refusal."""
    return (
        f"{count} calls beyond the {limit} inside were {answered}, where a refusal with {status} is "
        "promised."
    )
