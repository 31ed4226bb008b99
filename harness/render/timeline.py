"""The calls of a counterexample on the target's time: few columns, however many calls there were."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from harness.render.case import Case, Happening, Reading, ShownCall

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

    @classmethod
    def of(cls, parts: Sequence[Column]) -> Column:
        """Several as one; at least one."""
        calls: Counter[tuple[Reading, bool]] = Counter()
        answers: Counter[str] = Counter()
        for part in parts:
            calls.update(part.calls)
            answers.update(part.answers)
        return cls(
            from_ns=parts[0].from_ns,
            to_ns=max(part.to_ns for part in parts),
            calls=calls,
            answers=answers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A dependency that was away; ``to_ns`` is None where it did not come back in time."""

    dependency: str
    fault: str
    effect: int
    from_ns: int
    to_ns: int | None


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
    origin_ns = case.number("origin_ns")
    origin_ns = first_ns if origin_ns is None else origin_ns
    from_ns, to_ns = case.number("from_ns"), case.number("to_ns")
    if from_ns is None or to_ns is None:
        from_ns, to_ns = min(decisive, default=first_ns), max(decisive, default=first_ns)
    end_ns = max([to_ns, *decisive])
    shown = [call for call in case.calls if call.sent_target_ns <= end_ns]
    window = from_ns - origin_ns, to_ns - origin_ns
    outages = tuple(_outages(case.events, origin_ns, end_ns))
    borders = [edge for o in outages for edge in (o.from_ns, o.to_ns) if edge is not None]
    told = proof if case.half == "retry_after" else frozenset()
    columns = _few(_instants(shown, proof, origin_ns, told), window, sorted(borders))
    return Timeline(
        columns=columns,
        window=window,
        outages=outages,
        later=len(case.calls) - len(shown),
        held=case.clock == "frozen",
        decimals=_decimals(columns),
    )


def _instants(
    calls: Iterable[ShownCall], proof: frozenset[int], origin_ns: int, told: frozenset[int]
) -> Sequence[Column]:
    """One column for each instant; calls in ``told`` are named with their Retry-After."""
    found: dict[int, Column] = {}
    for call in calls:
        at_ns = call.sent_target_ns - origin_ns
        column = found.get(at_ns)
        if column is None:
            column = Column(from_ns=at_ns, to_ns=at_ns, calls=Counter(), answers=Counter())
            found[at_ns] = column
        column.calls[call.reading, call.index in proof] += 1
        column.answers[_answer(call, told=call.index in told)] += 1
    return [found[at_ns] for at_ns in sorted(found)]


def _answer(call: ShownCall, *, told: bool) -> str:
    if call.status is None:
        return call.error or "no answer"
    advice = next((value for name, value in call.headers if name == "retry-after"), None)
    return f"{call.status} with Retry-After {advice}" if told and advice else str(call.status)


def _few(
    columns: Sequence[Column], window: tuple[int, int], borders: Sequence[int]
) -> tuple[Column, ...]:
    """Join neighbours, those first that are shortest together; never over an edge that matters."""
    few = _bucketed(columns, window, borders)
    zones = [_zone(column, window, borders) for column in few]
    while len(few) > COLUMNS_MOST:
        pairs = [
            (few[place + 1].to_ns - few[place].from_ns, place)
            for place, (left, right) in enumerate(pairwise(zones))
            if left == right
        ]
        if not pairs:
            break
        _, place = min(pairs)
        few[place : place + 2] = [Column.of(few[place : place + 2])]
        del zones[place]
    return tuple(few)


def _bucketed(
    columns: Sequence[Column], window: tuple[int, int], borders: Sequence[int]
) -> list[Column]:
    """Even neighbourhoods first, so that the joining stays cheap."""
    size = -(-len(columns) // _BUCKETS_MOST)
    if size <= 1:
        return list(columns)
    buckets: list[Column] = []
    for _, group in groupby(columns, lambda column: _zone(column, window, borders)):
        own = list(group)
        buckets += [Column.of(own[at : at + size]) for at in range(0, len(own), size)]
    return buckets


def _zone(column: Column, window: tuple[int, int], borders: Sequence[int]) -> tuple[int, ...]:
    """Before, at, inside, at the end of, after the window; and between which outages."""
    from_ns, to_ns = window
    inside = (column.from_ns > from_ns) + (column.from_ns >= from_ns)
    inside += (column.to_ns >= to_ns) + (column.to_ns > to_ns)
    return inside, bisect_right(borders, column.from_ns)


def _outages(events: Iterable[Happening], origin_ns: int, end_ns: int) -> Iterable[Outage]:
    began: dict[str, Happening] = {}
    for event in events:
        if event.target_ns is None or event.target_ns > end_ns:
            continue
        if event.event == "FaultBegan":
            began[event.dependency] = event
        elif event.event == "FaultEnded" and event.dependency in began:
            yield _outage(began.pop(event.dependency), origin_ns, event.target_ns - origin_ns)
    for left in began.values():
        yield _outage(left, origin_ns, None)


def _outage(event: Happening, origin_ns: int, to_ns: int | None) -> Outage:
    return Outage(
        dependency=event.dependency,
        fault=event.fault,
        effect=event.effect or 0,
        from_ns=(event.target_ns or 0) - origin_ns,
        to_ns=to_ns,
    )


def _decimals(columns: Sequence[Column]) -> int:
    starts = [column.from_ns for column in columns]
    for decimals in (3, 6):
        if len({round(ns / 10 ** (9 - decimals)) for ns in starts}) == len(starts):
            return decimals
    return 9
