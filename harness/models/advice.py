"""When a service says that it will be ready: Retry-After and reset headers, read and compared.

A wait in seconds runs from the answer on; a date is an instant of the target's wall clock. On a real
clock a wait is over only when both clocks say so: the wall clock may be set, and it is slewed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from harness.history import Call
from harness.plan import Advised
from harness.units import NS_PER_S

_SECONDS: Final = re.compile(r"\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"(\d{1,18})(?:\.(\d{1,9})\d*)?", re.ASCII)
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
class Advice:
    """What a header says: ready in ``delta_ns``, or at ``date_ns`` of the wall clock."""

    delta_ns: int | None = None
    date_ns: int | None = None

    def over_ns(self, told: Call) -> int:
        """The least wait that it can have meant when the answer was made, in ns."""
        if self.delta_ns is not None:
            return self.delta_ns
        return (self.date_ns or 0) - max(told.sent_wall_ns, told.answered_wall_ns or 0)

    def most_ns(self, told: Call) -> int:
        """The longest wait that it can have meant when the answer was made, in ns, at least 0."""
        if self.delta_ns is not None:
            return self.delta_ns
        return max(0, (self.date_ns or 0) - told.sent_wall_ns)

    def due_ns(self, told: Call) -> int:
        """Target time at which a client that reads the header when it comes would call again."""
        at_ns = told.sent_target_ns if told.answered_target_ns is None else told.answered_target_ns
        return at_ns + (self.delta_ns if self.delta_ns is not None else max(0, self.over_ns(told)))

    def is_over(self, told: Call, later: Call, slack_ns: int, *, real: bool) -> bool:
        """Whether ``later`` was certainly sent ``slack_ns`` after the wait was over."""
        if self.date_ns is not None and later.sent_wall_ns < self.date_ns + slack_ns:
            return False
        if self.date_ns is not None and not real:
            return True
        ends = _pairs(told.answered_target_ns, told.answered_wall_ns, real=real)
        sent = _pairs(later.sent_target_ns, later.sent_wall_ns, real=real)
        wait = self.most_ns(told) + slack_ns
        return all(
            end is not None and start is not None and start >= end + wait
            for end, start in zip(ends, sent, strict=True)
        )

    def is_over_by_far(self, told: Call, later: Call, slack_ns: int, *, real: bool) -> bool:
        """Whether ``later`` was certainly answered over a second before the wait was over."""
        early = NS_PER_S + slack_ns
        if self.date_ns is not None:
            answered = later.answered_wall_ns
            if answered is None or answered > self.date_ns - early:
                return False
            if not real:
                return True
        sent = _pairs(told.sent_target_ns, told.sent_wall_ns, real=real)
        ends = _pairs(later.answered_target_ns, later.answered_wall_ns, real=real)
        return all(
            end is not None and start is not None and end <= start + self.over_ns(told) - early
            for end, start in zip(ends, sent, strict=True)
        )


def _pairs(target: int | None, wall: int | None, *, real: bool) -> Iterator[int | None]:
    yield target
    if real:
        yield wall


def read(value: str, reads: Advised, wall_ns: int) -> Advice | None:
    """Read a header's value; None if a client could not.

    Args:
        value: as it was sent.
        reads: what it is made of: see :func:`retry_after` and :func:`reset`.
        wall_ns: the target's wall clock when it came: a year of two digits is near it.
    """
    if reads == "retry_after":
        return retry_after(value, wall_ns)
    return reset(value, is_date=reads == "epoch")


def retry_after(value: str, wall_ns: int = 0) -> Advice | None:
    """Read delay-seconds or an HTTP date in any of its three forms; None if it is neither.

    Source: RFC 9110, 5.6.7 and 10.2.3.

    >>> retry_after("30")
    Advice(delta_ns=30000000000, date_ns=None)
    >>> retry_after("Thu, 01 Jan 1970 00:00:10 GMT")
    Advice(delta_ns=None, date_ns=10000000000)
    >>> retry_after("1.5") is retry_after("-1") is retry_after("soon") is None
    True
    """
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return Advice(delta_ns=int(text) * NS_PER_S)
    for pattern in _DATES:
        match = pattern.fullmatch(text)
        if match is not None:
            return _date(match, wall_ns)
    return None


def reset(value: str, *, is_date: bool) -> Advice | None:
    """Read a number of seconds, also one with a fraction: from now on, or since the epoch.

    >>> reset("30", is_date=False)
    Advice(delta_ns=30000000000, date_ns=None)
    >>> reset("1.5", is_date=True)
    Advice(delta_ns=None, date_ns=1500000000)
    """
    match = _NUMBER.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    ns = int(match[1]) * NS_PER_S + int((match[2] or "").ljust(9, "0"))
    return Advice(date_ns=ns) if is_date else Advice(delta_ns=ns)


def _date(match: re.Match[str], wall_ns: int) -> Advice | None:
    year = int(match["year"])
    if year < 100:  # two digits: within fifty years of now
        now = datetime.fromtimestamp(wall_ns // NS_PER_S, tz=UTC).year
        year += (now - year + 50) // 100 * 100
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
    return Advice(date_ns=int(moment.timestamp()) * NS_PER_S)
