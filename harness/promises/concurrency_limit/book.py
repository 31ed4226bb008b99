"""All that is known of one limit: its terms, the visits, and what else may keep a call out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Literal

from harness.models.slots import NEVER, Crowd, Level, Rests, Visit, certain, crowds, levels

Half = Literal[
    "upper", "twice", "few", "lost", "beside", "key", "queue", "early", "waits", "timeout", "order"
]
"""Which part of the promise breaks; the sentences say each in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A limit as the checker needs it.

    Attributes:
        limit, queue: of each process if ``each``; ``queue`` None where none is declared.
        queue_timeout_ns: None where none is declared.
        fifo: who waits first gets in first.
        arrivals: calls that the service has given up on count.
        each: so many processes have a limit of their own; 1: one limit for all.
    """

    limit: int
    queue: int | None = None
    queue_timeout_ns: int | None = None
    fifo: bool = False
    arrivals: bool = False
    each: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One proof.

    Attributes:
        half: what is broken.
        at_ns: when it was complete, on the machine's clock.
        key: whose slots.
        count: the number that should have been another: inside, or waiting.
        visits: those that prove it.
        way: how the slot was lost or given back twice; the other key where one blocks another.
    """

    half: Half
    at_ns: int
    key: str
    count: int
    visits: tuple[Visit, ...]
    way: str = ""


@dataclass(frozen=True)
class Book:
    """All that is known of one limit.

    Attributes:
        terms: what is promised.
        visits: the calls that the limit speaks of.
        rests: when the target was seen at rest.
        looks: when all that had come was read, rests among them.
        width: so many calls at once the service was seen to serve, on any operation.
        narrow: the service was seen to serve no more than limit and queue: its own width may be
            what makes calls wait.
        busy: by rest, calls under way of other operations.
        exact: all arrivals are of one witness.
        rivals: other limits that the same calls may meet, each with its own keys.
        unseen: calls that were under way while a dependency could not be reached: they may hold a
            slot though nothing arrives.
    """

    terms: Terms
    visits: Sequence[Visit]
    rests: Rests
    looks: Rests
    width: int = 0
    narrow: bool = False
    busy: dict[int, int] = field(default_factory=dict)
    exact: bool = True
    rivals: tuple[Book, ...] = ()
    unseen: frozenset[int] = frozenset()

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The state at each rest."""
        return levels(
            self.visits,
            self.rests,
            limit=self.terms.limit,
            width=self.width,
            arrivals=self.terms.arrivals,
            busy=self.busy,
        )

    @cached_property
    def told(self) -> tuple[Level, ...]:
        """Those at which it is known who may hold a slot."""
        gone = [v.sent_ns for v in self.visits if v.call in self.unseen and v.end == "left"]
        until_ns = min(gone, default=NEVER)  # nobody sees when the service has done with those
        return tuple(
            each
            for each in self.levels
            if each.rest.at_ns < until_ns
            and self.unseen.isdisjoint(visit.call for visit in each.everybody)
        )

    @cached_property
    def overs(self) -> dict[int, int]:
        """By call, the rest from which on it holds nothing."""
        return {visit.call: each.rest.at_ns for each in self.levels for visit in each.over}

    @cached_property
    def full(self) -> dict[str, list[Crowd]]:
        """By key, each entry that made it full, or more than full, for certain."""
        return {
            key: [crowd for crowd in each if len(crowd.visits) >= self.terms.limit]
            for key, each in self._crowds.items()
        }

    @cached_property
    def _crowds(self) -> dict[str, tuple[Crowd, ...]]:
        by_key = sorted(spans(self), key=lambda span: span[0].key)
        return {
            key: tuple(crowds(each)) for key, each in groupby(by_key, key=lambda span: span[0].key)
        }

    @cached_property
    def key_of(self) -> dict[int, str]:
        """By call, its key."""
        return {visit.call: visit.key for visit in self.visits}

    def at_most(self, key: str, from_ns: int, to_ns: int, without: int) -> list[Visit]:
        """The visits of a key that may have held a slot or a place somewhere in ``[from, to]``."""
        return [
            visit
            for visit in self.visits
            if visit.key == key
            and visit.call != without
            and visit.end != "refused"
            and visit.sent_ns < to_ns
            and self.overs.get(visit.call, NEVER) > from_ns
        ]

    def may_be_full(self, visit: Visit, from_ns: int, to_ns: int) -> bool:
        """Whether this limit, as another's rival, may have kept the call out."""
        key = self.key_of.get(visit.call)
        if key is None:
            return False
        return len(self.at_most(key, from_ns, to_ns, visit.call)) >= self.terms.limit

    def by_rival(self, visit: Visit, from_ns: int, to_ns: int) -> bool:
        """Whether another limit may have kept the call out."""
        return any(rival.may_be_full(visit, from_ns, to_ns) for rival in self.rivals)


def spans(book: Book) -> Iterator[tuple[Visit, int, int]]:
    """When who is certainly inside."""
    for visit in book.visits:
        for from_ns, to_ns in certain(
            visit, book.looks, arrivals=book.terms.arrivals, exact=book.exact
        ):
            yield visit, from_ns, to_ns
