"""The words of a verdict, all in one place."""

from __future__ import annotations

from collections.abc import Sequence

from harness.models.intervals import Excess
from harness.promises.rate_limit.words import RateLimit
from harness.units import Rate, format_duration, format_seconds


def upper(promise: RateLimit, rate: Rate, who: str, excess: Excess, origin_ns: int) -> str:
    """More were admitted than promised; instants are told from ``origin_ns`` on."""
    count, bound = len(excess.calls), excess.bound
    between = f"between {_at(excess.from_ns - origin_ns)} and {_at(excess.to_ns - origin_ns)}"
    what = f"{count} calls of {who} were admitted {between}"
    span = format_seconds(excess.to_ns - excess.from_ns)
    if promise.burst is not None:
        steps = "" if promise.refill is None else f" in steps of {format_duration(promise.refill)}"
        return (
            f"{what}, in {span}; a bucket of {promise.burst} refilled at {_rate(rate)}{steps} "
            f"gives at most {bound}."
        )
    if promise.window is not None:
        return (
            f"no placing of windows of {format_duration(rate.window_ns)} explains {count} admitted "
            f"calls of {who} {between}; at most {bound} each."
        )
    window = format_duration(rate.window_ns * excess.windows)
    return f"{what} ({span}); at most {bound} are promised in any {window}."


def lower(who: str, at_ns: int, used: int, of: int, since_ns: int) -> str:
    """An owed call was refused."""
    return (
        f"the call of {who} at {_at(at_ns)} was refused though at most {used} of {of} could have "
        f"been used since {_at(since_ns)}."
    )


def form(at_ns: int, status: int | None, what: str) -> str:
    """A refusal lacks something of its declared form."""
    return f"refused at {_at(at_ns)} with {status}, {what} is missing."


def not_refused(who: str, at_ns: int, count: int, answer: str, status: int) -> str:
    """Calls over the limit got another answer than the declared refusal."""
    return (
        f"{count} calls of {who} over the limit were answered {answer} from {_at(at_ns)} on, where "
        f"a refusal with {status} is promised."
    )


def early(at_ns: int, value: str, again_ns: int) -> str:
    """A caller who waited as told was refused again."""
    return (
        f"refused at {_at(at_ns)} with Retry-After {value}; the call at {_at(again_ns)}, "
        f"{format_seconds(again_ns - at_ns)} later, was refused again."
    )


def late(at_ns: int, value: str, admitted_ns: int) -> str:
    """A caller who came more than a second too early was admitted, where ``exact`` is promised."""
    return (
        f"refused at {_at(at_ns)} with Retry-After {value}; the call at {_at(admitted_ns)}, "
        f"{format_seconds(admitted_ns - at_ns)} later, was admitted already."
    )


def malformed(at_ns: int, value: str) -> str:
    """The header says nothing that a client could read."""
    return (
        f"refused at {_at(at_ns)} with Retry-After {value[:60]!r}, which is neither whole seconds "
        "nor an HTTP date."
    )


def absurd(at_ns: int, value: str, longest_ns: int) -> str:
    """The header asks for a wait longer than any budget needs."""
    return (
        f"refused at {_at(at_ns)} with Retry-After {value}; no wait over "
        f"{format_seconds(longest_ns)} can be needed."
    )


def header_missing(at_ns: int, status: int | None, name: str) -> str:
    """An answer lacks a header that every answer has."""
    return f"answered at {_at(at_ns)} with {status}, header {name} is missing."


def header_unreadable(at_ns: int, name: str, value: str) -> str:
    """A header that should hold a number holds none."""
    return f"answered at {_at(at_ns)} with {name} {value[:60]!r}, which is no number."


def header_limit(at_ns: int, name: str, value: str, known: Sequence[int]) -> str:
    """The limit that is told is not the one that is promised."""
    promised = " or ".join(str(each) for each in known)
    return f"answered at {_at(at_ns)} with {name} {value[:60]}; promised is {promised}."


def header_absurd(at_ns: int, name: str, value: str, longest_ns: int) -> str:
    """The reset lies further off than any budget needs."""
    return (
        f"answered at {_at(at_ns)} with {name} {value[:60]}; no budget needs more than "
        f"{format_seconds(longest_ns)}."
    )


def header_remaining(who: str, told_ns: int, told: str, at_ns: int, used: int) -> str:
    """Calls were said to be left, and one of them was refused."""
    return (
        f"{who} was told at {_at(told_ns)} with {told}; the call at {_at(at_ns)} was refused though at "
        f"most {used} could have been used in between."
    )


def header_more(who: str, at_ns: int, name: str, count: int, admitted: int) -> str:
    """Fewer calls were said to be left than were admitted at that instant."""
    return (
        f"{who} was told at {_at(at_ns)} with {name} {count}; {admitted} more were admitted at the "
        "same instant."
    )


def header_reset(told_ns: int, name: str, value: str, at_ns: int) -> str:
    """A caller who came a second after the reset was refused."""
    return (
        f"answered at {_at(told_ns)} with {name} {value[:60]}; the call at {_at(at_ns)}, "
        f"{format_seconds(at_ns - told_ns)} later and with none in between, was refused."
    )


def store(who: str, at_ns: int, answer: str, dependency: str, promised: str) -> str:
    """An answer during an outage of the store is not the promised one."""
    return f"the call of {who} at {_at(at_ns)}, while {dependency} was down, {answer}; {promised}."


def unknown(trial: str, reason: str, settle: str) -> str:
    """Nothing is proved either way."""
    return f"{trial} could not say: {reason}; {settle}."


def _at(ns: int) -> str:
    return format_seconds(ns)


def _rate(rate: Rate) -> str:
    return f"{rate.count}/{format_duration(rate.window_ns)}"
