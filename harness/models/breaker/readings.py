"""Where honest breakers differ: one reading each for a whole history, bound when first used.

A reading holds a mask of the values that are still possible. A step that depends on an unbound
reading returns one state for each value; states that differ in one reading only become one again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import Final

from harness.models.breaker.rules import SEEN_SUCCESSES, Rules


class Reading(IntEnum):
    """What is read in several ways."""

    UNCOUNTED = 0
    UNCOUNTED_TRIAL = 1
    CANCELLED = 2
    LATE_FAILURE_OPEN = 3
    LATE_TRIAL = 4
    LATE_CLOSED = 5
    EXACTLY = 6
    JUDGED = 7
    VOLUME = 8
    HALF_OPEN_BY = 9
    HALF_OPEN = 10
    SUCCESSES = 11
    LATE_SUCCESS = 12


class As(IntFlag):
    """What an outcome that is neither counted nor a success stands for; a call whose client has left
    may also stand for what it was answered.
    """

    IGNORED = 1
    SUCCESS = 2
    FAILURE = 4
    ANSWERED = 8


class Way(IntFlag):
    """The first way and the second; which they are stands in ``WAYS``."""

    FIRST = 1
    SECOND = 2


WAYS: Final = {
    Reading.UNCOUNTED: ("ignored", "as a success", "as a failure"),
    Reading.UNCOUNTED_TRIAL: ("ignored", "as a success", "as a failure"),
    Reading.CANCELLED: ("ignored", "as a success", "as a failure", "as it was answered"),
    Reading.LATE_FAILURE_OPEN: ("ignored", "restarts the recovery"),
    Reading.LATE_TRIAL: ("ignored", "counted"),
    Reading.LATE_CLOSED: ("ignored", "counted"),
    Reading.EXACTLY: ("opens at the rate", "opens above the rate"),
    Reading.JUDGED: ("after failures", "after each result"),
    Reading.VOLUME: ("of results", "of calls begun"),
    Reading.HALF_OPEN_BY: ("the next call", "a timer"),
    Reading.HALF_OPEN: ("with trials", "closed at once"),
    Reading.SUCCESSES: tuple(str(count) for count in range(1, SEEN_SUCCESSES + 1)),
    Reading.LATE_SUCCESS: ("does nothing", "closes"),
}
Masks = tuple[int, ...]


def unbound(rules: Rules) -> Masks:
    """All that the rules leave open."""
    both = Way.FIRST | Way.SECOND
    outcomes = As.IGNORED | As.SUCCESS
    uncounted = outcomes | As.FAILURE if rules.counts_seen else outcomes
    masks = dict.fromkeys(Reading, int(both))
    masks[Reading.UNCOUNTED] = masks[Reading.UNCOUNTED_TRIAL] = int(uncounted)
    masks[Reading.CANCELLED] = int(outcomes | As.FAILURE | As.ANSWERED)
    half = Way.FIRST if rules.trials is not None else Way.SECOND
    masks[Reading.HALF_OPEN] = int(both if rules.half_open_seen else half)
    masks[Reading.LATE_SUCCESS] = int(both if rules.late_success_closes else Way.FIRST)
    declared = rules.trials.successes if rules.trials is not None else 1
    masks[Reading.SUCCESSES] = (1 << SEEN_SUCCESSES) - 1 if declared is None else 1
    return tuple(masks[reading] for reading in Reading)


def bound(masks: Masks, reading: Reading, value: int) -> Masks:
    """The same with one reading bound."""
    return (*masks[:reading], value, *masks[reading + 1 :])


def values(mask: int) -> Iterator[int]:
    """Each value that is still possible."""
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest


def merged(found: list[Masks]) -> list[Masks]:
    """The same set of bindings in fewer: pairs that differ in one reading, and those included."""
    rest = list(dict.fromkeys(found))
    changed = len(rest) > 1
    while changed:
        changed = False
        for place, one in enumerate(rest):
            for other in rest[place + 1 :]:
                joined = _joined(one, other)
                if joined is not None:
                    rest = [each for each in rest if each not in {one, other}]
                    if joined not in rest:
                        rest.append(joined)
                    changed = True
                    break
            if changed:
                break
    return rest


def _joined(one: Masks, other: Masks) -> Masks | None:
    """One binding for both, if that says no more than the two."""
    differ = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(differ) == 1:
        place = differ[0]
        return (*one[:place], one[place] | other[place], *one[place + 1 :])
    if all(one[place] | other[place] == one[place] for place in differ):
        return one
    if all(one[place] | other[place] == other[place] for place in differ):
        return other
    return None


def told(masks: Masks, initial: Masks) -> dict[str, str]:
    """What was seen: each reading that is narrower than it was, in words."""
    seen: dict[str, str] = {}
    for reading in Reading:
        if masks[reading] != initial[reading]:
            ways = [WAYS[reading][value.bit_length() - 1] for value in values(masks[reading])]
            seen[reading.name.lower()] = " or ".join(ways)
    return seen
