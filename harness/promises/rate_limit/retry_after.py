"""Retry-After: read strictly, and compared with what happened to who obeyed it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from harness.history import Call
from harness.units import NS_PER_S

_SECONDS: Final = re.compile(r"\d{1,18}", re.ASCII)
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_MONTH: Final = rf"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
_DAYS: Final = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAYS: Final = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATES: Final = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{_DAYS}, (?P<day>\d{{2}}) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG_DAYS}, (?P<day>\d{{2}})-{_MONTH}-(?P<year>\d{{2}}) {_TIME} GMT",
        rf"{_DAYS} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


@dataclass(frozen=True, slots=True)
class Wait:
    """What the header says: wait for ``delta_ns``, or until ``date_ns`` of the wall clock."""

    delta_ns: int | None = None
    date_ns: int | None = None

    def over_ns(self, refused: Call) -> int:
        """The least wait that it can have meant when the refusal was made, in ns."""
        if self.delta_ns is not None:
            return self.delta_ns
        last = refused.answered_wall_ns
        return (self.date_ns or 0) - max(refused.sent_wall_ns, last or 0)

    def is_over(self, refused: Call, later: Call, slack_ns: int, *, real: bool) -> bool:
        """Whether ``later`` was certainly sent when the wait was over (on both axes if real)."""
        if self.date_ns is not None:
            return later.sent_wall_ns >= self.date_ns + slack_ns
        ends = _pairs(refused.answered_target_ns, refused.answered_wall_ns, real=real)
        sent = _pairs(later.sent_target_ns, later.sent_wall_ns, real=real)
        wait = (self.delta_ns or 0) + slack_ns
        return all(
            end is not None and start is not None and start >= end + wait
            for end, start in zip(ends, sent, strict=True)
        )

    def is_over_by_far(self, refused: Call, later: Call, slack_ns: int, *, real: bool) -> bool:
        """Whether ``later`` was certainly answered over a second before the wait was over."""
        early = NS_PER_S + slack_ns
        if self.date_ns is not None:
            answered = later.answered_wall_ns
            return answered is not None and answered <= self.date_ns - early
        sent = _pairs(refused.sent_target_ns, refused.sent_wall_ns, real=real)
        ends = _pairs(later.answered_target_ns, later.answered_wall_ns, real=real)
        return all(
            end is not None and start is not None and end <= start + (self.delta_ns or 0) - early
            for end, start in zip(ends, sent, strict=True)
        )


def _pairs(target: int | None, wall: int | None, *, real: bool) -> Iterator[int | None]:
    yield target
    if real:
        yield wall


def parse(value: str) -> Wait | None:
    """Read delay-seconds or an HTTP date (RFC 9110, 5.6.7 and 10.2.3); None if it is neither.

    >>> parse("30")
    Wait(delta_ns=30000000000, date_ns=None)
    >>> parse("Thu, 01 Jan 1970 00:00:10 GMT")
    Wait(delta_ns=None, date_ns=10000000000)
    >>> parse("1.5") is parse("-1") is parse("soon") is None
    True
    """
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return Wait(delta_ns=int(text) * NS_PER_S)
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is not None:
            return _date(match)
    return None


def _date(match: re.Match[str]) -> Wait | None:
    year = int(match["year"])
    if year < 100:  # the obsolete form with two digits
        year += 1900 if year >= 70 else 2000
    try:
        moment = datetime(
            year,
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"]), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return Wait(date_ns=int(moment.timestamp()) * NS_PER_S)
