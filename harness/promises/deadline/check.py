"""What one call's span proves of a deadline; "What `deadline` means", section 2.

On a held clock the target is at rest whenever the clock moves, so "no answer by then" is exact. On a
real clock a late answer proves nothing by itself: the machine may have been slow. There only an
instant counts at which the target was seen at rest without having answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Half = Literal["late", "never", "closed", "form", "leak", "serves", "slow_client", "call_timeout"]
"""Which part of the promise breaks."""
TIMER_NS: Final = 2_001_000
"""So much late a timer of a healthy service may be (asyncio rounds up)."""
_BEYOND_DOUBT: Final = 3
"""Late by so many D no machine is that answers another call at once meanwhile."""
_UNSEEN: Final = 5
"""Attempts that reach nobody, as far as anybody declares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One user call, on the target's clock.

    Attributes:
        call: its index in the history.
        sent_ns: when its request was whole.
        first_ns: first byte of its answer, None where none came.
        ended_ns: when its user was done with it, None while it is under way.
        end: ``answered`` whole, ``closed`` before that by the service, ``left`` by its client, or None.
        idle_ns: the latest instant at which the target was seen at rest and had not answered.
        timers_ns: instants to which the clock went for a timer and at which something happened, from
            ``sent_ns`` on, also after its end.
        arrivals: attempts that reached a witness.
        exact: the clock is held.
    """

    call: int
    sent_ns: int
    first_ns: int | None = None
    ended_ns: int | None = None
    end: Literal["answered", "closed", "left"] | None = None
    idle_ns: int | None = None
    timers_ns: tuple[int, ...] = ()
    arrivals: int = 0
    exact: bool = True

    @property
    def elapsed_ns(self) -> int | None:
        """How long its user waited."""
        return None if self.ended_ns is None else self.ended_ns - self.sent_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A deadline as the checker needs it.

    Attributes:
        within_ns: D.
        closes: a connection that is closed is an answer.
        stream: the first byte counts.
        resolution_ns: the service's own timers run in steps this long.
        attempts: attempts of one call that are declared elsewhere, 0 where none are.
    """

    within_ns: int
    closes: bool = False
    stream: bool = False
    resolution_ns: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A proof: which half, and what is told of it (``x`` late, or the next timer), in ns."""

    half: Half
    over_ns: int | None = None


def tolerance_ns(terms: Terms, span: Span) -> int:
    """How much later than D a healthy service may be: so much for each timer on the way.

    ``n`` attempts with waits between them are ``2 n - 1`` timers; where no attempt can be seen, five.
    """
    attempts = max(span.arrivals or _UNSEEN, terms.attempts)
    return terms.resolution_ns + TIMER_NS * (2 * attempts - 1)


def judged(
    terms: Terms, span: Span, within_ns: int | None = None, *, quick: bool = False
) -> Broken | str | None:
    """A proof that the call broke the deadline, a doubt, or None where it kept it.

    Args:
        terms: what is promised.
        span: what became of the call.
        within_ns: another bound than ``terms.within_ns``.
        quick: in real time: a call that needs no dependency was answered fast at the same time.
    """
    bound_ns = terms.within_ns if within_ns is None else within_ns
    due_ns = span.sent_ns + bound_ns + tolerance_ns(terms, span)
    done_ns = span.first_ns if terms.stream and span.first_ns is not None else span.ended_ns
    if span.end == "left":
        done_ns = None
    if done_ns is not None and done_ns <= due_ns:
        closed = span.end == "closed" and not terms.closes
        return Broken("closed", span.elapsed_ns) if closed else None
    if span.idle_ns is not None and span.idle_ns > due_ns:
        return _missing(span, done_ns, due_ns, bound_ns)
    if done_ns is None:
        return (
            "its client left before the time was over" if span.end else "the plan ended too early"
        )
    late_ns = done_ns - span.sent_ns - bound_ns
    if span.exact or (quick and late_ns >= _BEYOND_DOUBT * bound_ns):
        return Broken("late", late_ns)
    return (
        "it was answered late, but the target was never seen at rest in between: the machine may have "
        "been too slow to tell; a held clock would settle it"
    )


def _missing(span: Span, done_ns: int | None, due_ns: int, bound_ns: int) -> Broken:
    """At rest, and no answer: late by how much, or what it waits for.

    On a held clock an answer that came only afterwards was let go by us.
    """
    if done_ns is not None and not span.exact:
        return Broken("late", done_ns - span.sent_ns - bound_ns)
    idle_ns = span.idle_ns or 0
    coming = [each for each in span.timers_ns if due_ns < each < idle_ns]
    return Broken("never", coming[0] - span.sent_ns if coming else None)
