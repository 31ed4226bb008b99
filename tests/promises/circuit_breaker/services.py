"""Services around a healthy breaker that make a history harder to read, and some without a breaker."""

from __future__ import annotations

from collections.abc import Callable, Generator

from harness.history import Call
from tests.promises.circuit_breaker.breakers import Breaker, Ticket
from tests.promises.simulator import (
    Ask,
    ClientGone,
    CutOff,
    Serve,
    Serving,
    Sleep,
    TimedOut,
    Until,
)

ATTEMPTS = 3


def _ask(breaker: Breaker) -> Generator[Ask | Sleep | Until, int | None, str]:
    """One attempt, and how it ended."""
    try:
        status = (yield Ask("search", breaker.rules.call_timeout_ns)) or 200
    except TimedOut:
        return "timeout"
    except CutOff:
        return "reset"
    return "failed" if status >= 500 else ("ok" if status < 400 else "uncounted")


def each_attempt(breaker: Breaker) -> Serve:
    """Repeats failed calls; the breaker stands around each attempt."""

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call
        end = "refused"
        for _ in range(ATTEMPTS):
            ticket = yield from breaker.enter(now)
            if ticket is None:
                return 503
            end = yield from _guarded(breaker, ticket, now)
            if end in {"ok", "uncounted"}:
                break
        return 200 if end == "ok" else 502

    return serving


def all_attempts(breaker: Breaker) -> Serve:
    """Repeats failed calls; the breaker stands around all attempts of a call."""

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call
        ticket = yield from breaker.enter(now)
        if ticket is None:
            return 503
        end = "failed"
        try:
            for _ in range(ATTEMPTS):
                end = yield from _ask(breaker)
                if end in {"ok", "uncounted"}:
                    break
        except ClientGone:
            yield from breaker.leave(ticket, "gone", now())
            raise
        yield from breaker.leave(ticket, end, now())
        return 200 if end == "ok" else 502

    return serving


def _guarded(
    breaker: Breaker, ticket: Ticket, now: Callable[[], int]
) -> Generator[Ask | Sleep | Until, int | None, str]:
    try:
        end = yield from _ask(breaker)
    except ClientGone:
        yield from breaker.leave(ticket, "gone", now())
        raise
    yield from breaker.leave(ticket, end, now())
    return end


def cached(breaker: Breaker) -> Serve:
    """Never asks its dependency."""
    del breaker

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call, now
        yield Until(lambda: True)
        return 200

    return serving


def bare(breaker: Breaker) -> Serve:
    """Has no breaker at all."""

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call, now
        return 200 if (yield from _ask(breaker)) == "ok" else 502

    return serving


def limited(breaker: Breaker) -> Serve:
    """Refuses every call with the status of another promise's refusal."""
    del breaker

    def serving(call: Call, now: Callable[[], int]) -> Serving:
        del call, now
        yield Until(lambda: True)
        return 429

    return serving
