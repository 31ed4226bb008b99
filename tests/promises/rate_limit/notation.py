"""Histories and promises in a few characters, as the table of "What `rate_limit` means" writes them.

``0 A*3; 0 R; 9.998 R``: three admitted calls in turn at 0 s, a refusal, another at 9.998 s.
``0 A | 0 A``: overlapping. ``0~1 A``: sent at 0 s, answered at 1 s. ``0~? L``: never answered.
``R(9)``: with Retry-After 9. ``A other``: of another key. ``O=404``: with that status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from harness.history import Call, Event, History, TargetStarted
from harness.promises.rate_limit.check import Setting
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S

Clock = Literal["frozen", "real"]
EPOCH_NS = 1_700_000_000 * NS_PER_S
SETTING = Setting(ok={})
_ITEM = re.compile(
    r"(?P<start>[\d.]+)(?:~(?P<end>[\d.]+|\?))?\s+(?P<letter>[AROL])(?:\((?P<wait>[^)]*)\))?"
    r"(?:=(?P<status>\d+))?(?:\*(?P<times>\d+))?(?:\s+(?P<key>[a-z]\w*))?"
)
_STATUS = {"A": 200, "R": 429, "O": 500, "L": None}


def promise(limit: str | list[str] = "3/10s", **words: Any) -> RateLimit:
    """A promise on operation ``list``, by identity ``user`` unless said."""
    given = {"id": "rate", "kind": "rate_limit", "operation": "list", "key": "user"} | words
    return RateLimit.model_validate_json(json.dumps({"limit": limit, **given}))


def seconds(text: str) -> int:
    """Seconds with any number of decimals, as ns."""
    whole, _, rest = text.partition(".")
    return int(whole or "0") * NS_PER_S + int(rest[:9].ljust(9, "0"))


def history(text: str, *, clock: Clock = "frozen", exclusive: bool = True) -> History:
    """Read the notation; order numbers are multiples of ten, so that events fit between."""
    started = TargetStarted(seq=0, at_ns=0, target_ns=0, clock=clock, exclusive=exclusive)
    return History((started, *calls(text)))


def calls(text: str, first_seq: int = 10) -> tuple[Call, ...]:
    """The calls alone, in the order of writing."""
    made: list[Call] = []
    seq = first_seq
    for turn in filter(None, (part.strip() for part in text.split(";"))):
        items = [_read(item) for item in turn.split("|")]
        group = [item for item in items for _ in range(int(item["times"] or 1))]
        if len(items) == 1:
            for item in group:
                made.append(_call(item, seq, seq + 10))
                seq += 20
            continue
        after = seq + 10 * len(group)
        for place, item in enumerate(group):
            made.append(_call(item, seq + 10 * place, after + 10 * place))
        seq = after + 10 * len(group)
    return tuple(made)


def _read(text: str) -> Mapping[str, str | None]:
    match = _ITEM.fullmatch(text.strip().replace("**", ""))
    if match is None:
        raise ValueError(f"{text!r} is no call: write for example '0 A*3' or '0~1 R(9)'")
    return match.groupdict()


def _call(item: Mapping[str, str | None], written: int, answered: int) -> Call:
    start = seconds(item["start"] or "0")
    letter = item["letter"] or "A"
    is_lost = letter == "L" or item["end"] == "?"
    end = None if is_lost else seconds(item["end"] or item["start"] or "0")
    number = 2 if item["key"] else 1
    wait = item["wait"]
    return Call(
        operation="list",
        caller=item["key"] or "key-1",
        identity=number,
        source=f"127.0.0.{number + 1}",
        forwarded=None,
        connection=written,
        written_seq=written,
        answered_seq=None if is_lost else answered,
        written_ns=written,
        first_byte_ns=None if is_lost else answered,
        last_byte_ns=None if is_lost else answered,
        sent_target_ns=start,
        answered_target_ns=end,
        sent_wall_ns=EPOCH_NS + start,
        answered_wall_ns=None if end is None else EPOCH_NS + end,
        status=int(item["status"]) if item["status"] else _STATUS[letter],
        headers=() if wait is None else (("retry-after", wait),),
        error="timeout" if is_lost else None,
    )


def joined(*parts: tuple[Event, ...]) -> History:
    """Events of several sources in one order."""

    def order(event: Event) -> int:
        return event.written_seq if isinstance(event, Call) else event.seq

    return History(tuple(sorted((event for part in parts for event in part), key=order)))
