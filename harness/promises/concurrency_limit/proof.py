"""What a drawing of a proof needs: the held spans of each key, and the level against the limit."""

from __future__ import annotations

from typing import Any, Final

from harness.models.slots import Visit
from harness.promises.concurrency_limit.book import Break
from harness.promises.concurrency_limit.scene import Scene

_LANES_MOST: Final = 60
_LEVELS_MOST: Final = 60


def proof(seen: Scene, found: Break) -> dict[str, Any]:
    """JSON values; instants are the machine's ns since the plan began, None where there is none.

    ``lanes`` are visits (the proof's own first), ``level`` is ``[at_ns, inside, waiting]`` of the key
    at each rest, up to the first step where promise and service part (``parts_ns``).
    """
    terms = seen.book.terms
    own = {visit.call for visit in found.visits}
    near = [v for v in seen.visits if v.call not in own and v.sent_ns <= found.at_ns]
    shown = [*found.visits, *reversed(near[-(_LANES_MOST - len(own)) :])] if near else found.visits
    return {
        "limit": terms.limit * terms.each,
        "queue": terms.queue,
        "count": found.count,
        "key": found.key,
        "way": found.way,
        "parts_ns": found.at_ns - seen.from_ns,
        "lanes": [_lane(seen, visit, proves=visit.call in own) for visit in shown[:_LANES_MOST]],
        "level": _levels(seen, found),
    }


def _lane(seen: Scene, visit: Visit, *, proves: bool) -> dict[str, Any]:
    since = seen.from_ns
    return {
        "call": visit.call,
        "key": visit.key,
        "proves": proves,
        "round": visit.label,
        "sent_ns": visit.sent_ns - since,
        "held": [
            [stay.from_ns - since, None if stay.to_ns is None else stay.to_ns - since]
            for stay in visit.stays
        ],
        "ended_ns": None if visit.ended_ns is None else visit.ended_ns - since,
        "end": visit.end,
        "way": visit.way,
    }


def _levels(seen: Scene, found: Break) -> list[list[int]]:
    before = [each for each in seen.book.levels if each.since_ns <= found.at_ns]
    return [
        [
            each.rest.at_ns - seen.from_ns,
            sum(visit.key == found.key for visit in each.inside),
            sum(visit.key == found.key for visit in each.waiting),
        ]
        for each in before[-_LEVELS_MOST:]
    ]
