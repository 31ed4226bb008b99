"""The calls of a world that are under way, and the moments at which its target rests."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Final

from harness.client import FlightClient, Request
from harness.client.exchange import Exchange
from harness.runner.journal import Journal
from harness.runner.times import OUT_OF_TIME, PlanEnded, Time
from harness.runner.witnesses import Witnesses
from harness.units import NS_PER_S

SIP_NS: Final = NS_PER_S
"""A slow reader takes a byte so often, on the target's clock."""
_NEWS_S: Final = 0.25
_NEWS_ANYWHERE_S: Final = 1.0
"""In real time: how long nothing new must come, where a witness holds requests, and where none does."""
_NEWS_MOST_S: Final = 5.0
"""News that never end, as attempts without a pause, are not waited for any longer."""
_LOOK_S: Final = 0.05

Move = tuple[int, int, int]
"""Right after which instant of the machine's clock, from and to which of the target's."""


class UnderWay:
    """Begins calls, reads what has come, leaves them; and lets time pass meanwhile.

    Each fact is written into the history as soon as it is known: a call when it begins and when
    anything more comes, the clock's moves so that every fact between two of them keeps its place.

    Args:
        client: speaks to the target.
        journal: where facts are written down.
        clock: the target's time.
        witnesses: what the target calls.
    Attributes:
        deadline_s: when to give up walking, on ``time.monotonic()``.
    """

    def __init__(
        self, client: FlightClient, journal: Journal, clock: Time, witnesses: Witnesses
    ) -> None:
        self._client = client
        self._journal = journal
        self._time = clock
        self._witnesses = witnesses
        self._indexes: dict[Exchange, int] = {}
        self._sips: dict[Exchange, int] = {}
        self._moves: list[Move] = []
        self.deadline_s = inf

    @property
    def indexes(self) -> tuple[int, ...]:
        """The calls that are under way, the oldest first, by their index in the history."""
        return tuple(self._indexes.values())

    def begin(self, requests: Sequence[Request]) -> list[int]:
        """Begin calls, all written before any is read; their indexes in the history."""
        made = self._client.begin(requests)
        indexes = self._journal.add([one.call() for one in made])
        for one, index in zip(made, indexes, strict=True):
            if not one.ended:
                self._indexes[one] = index
                if one.request.slow:
                    self._sips[one] = self._now_ns + SIP_NS
        return indexes

    def leave(self, indexes: Iterable[int]) -> None:
        """The clients of these calls go away, if they have not ended."""
        wanted = set(indexes)
        for one, index in list(self._indexes.items()):
            if index in wanted:
                self._client.leave(one)
                self._note(one)

    def pump(self) -> bool:
        """Take what has come, without waiting; whether anything had."""
        if not self._client.wait(0):
            return False
        self._tell_moves()
        for one in self._client.pump():
            self._note(one)
        return True

    # -- on a held clock -----------------------------------------------------------------------

    def rest(self) -> None:
        """Wait until nothing happens any more, having read all that came, and write that down.

        In real time: until all calls have ended, or nothing new has come for a while.

        Raises:
            NotAtRest: the target still computes.
        """
        if self._time.mode == "real":
            self._await_news()
            return
        self._settle()
        self._journal.rested()

    def walk_to(self, at_ns: int, *, until_done: bool = False) -> None:
        """Let time pass until ``at_ns``, from one timer of the target to the next, at rest each time.

        Args:
            at_ns: on the target's monotonic clock; an instant that has passed is no wait.
            until_done: end before, as soon as no call is under way.
        Raises:
            NotAtRest: the target still computes.
            PlanEnded: no time is left.
        """
        if self._time.mode == "real":
            self._wait_until(at_ns, until_done=until_done)
            return
        try:
            self._walk(at_ns, until_done=until_done)
        finally:
            self._tell_moves()

    def _walk(self, at_ns: int, *, until_done: bool) -> None:
        self._settle()
        while (now_ns := self._now_ns) < at_ns and not (until_done and not self._indexes):
            self._check_time()
            moved_ns = time.monotonic_ns()
            self._time.step(min(at_ns, min(self._sips.values(), default=at_ns)))
            self._moves.append((moved_ns, now_ns, self._now_ns))
            self._sip()
            self._settle()

    def _settle(self) -> None:
        self._time.rest()
        while self.pump():
            self._time.rest()

    def _sip(self) -> None:
        """Each slow reader whose second is over takes a byte."""
        now_ns = self._now_ns
        for one in [one for one, due_ns in self._sips.items() if due_ns <= now_ns]:
            self._tell_moves()
            self._sips[one] = now_ns + SIP_NS
            self._client.sip(one)
            self._note(one)

    def _tell_moves(self) -> None:
        """Write down the moves of the clock until now; those without a fact between them as one."""
        moves, self._moves = self._moves, []
        facts: list[int] = []
        if len(moves) > 1:
            facts = sorted(self._witnesses.instants(moves[0][0]))
        for at_ns, from_ns, to_ns in stretches(moves, facts):
            self._journal.stepped(at_ns, from_ns, to_ns, "deadline")

    # -- in real time --------------------------------------------------------------------------

    def _await_news(self) -> None:
        seen, since_s = -1, time.monotonic()
        until_s = since_s + _NEWS_MOST_S
        while self._indexes and time.monotonic() < until_s:
            arrivals = self._witnesses.recent()
            held = sum(one.state == "held" for one in arrivals)
            news = 2 * len(arrivals) - held
            if self.pump() or news != seen:
                seen, since_s = news, time.monotonic()
            if time.monotonic() - since_s > (_NEWS_S if held else _NEWS_ANYWHERE_S):
                return
            self._client.wait(_LOOK_S)

    def _wait_until(self, at_ns: int, *, until_done: bool) -> None:
        self.pump()
        while (now_ns := self._now_ns) < at_ns and not (until_done and not self._indexes):
            self._check_time()
            due_ns = min(at_ns, now_ns + NS_PER_S, min(self._sips.values(), default=at_ns))
            self._client.wait(max(0, due_ns - now_ns) / NS_PER_S)
            self.pump()
            self._sip()

    # -- both ----------------------------------------------------------------------------------

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline_s:
            raise PlanEnded(OUT_OF_TIME)

    @property
    def _now_ns(self) -> int:
        return self._time.instant()[0]

    def _note(self, one: Exchange) -> None:
        self._journal.update(self._indexes[one], one.call())
        if one.ended:
            del self._indexes[one]
            self._sips.pop(one, None)


def stretches(moves: Sequence[Move], facts: Sequence[int]) -> Iterator[Move]:
    """Moves in a row as one, wherever no fact lies between them.

    Args:
        moves: in their order.
        facts: instants of the machine's clock, rising.

    >>> list(stretches([(10, 0, 5), (20, 5, 6), (30, 6, 9)], [25]))
    [(10, 0, 6), (30, 6, 9)]
    """
    begun: Move | None = None
    for move in moves:
        if begun is None:
            begun = move
        elif bisect_right(facts, move[0]) == bisect_right(facts, begun[0]):
            begun = (begun[0], begun[1], move[2])
        else:
            yield begun
            begun = move
    if begun is not None:
        yield begun
