"""Slots and places: who is certainly inside a limiter, who may be, and who waits. Facts only.

A *visit* is one user call as client and witness saw it. Certain is what every reading of the facts
says; possible is what some reading says. Between "the witness answered" and "the user has the answer"
a call may be in or out, and what it held is due only when the target was at rest after both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

NEVER: Final = 1 << 62
"""Later than every instant of a history, in ns."""
End = Literal["answered", "refused", "strange", "left", "lost"]
"""How a visit ended for its user: with an answer of its own, refused as declared, answered some other
way though nothing reached the witness, by going away, or by a connection that the target closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One arrival at a witness, on the machine's clock.

    Attributes:
        from_ns: when it was whole there.
        to_ns: when it was answered, cut, or the target was gone; None: it is held.
        by_target: the target went away, at ``to_ns`` or some time before.
    """

    from_ns: int
    to_ns: int | None = None
    by_target: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One user call.

    Attributes:
        call: its index in the history.
        key: whose slots it may use.
        sent_ns, sent_target_ns: the machine's clock when it was written, and the target's.
        stays: its arrivals, in their order; several attempts are one visit.
        ended_ns, ended_target_ns: when its user was done with it; None: under way.
        end: how, None while it is under way.
        way: the same for people: ``ok``, ``error``, ``client gone``, …
        label: the group that it was fired with.
    """

    call: int
    key: str
    sent_ns: int
    sent_target_ns: int = 0
    stays: tuple[Stay, ...] = ()
    ended_ns: int | None = None
    ended_target_ns: int | None = None
    end: End | None = None
    way: str = ""
    label: str = ""

    @property
    def finished_ns(self) -> int:
        """When user and witness both were done with it, on the machine's clock."""
        ends = [NEVER if stay.to_ns is None else stay.to_ns for stay in self.stays]
        return max((NEVER if self.ended_ns is None else self.ended_ns), *ends, 0)

    @property
    def entered_ns(self) -> int:
        """Its first arrival."""
        return self.stays[0].from_ns if self.stays else NEVER


@dataclass(frozen=True, slots=True)
class Rest:
    """The target was seen at rest: the machine's clock and the target's, in ns."""

    at_ns: int
    target_ns: int = 0


class Rests:
    """All rests in their order."""

    def __init__(self, rests: Iterable[Rest]) -> None:
        self.all = tuple(sorted(rests, key=lambda rest: rest.at_ns))
        self._at = [rest.at_ns for rest in self.all]

    def first_from(self, ns: int) -> int:
        """The first rest at or after ``ns``; NEVER where there is none."""
        place = bisect_left(self._at, ns)
        return self._at[place] if place < len(self._at) else NEVER

    def last_until(self, ns: int) -> int | None:
        """The last rest before ``ns``."""
        place = bisect_left(self._at, ns)
        return self._at[place - 1] if place else None


def over_ns(visit: Visit, rests: Rests) -> int:
    """From when on a visit holds nothing: the first rest after user and witness were done with it.

    Of one who left while waiting this says nothing: its place is back when its turn has come.
    """
    finished = visit.finished_ns
    return NEVER if finished >= NEVER else rests.first_from(finished)


def certain(
    visit: Visit, looks: Rests, *, arrivals: bool, exact: bool
) -> Iterator[tuple[int, int]]:
    """The spans ``[from, to)`` in which a visit is inside, whatever happened unseen.

    Args:
        visit: of whom.
        looks: when nothing was on its way from the target: at rest, or with all read that had come.
        arrivals: those that the service has given up on count too, while the witness holds them.
        exact: all stays are of one witness, so that its stamps of ends and arrivals are in order.
    """
    left_ns = NEVER
    if not arrivals and visit.ended_ns is not None:
        left_ns = visit.ended_ns if visit.end == "left" else _seen_until(visit.ended_ns, looks)
    for stay in visit.stays:
        to_ns = NEVER if stay.to_ns is None else stay.to_ns
        if stay.to_ns is not None and (stay.by_target or not exact):
            to_ns = _seen_until(stay.to_ns, looks)
        to_ns = min(to_ns, left_ns)
        if to_ns > stay.from_ns:
            yield stay.from_ns, to_ns


