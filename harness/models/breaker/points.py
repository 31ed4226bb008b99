"""A history as a breaker lives it: points, each somewhere within an interval of order and of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.models.breaker.steps import Outcome
from harness.models.breaker.windows import Span


class What(StrEnum):
    """What happened at a point."""

    ADMITTED = "admitted"
    REJECTED = "rejected"
    ENDED = "ended"
    STUCK = "stuck"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One fact about one call.

    Attributes:
        what: it reached the dependency, was refused, ended there, or can do neither at rest; unseen:
            the dependency could not be reached, so that it was refused or failed.
        call: number of the call; whatever the caller likes to know it by.
        order: it came after all points whose order ends before this one's begins.
        time: the interval of target time, in ns.
        outcome: of a call that ended, or that may have failed unseen.
    """

    what: What
    call: int
    order: Span
    time: Span
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Points that are alike in all that can be seen, so that one order of them stands for all.

    Attributes:
        kin: number of the class of their calls; a result matches any admission of its class.
    """

    what: What
    kin: int
    order: Span
    time: Span
    outcome: Outcome | None
    calls: tuple[int, ...]


def grouped(points: tuple[Point, ...]) -> tuple[Group, ...]:
    """Points that are alike together, by the beginning of their order.

    Calls are of one class if they were admitted alike: nobody could tell which of them was which, so
    that a result may be any one's of its class.
    """
    kin_of: dict[int, int] = {}
    kinds: dict[tuple[object, ...], int] = {}
    for point in points:
        if point.what is not What.ENDED:
            key = (point.what, point.order, point.time)
            kin_of[point.call] = kinds.setdefault(key, len(kinds))
    found: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        alike_by = (point.what, kin_of[point.call], point.order, point.time, point.outcome)
        found.setdefault(alike_by, []).append(point)
    groups = [
        Group(
            what=alike[0].what,
            kin=kin_of[alike[0].call],
            order=alike[0].order,
            time=alike[0].time,
            outcome=alike[0].outcome,
            calls=tuple(point.call for point in alike),
        )
        for alike in found.values()
    ]
    return tuple(sorted(groups, key=lambda group: (group.order, group.what, group.kin)))


def together(groups: tuple[Group, ...], kin: Mapping[int, int]) -> tuple[Group, ...]:
    """The same groups with some classes made one, and what is alike then put together."""
    found: dict[tuple[object, ...], list[Group]] = {}
    for group in groups:
        its = replace(group, kin=kin.get(group.kin, group.kin))
        key = (its.what, its.kin, its.order, its.time, its.outcome)
        found.setdefault(key, []).append(its)
    return tuple(
        replace(alike[0], calls=tuple(call for group in alike for call in group.calls))
        for alike in found.values()
    )


def clusters(groups: tuple[Group, ...]) -> list[tuple[Group, ...]]:
    """Groups whose order is not known among themselves; the clusters follow one another."""
    found: list[list[Group]] = []
    last = None
    for group in groups:
        if last is None or group.order[0] > last:
            found.append([])
            last = group.order[1]
        found[-1].append(group)
        last = max(last, group.order[1])
    return [tuple(cluster) for cluster in found]
