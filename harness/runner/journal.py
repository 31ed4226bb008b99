"""Writes the history of a world: every event gets its order number and both of its times here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from harness.history import (
    Arrival,
    Call,
    ClockMoved,
    Event,
    FaultBegan,
    FaultEnded,
    History,
    Resources,
    Rested,
    TargetStarted,
)


class Journal:
    """All events since the world began, over every start of its target.

    Args:
        now_ns: reads the target's monotonic clock.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._events: list[Event] = []
        self._calls: list[Call] = []
        self._places: list[int] = []
        self._seq = 0
        self._earlier_connections = 0

    def next_seq(self) -> int:
        """The next order number."""
        self._seq += 1
        return self._seq

    def history(self, arrivals: Sequence[Arrival] = ()) -> History:
        """All that has happened so far; ``arrivals`` as the witnesses tell them."""
        return History(tuple(self._events), tuple(arrivals))

    def call(self, index: int) -> Call:
        """The call with this index in the history."""
        return self._calls[index]

    def since(self, at_ns: int) -> list[Call]:
        """The calls that were written after that instant of the machine's clock, as they stand now."""
        return [call for call in self._calls if call.written_ns > at_ns]

    def add(self, calls: Sequence[Call]) -> list[int]:
        """Write down calls; their indexes in the history."""
        earlier = self._earlier_connections
        if earlier:
            calls = [replace(call, connection=call.connection + earlier) for call in calls]
        first = len(self._calls)
        self._calls.extend(calls)
        self._places.extend(range(len(self._events), len(self._events) + len(calls)))
        self._events.extend(calls)
        return list(range(first, len(self._calls)))

    def update(self, index: int, call: Call) -> None:
        """More is known of a call that was written down while it was under way."""
        known = self._calls[index]
        self._calls[index] = self._events[self._places[index]] = replace(
            call, connection=known.connection
        )

    def new_client(self) -> None:
        """From here on connections are numbered anew; in the history their numbers stay unique."""
        self._earlier_connections = max((call.connection for call in self._calls), default=0)

    def moved(self, before_ns: int, why: Literal["plan", "deadline", "settle"]) -> None:
        """The target's clock went from ``before_ns`` to what it shows now, if it went at all."""
        now_ns = self._now_ns()
        if now_ns > before_ns:
            self.stepped(time.monotonic_ns(), before_ns, now_ns, why)

    def stepped(
        self, at_ns: int, from_ns: int, to_ns: int, why: Literal["plan", "deadline", "settle"]
    ) -> None:
        """The target's clock went from one instant to another, right after ``at_ns``."""
        self._events.append(
            ClockMoved(
                seq=self.next_seq(),
                at_ns=at_ns,
                from_target_ns=from_ns,
                to_target_ns=to_ns,
                why=why,
            )
        )

    def rested(self) -> None:
        """Everybody on the path was seen to sleep."""
        self._events.append(
            Rested(seq=self.next_seq(), at_ns=time.monotonic_ns(), target_ns=self._now_ns())
        )

    def counted(
        self, pids: Sequence[int], *, threads: int, descriptors: int, connections: int
    ) -> None:
        """What the target's processes hold."""
        self._events.append(
            Resources(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                pids=tuple(pids),
                threads=threads,
                descriptors=descriptors,
                connections=connections,
            )
        )

    def started(self, clock: Literal["frozen", "real"], *, exclusive: bool) -> None:
        """The target is up."""
        self._events.append(
            TargetStarted(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                clock=clock,
                exclusive=exclusive,
            )
        )

    def cut(
        self, dependency: str, fault: str, effect: int, *, name: str = "", said: str = ""
    ) -> None:
        """A dependency is gone, or somebody is hurt in another way."""
        self._events.append(
            FaultBegan(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                dependency=dependency,
                fault=fault,
                effect=effect,
                name=name,
                said=said,
            )
        )

    def healed(
        self,
        dependency: str,
        *,
        data_kept: bool,
        name: str = "",
        said: str = "",
        doubt: str | None = None,
    ) -> None:
        """A dependency answers again, or another hurt is undone."""
        self._events.append(
            FaultEnded(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                dependency=dependency,
                data_kept=data_kept,
                name=name,
                said=said,
                doubt=doubt,
            )
        )