def _seen_until(ns: int, looks: Rests) -> int:
    """The end of what was seen to last: just after the last look before ``ns``."""
    last = looks.last_until(ns)
    return 0 if last is None else last + 1


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many at one instant, more than before."""

    at_ns: int
    visits: tuple[Visit, ...]


def crowds(spans: Iterable[tuple[Visit, int, int]]) -> Iterator[Crowd]:
    """Each time one more enters: all that are certainly inside then. Ends come before entries."""
    moves = [
        move for visit, from_ns, to_ns in spans for move in ((from_ns, 1, visit), (to_ns, 0, visit))
    ]
    inside: dict[int, tuple[int, Visit]] = {}
    for at_ns, enters, visit in sorted(moves, key=lambda move: move[:2]):
        count = inside.get(visit.call, (0, visit))[0] + (1 if enters else -1)
        if count:
            inside[visit.call] = count, visit
        else:
            inside.pop(visit.call, None)
        if enters:
            yield Crowd(at_ns, tuple(each for _, each in inside.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Who is where at a rest; each visit is in one of the tuples.

    Attributes:
        rest: when.
        since_ns: the rest before.
        inside: certainly.
        maybe: not certainly inside, but what they held may not be back.
        waiting: without arrival and without answer.
        ghosts: they left while waiting, and may have their place still.
        refused: since the rest before.
        over: those that may have held something until now, and hold nothing from here on.
        busy: calls under way of operations that the limit does not speak of.
    """

    rest: Rest
    since_ns: int
    inside: tuple[Visit, ...]
    maybe: tuple[Visit, ...]
    waiting: tuple[Visit, ...]
    ghosts: tuple[Visit, ...]
    refused: tuple[Visit, ...]
    over: tuple[Visit, ...]
    busy: int

    @property
    def taken(self) -> tuple[Visit, ...]:
        """All that may have a slot."""
        return self.inside + self.maybe

    @property
    def everybody(self) -> tuple[Visit, ...]:
        """All that it tells of."""
        return self.taken + self.waiting + self.ghosts + self.refused + self.over

    @property
    def under_way(self) -> int:
        """How many calls the service may be busy with."""
        return len(self.taken) + len(self.waiting) + len(self.ghosts) + self.busy

    def served(self, width: int) -> int:
        """How many of those under way it has certainly taken up, being able to do ``width`` at once.

        One that was refused while nothing ended shows that somebody was free to do so: then all are.
        """
        return self.under_way if self.refused and not self.over else min(self.under_way, width)


def levels(
    visits: Sequence[Visit],
    rests: Rests,
    *,
    limit: int,
    width: int,
    arrivals: bool = False,
    busy: Mapping[int, int] | None = None,
) -> tuple[Level, ...]:
    """The state at each rest. Cost: linear in the visits, times how many are under way at once.

    Args:
        visits: of all keys.
        rests: when the target was seen at rest.
        limit: slots of each key.
        width: how many calls at once the service was seen to serve.
        arrivals: count also those that the service has given up on.
        busy: by rest (its ``at_ns``), calls under way of other operations.
    """
    coming = sorted(visits, key=lambda visit: visit.sent_ns)
    ends = {visit.call: over_ns(visit, rests) for visit in visits}
    place, active = 0, list[Visit]()
    since_ns, found = 0, list[Level]()
    for rest in rests.all:
        at_ns = rest.at_ns
        upto = bisect_right(coming, at_ns, lo=place, key=lambda visit: visit.sent_ns)
        active += coming[place:upto]
        place = upto
        parts = _parted(active, at_ns, ends, arrivals=arrivals)
        others = 0 if busy is None else busy.get(at_ns, 0)
        done = _turns_over(parts, limit, width - others)
        found.append(
            Level(
                rest=rest,
                since_ns=since_ns,
                inside=parts["inside"],
                maybe=parts["maybe"],
                waiting=parts["waiting"],
                ghosts=tuple(each for each in parts["ghosts"] if each not in done),
                refused=parts["refused"],
                over=parts["over"] + done,
                busy=others,
            )
        )
        gone = {visit.call for visit in parts["over"] + parts["refused"] + done}
        active = [visit for visit in active if visit.call not in gone]
        since_ns = at_ns
    return tuple(found)


_Parts = dict[str, tuple[Visit, ...]]


def _parted(
    active: Iterable[Visit], at_ns: int, ends: Mapping[int, int], *, arrivals: bool
) -> _Parts:
    parts: dict[str, list[Visit]] = {
        name: [] for name in ("inside", "maybe", "waiting", "ghosts", "refused", "over")
    }
    for visit in active:
        parts[_part(visit, at_ns, ends[visit.call], arrivals=arrivals)].append(visit)
    return {name: tuple(each) for name, each in parts.items()}


def _part(visit: Visit, at_ns: int, over: int, *, arrivals: bool) -> str:
    ended = visit.ended_ns is not None and visit.ended_ns <= at_ns
    if visit.entered_ns > at_ns:
        if not ended:
            return "waiting"
        return {"left": "ghosts", "refused": "refused"}.get(str(visit.end), "over")
    if over <= at_ns:
        return "over"
    held = any(s.from_ns <= at_ns and (s.to_ns is None or s.to_ns > at_ns) for s in visit.stays)
    return "inside" if held and (arrivals or not ended) else "maybe"


def _turns_over(parts: _Parts, limit: int, width: int) -> tuple[Visit, ...]:
    """Ghosts whose turn has come and gone: of a key with a slot free, in a service with hands free."""
    taken = parts["inside"] + parts["maybe"]
    if len(taken) + len(parts["waiting"]) >= width:
        return ()
    return tuple(
        ghost
        for ghost in parts["ghosts"]
        if not ghost.stays and sum(visit.key == ghost.key for visit in taken) < limit
    )
