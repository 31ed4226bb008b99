"""Writes the history of a world: every event gets its order number and both of its times here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from harness.history import (
    Call,
    ClockMoved,
    Event,
    FaultBegan,
    FaultEnded,
    History,
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
        self._seq = 0
        self._earlier_connections = 0

    def next_seq(self) -> int:
        """The next order number."""
        self._seq += 1
        return self._seq

    def history(self) -> History:
        """All that has happened so far."""
        return History(tuple(self._events))

    def call(self, index: int) -> Call:
        """The call with this index in the history."""
        return self._calls[index]

    def add(self, calls: Sequence[Call]) -> list[int]:
        """Write down calls; their indexes in the history."""
        earlier = self._earlier_connections
        if earlier:
            calls = [replace(call, connection=call.connection + earlier) for call in calls]
        first = len(self._calls)
        self._calls.extend(calls)
        self._events.extend(calls)
        return list(range(first, len(self._calls)))

    def new_client(self) -> None:
        """From here on connections are numbered anew; in the history their numbers stay unique."""
        self._earlier_connections = max((call.connection for call in self._calls), default=0)

    def moved(self, before_ns: int, why: Literal["plan", "deadline", "settle"]) -> None:
        """The target's clock went from ``before_ns`` to what it shows now, if it went at all."""
        now_ns = self._now_ns()
        if now_ns > before_ns:
            self._events.append(
                ClockMoved(
                    seq=self.next_seq(),
                    at_ns=time.monotonic_ns(),
                    from_target_ns=before_ns,
                    to_target_ns=now_ns,
                    why=why,
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

    def cut(self, dependency: str, fault: str, effect: int) -> None:
        """A dependency is gone."""
        self._events.append(
            FaultBegan(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                dependency=dependency,
                fault=fault,
                effect=effect,
            )
        )

    def healed(self, dependency: str, *, data_kept: bool) -> None:
        """A dependency answers again."""
        self._events.append(
            FaultEnded(
                seq=self.next_seq(),
                at_ns=time.monotonic_ns(),
                target_ns=self._now_ns(),
                dependency=dependency,
                data_kept=data_kept,
            )
        )
