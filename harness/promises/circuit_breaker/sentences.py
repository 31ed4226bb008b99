"""The words of a verdict, all in one place."""

from __future__ import annotations

from collections.abc import Sequence

from harness.units import about_seconds, number_of


def opened_early(failures: int, needed: int, at_ns: int, *, in_a_row: bool = False) -> str:
    """Refused while closed, with fewer failures than are declared."""
    came = f"only {_failures(failures)}"
    since = f"after {came} in a row" if in_a_row else f"with {came} since it was last closed"
    return (
        f"opened early after {failures} of {needed}: the call at {_at(at_ns)} was refused {since}."
    )


def opened_below(failed: int, results: int, rate: str, at_ns: int) -> str:
    """Refused while closed, at a lower rate of failures than is declared."""
    return (
        f"opened early after {failed} failures among {number_of(results, 'result')}: the call at "
        f"{_at(at_ns)} was refused below the declared rate of {rate}."
    )


def opened_unruled(failures: int, successes: int, at_ns: int) -> str:
    """Refused while closed after failures enough, but not such that a rule lets them open it."""
    return (
        f"opened early: the call at {_at(at_ns)} was refused after {_failures(failures)} and "
        f"{number_of(successes, 'success', 'successes')}, in an order at which no declared rule opens it."
    )


def uncounted_counted(failures: int, uncounted: int, at_ns: int) -> str:
    """Refused after outcomes that are no failures."""
    others = number_of(uncounted, "outcome that does", "outcomes that do")
    return (
        f"uncounted outcome counted: the call at {_at(at_ns)} was refused after {_failures(failures)} "
        f"and {others} not count."
    )


def old_counted(failures: int, old: int, at_ns: int) -> str:
    """Refused though most failures had expired."""
    return (
        f"old failure counted: the call at {_at(at_ns)} was refused with {_failures(failures)} in the "
        f"window; {number_of(old, 'earlier one is', 'earlier ones are')} too old to count."
    )


def refused_from_fresh(at_ns: int) -> str:
    """Refused though nothing had failed."""
    return (
        f"opened early after 0 failures: the call at {_at(at_ns)} was refused though nothing had "
        "failed, so something else was counted."
    )


def not_closed(good: int, at_ns: int, of: int | None) -> str:
    """Refused after the trials that must close it."""
    wanted = "" if of is None else f" of {of}"
    return (
        f"not closed after {good}{wanted} good trials: the call at {_at(at_ns)} was refused though the "
        "breaker must be closed by then."
    )


def not_opened(failures: int, at_ns: int, since_ns: int) -> str:
    """A call got through after the failure that must open it."""
    return (
        f"not open after {_failures(failures)}: the one at {_at(since_ns)} must open it, but the next "
        f"call, at {_at(at_ns)}, reached the dependency."
    )


def through_open(at_ns: int, opened_ns: int) -> str:
    """A call got through while it was open."""
    return f"reached the dependency while open, {_at(at_ns - opened_ns)} after opening, at {_at(at_ns)}."


def half_open_early(at_ns: int, opened_ns: int, recovery_ns: int) -> str:
    """The first trial came too early."""
    early_ns = opened_ns + recovery_ns - at_ns
    return (
        f"half-open {_at(early_ns)} early: it opened at {_at(opened_ns)}, to stay open for "
        f"{_at(recovery_ns)}, and a call reached the dependency at {_at(at_ns)}."
    )


def late_success(at_ns: int, opened_ns: int) -> str:
    """A late success closed it."""
    return (
        f"late success closed it: it opened at {_at(opened_ns)}, then a call from before that ended "
        f"well, and the call at {_at(at_ns)} reached the dependency."
    )


def not_reopened(at_ns: int, failed_ns: int) -> str:
    """A failing trial did not open it again."""
    return (
        f"failing trial did not reopen it: a trial failed at {_at(failed_ns)}, and the call at "
        f"{_at(at_ns)} reached the dependency."
    )


def too_many_trials(count: int, permits: int, at_ns: int) -> str:
    """More trials than permits."""
    return f"{count} trials at once at {_at(at_ns)}, {permits} allowed."


def closed_early(good: int, needed: int, count: int, at_ns: int) -> str:
    """Closed before enough trials had succeeded."""
    return (
        f"closed after {good} of {needed} good trials: {count} calls were under way at once at "
        f"{_at(at_ns)}, more than a half-open breaker lets through."
    )


def closed_too_soon(good: int, needed: int, failed_ns: int, at_ns: int) -> str:
    """A trial failed after some good ones, and calls went on."""
    return (
        f"closed after {good} of {needed} good trials: the trial that failed at {_at(failed_ns)} must "
        f"open it anew, but the next call, at {_at(at_ns)}, reached the dependency."
    )


def not_half_open(at_ns: int, opened_ns: int, recovery_ns: int) -> str:
    """Refused after the recovery time."""
    return (
        f"not half-open by {_at(recovery_ns)} after its opening: it opened at {_at(opened_ns)} at the "
        f"latest, and the call at {_at(at_ns)}, {_at(at_ns - opened_ns)} later, was refused."
    )


def wedged(at_ns: int) -> str:
    """Refused though a trial is due and none is under way."""
    return f"wedged: refused at {_at(at_ns)} with no trial in flight, though one is due."


def waits(at_ns: int) -> str:
    """A refusal that does not come."""
    return (
        f"refusal waits: a call had neither an answer nor reached the dependency at {_at(at_ns)}, with "
        "everything at rest."
    )


def form(at_ns: int, status: int | None, lacks: str) -> str:
    """A refusal that does not look as declared."""
    return f"wrong refusal form: refused at {_at(at_ns)} with {status}, {lacks} is missing."


def slow(count: int, fastest_ns: int, within_ns: int) -> str:
    """Refusals that take too long on a real clock."""
    return (
        f"refusal waits: all {count} refusals took longer than {_at(within_ns)}, the fastest "
        f"{_at(fastest_ns)}."
    )


def cut_off(operation: str, dependency: str, at_ns: int) -> str:
    """Another operation was cut off."""
    return (
        f"other dependency cut off: {operation} reached {dependency} before the breaker opened, and "
        f"not at {_at(at_ns)}, while it was open."
    )


def in_turn(seen: int, wanted: int, beside: str, beside_seen: int) -> str:
    """A closed breaker lets fewer calls through at once than declared."""
    return (
        f"calls one after another: only {seen} of {wanted} calls at once reached the dependency through "
        f"the closed breaker, but {beside_seen} beside it, through {beside}."
    )


def workers_early(failures: int, needed: int, at_ns: int) -> str:
    """Refused before any worker can have counted enough."""
    return opened_early(failures, needed, at_ns)


def workers_late(failures: int, most: int, workers: int) -> str:
    """More failures reached the dependency than all workers together may let through."""
    return (
        f"not open after {_failures(most)}: {failures} calls at one instant reached the dependency, and "
        f"{workers} workers may let through {most} in all."
    )


def impossible(what: str, at_ns: int, modes: Sequence[str]) -> str:
    """A contradiction that has no name of its own."""
    return (
        f"a call {what} at {_at(at_ns)}, which cannot be while the breaker is {' or '.join(modes)}."
    )


def _at(ns: int) -> str:
    """An instant or a span: nothing is judged by less than a millisecond."""
    return about_seconds(ns)


def _failures(count: int) -> str:
    return number_of(count, "failure")
