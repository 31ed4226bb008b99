"""The calls of a counterexample on the target's time: few columns, however many calls there were."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final

from harness.render.befell import after, befallen, counted, doubted, fault_of
from harness.render.case import Case, Happening, Reading, ShownCall
from harness.render.text import decimals_of

COLUMNS_MOST: Final = 8
_BUCKETS_MOST: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Calls of one instant, or of a short span where there are too many instants to draw.

    Attributes:
        from_ns, to_ns: target time from the proof's origin on.
        calls: how many by reading, and whether they belong to the proof.
        answers: how many by status or error.
    """

    from_ns: int
    to_ns: int
    calls: Counter[tuple[Reading, bool]]
    answers: Counter[str]

    def count(self, reading: Reading, *, proof: bool | None = None) -> int:
        """How many calls of a reading; None: whether they belong to the proof or not."""
        if proof is None:
            return self.calls[reading, True] + self.calls[reading, False]
        return self.calls[reading, proof]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A dependency that was away, or something else that was hurt.

    Attributes:
        whom, fault: what people call it, and what it was.
        counted: what was seen of that; may be empty.
        to_ns: None where it was not undone in time.
        after, doubted: what it did then, and why it was not in effect all the time.
    """

    whom: str
    fault: str
    counted: str
    from_ns: int
    to_ns: int | None
    after: str = ""
    doubted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What is drawn of a counterexample, all times from the proof's origin on.

    Attributes:
        columns: at most `COLUMNS_MOST`, in order.
        window: the span in which the promise is contradicted.
        later: calls after the proof was complete, which are not drawn.
        held: the clock was held, so it moved only between columns.
        decimals: of a second, as many as keep the columns apart.
    """

    columns: tuple[Column, ...]
    window: tuple[int, int]
    outages: tuple[Outage, ...]
    later: int
    held: bool
    decimals: int


def timeline(case: Case) -> Timeline:
    """Lay out a counterexample up to the call that completed the proof."""
    proof = frozenset(case.witness)
    decisive = [call.sent_target_ns for call in case.calls if call.index in proof]
    first_ns = min((call.sent_target_ns for call in case.calls), default=0)
    origin_ns = case.origin_ns
    from_ns, to_ns = case.number("from_ns"), case.number("to_ns")
    if from_ns is None or to_ns is None:
        from_ns, to_ns = min(decisive, default=first_ns), max(decisive, default=first_ns)
    end_ns = max([to_ns, *decisive])
    shown = [call for call in case.calls if call.sent_target_ns <= end_ns]
    window = from_ns - origin_ns, to_ns - origin_ns
    outages = tuple(_outages(case.events, origin_ns, end_ns))
    borders = [edge for o in outages for edge in (o.from_ns, o.to_ns) if edge is not None]
    told = proof if case.half == "retry_after" else frozenset()
    groups = _few(_instants(shown, origin_ns), window, sorted(borders))
    columns = tuple(_column(group, proof, told) for group in groups)
    return Timeline(
        columns=columns,
        window=window,
        outages=outages,
        later=len(case.calls) - len(shown),
        held=case.held,
        decimals=decimals_of([column.from_ns for column in columns]),
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Calls that stand together, not counted yet."""

    from_ns: int
    to_ns: int
    calls: list[ShownCall]

    @classmethod
    def of(cls, parts: Sequence[_Group]) -> _Group:
        """Several as one; at least one, in order."""
        calls = [call for part in parts for call in part.calls]
        return cls(parts[0].from_ns, max(part.to_ns for part in parts), calls)


def _instants(calls: Iterable[ShownCall], origin_ns: int) -> Sequence[_Group]:
    """One group for each instant."""
    found: dict[int, list[ShownCall]] = defaultdict(list)
    for call in calls:
        found[call.sent_target_ns - origin_ns].append(call)
    return [_Group(at_ns, at_ns, found[at_ns]) for at_ns in sorted(found)]


def _column(group: _Group, proof: frozenset[int], told: frozenset[int]) -> Column:
    """Count a group; calls in ``told`` are named with their Retry-After."""
    return Column(
        from_ns=group.from_ns,
        to_ns=group.to_ns,
        calls=Counter((call.reading, call.index in proof) for call in group.calls),
        answers=Counter(_answer(call, told=call.index in told) for call in group.calls),
    )


def _answer(call: ShownCall, *, told: bool) -> str:
    if call.status is None:
        return call.error or "no answer"
    advice = next((value for name, value in call.headers if name == "retry-after"), None)
    return f"{call.status} with Retry-After {advice}" if told and advice else str(call.status)


def _few(
    groups: Sequence[_Group], window: tuple[int, int], borders: Sequence[int]
) -> tuple[_Group, ...]:
    """Join neighbours, those first that are shortest together; never over an edge that matters."""
    few = _bucketed(groups, window, borders)
    zones = [_zone(group, window, borders) for group in few]
    while len(few) > COLUMNS_MOST:
        pairs = [
            (few[place + 1].to_ns - few[place].from_ns, place)
            for place, (left, right) in enumerate(pairwise(zones))
            if left == right
        ]
        if not pairs:
            break
        _, place = min(pairs)
        few[place : place + 2] = [_Group.of(few[place : place + 2])]
        del zones[place]
    return tuple(few)


def _bucketed(
    groups: Sequence[_Group], window: tuple[int, int], borders: Sequence[int]
) -> list[_Group]:
    """Even neighbourhoods first, so that the joining stays cheap."""
    size = -(-len(groups) // _BUCKETS_MOST)
    if size <= 1:
        return list(groups)
    buckets: list[_Group] = []
    for _, group in groupby(groups, lambda group: _zone(group, window, borders)):
        own = list(group)
        buckets += [_Group.of(own[at : at + size]) for at in range(0, len(own), size)]
    return buckets


def _zone(group: _Group, window: tuple[int, int], borders: Sequence[int]) -> tuple[int, ...]:
    """Before, at, inside, at the end of, after the window; and between which outages."""
    from_ns, to_ns = window
    inside = (group.from_ns > from_ns) + (group.from_ns >= from_ns)
    inside += (group.to_ns >= to_ns) + (group.to_ns > to_ns)
    return inside, bisect_right(borders, group.from_ns)


def _outages(events: Iterable[Happening], origin_ns: int, end_ns: int) -> Iterable[Outage]:
    began: dict[tuple[str, str], Happening] = {}
    for event in events:
        if event.target_ns is None or event.target_ns > end_ns:
            continue
        key = event.dependency, event.name
        if event.event == "FaultBegan":
            began[key] = event
        elif event.event == "FaultEnded" and key in began:
            yield replace(
                _outage(began.pop(key), origin_ns),
                to_ns=event.target_ns - origin_ns,
                after=after(event),
                doubted=doubted(event),
            )
    for left in began.values():
        yield _outage(left, origin_ns)


def _outage(event: Happening, origin_ns: int) -> Outage:
    return Outage(
        whom=befallen(event),
        fault=fault_of(event),
        counted=counted(event),
        from_ns=(event.target_ns or 0) - origin_ns,
        to_ns=None,
    )
