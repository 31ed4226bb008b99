"""The words of a verdict, all in one place."""

from __future__ import annotations

from collections.abc import Sequence

from harness.models.leaks import Leak
from harness.promises.deadline.check import Broken
from harness.units import about_seconds, format_duration


def late(
    found: Broken, *, operation: str, fault: str, within_ns: int, looked_ns: int, dripping: bool
) -> str:
    """A call that broke the deadline, while ``fault``."""
    within, over = format_duration(within_ns), found.over_ns
    told = f"{operation}, while {fault}: "
    if found.half == "late":
        return told + f"answered {about_seconds(over or 0)} after its {within} were over."
    if found.half == "closed":
        after = "" if over is None else f" after {about_seconds(over)}"
        return told + f"the connection was closed{after} without a whole answer."
    if over is not None:
        return (
            told + f"no answer by {within}; at rest, it waits for a timer at {about_seconds(over)}."
        )
    waits = "it waits as long as bytes come" if dripping else "at rest, it waits for ever"
    return told + f"no answer by {within}, nor within {about_seconds(looked_ns)}: {waits}."


def form(operation: str, fault: str, lack: str) -> str:
    """The answer has not its declared form."""
    return f"{operation}, while {fault}: answered in time, but {lack} is missing."


def grows(what: str, found: Leak, counts: Sequence[int], after: int | None) -> str:
    """Something leaks."""
    told = ", ".join(str(each) for each in counts)
    back = "" if after is None else f"; {after} once the dependency had let go"
    return (
        f"{what} grow by {float(found.a_call):.2g} a call while the dependency is silent: there are "
        f"{told} after 0, 50, 100, 150 and 200 calls{back}."
    )


def serves(before: int, after: int) -> str:
    """The service does not answer as it did."""
    return (
        f"no longer serves: {before} calls were all answered at once before the dependency fell silent, "
        f"and only {after} afterwards."
    )


def slow_client(found: Broken, within_ns: int, looked_ns: int) -> str:
    """A request that was sent half is kept too long."""
    if found.half == "late":
        when = f"it was, but {about_seconds(found.over_ns or 0)} too late"
    elif found.over_ns is None:
        when = f"it was not, nor within {about_seconds(looked_ns)}"
    else:
        when = f"it was not; at rest, it waits for a timer at {about_seconds(found.over_ns)}"
    span = format_duration(within_ns)
    return f"a request that was sent half must be answered or cut off within {span}: {when}."


def given_up(at_ns: int, timeout_ns: int) -> str:
    """A call to the dependency ended before its declared timeout."""
    return (
        f"a call to the dependency was given up after {about_seconds(at_ns)}; it is promised "
        f"{format_duration(timeout_ns)} for its answer."
    )


def used(at_ns: int, timeout_ns: int) -> str:
    """An answer after the declared timeout was used."""
    return (
        f"an answer that the dependency gave after {about_seconds(at_ns)} was used; such a call is "
        f"promised to be given up after {format_duration(timeout_ns)}."
    )
