"""Calls that stay under way: begun in one step, read in later ones, in the caller's own thread."""

from __future__ import annotations

import selectors
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from harness.client.client import READ, WAVE, WRITE, Client
from harness.client.exchange import Exchange

if TYPE_CHECKING:
    from harness.client.request import Request

__all__ = ["FlightClient"]

_ONE_BYTE: Final = 1


class FlightClient(Client):
    """A client whose calls may also stay under way: begin some, take what has come, leave others.

    Nothing here waits but for connections and for a kernel that has no room: the caller says when to
    look. What is under way has no time limit.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._flights = selectors.DefaultSelector()
        self._under_way: dict[Exchange, int | None] = {}  # and what is watched of it

    @property
    def under_way(self) -> tuple[Exchange, ...]:
        """The calls that were begun and have not ended, the oldest first."""
        return tuple(self._under_way)

    def begin(self, requests: Sequence[Request]) -> list[Exchange]:
        """Connect all, then write all; no answer is read.

        The clock is not moved meanwhile: ``quiet`` is not asked. A call that cannot be connected
        within the client's timeout, or is refused, has ended when this returns.

        Raises:
            CouldNotRun: this machine cannot send it (source address, open files, a bad header).
        """
        exchanges = [Exchange(request) for request in requests]
        try:
            with self._without_quiet():
                for start in range(0, len(exchanges), WAVE):
                    self._connect(exchanges[start : start + WAVE])
                for one in exchanges:
                    if not one.ended:
                        self._depart(one)
        except BaseException:
            for one in exchanges:
                if one.connected and not one.ended:
                    self._forget(one)
                    one.connection.sock.close()
            raise
        return exchanges

    def pump(self) -> list[Exchange]:
        """Take all that has come, without waiting; the calls to which anything happened.

        Slow ones are left alone.
        """
        touched: dict[Exchange, None] = {}
        while ready := self._flights.select(0):
            moved = False
            for key, events in ready:
                one: Exchange = key.data
                if one.ended:
                    continue
                before = one.offset
                moved |= bool(events & READ)
                self._advance(one, events)
                moved |= one.offset != before
                touched[one] = None
            if not moved:
                break
        return list(touched)

    def sip(self, one: Exchange) -> bool:
        """Read one byte of a slow call's answer; True if it ended by that."""
        if one.ended:
            return True
        if one.read(self._instant, _ONE_BYTE):
            self._arrive(one, None)
        return one.ended

    def leave(self, one: Exchange) -> None:
        """Go away from a call that is under way."""
        if not one.ended:
            self._arrive(one, "left")

    def wait(self, timeout_s: float) -> bool:
        """Wait in real time until something has come; whether it has."""
        return bool(self._flights.select(timeout_s))

    def close(self) -> None:
        """Close everything; calls under way are left as they are."""
        for one in list(self._under_way):
            self._forget(one)
            one.connection.sock.close()
        self._flights.close()
        super().close()

    def _depart(self, one: Exchange) -> None:
        is_written = self._begin_writing(one)
        if one.ended:
            return
        if not is_written:
            one.wrote(self._next_seq)  # its place in the order; the last byte comes later
        self._under_way[one] = None
        self._watch(one, (0 if one.request.slow else READ) | (0 if is_written else WRITE))
        if one.connection.has_more():
            self._advance(one, READ)

    def _advance(self, one: Exchange, events: int) -> None:
        if events & WRITE:
            self._write_on(one)
        if events & READ and not one.ended and one.read(self._instant):
            self._arrive(one, None)

    def _write_on(self, one: Exchange) -> None:
        try:
            is_written = self._write_some(one)
        except OSError:
            self._arrive(one, "reset")
            return
        if is_written:
            self._watch(one, 0 if one.request.slow else READ)

    def _arrive(self, one: Exchange, error: str | None) -> None:
        self._forget(one)
        self._end(one, error)

    def _forget(self, one: Exchange) -> None:
        self._watch(one, 0)
        self._under_way.pop(one, None)

    def _watch(self, one: Exchange, events: int) -> None:
        """Look for these events on its connection from now on."""
        watched = self._under_way.get(one)
        if watched is not None:
            self._flights.unregister(watched)
            self._under_way[one] = None
        if events:
            key = self._flights.register(one.connection.sock, events, one)
            self._under_way[one] = key.fd

    @contextmanager
    def _without_quiet(self) -> Iterator[None]:
        quiet, self._quiet = self._quiet, None
        try:
            yield
        finally:
            self._quiet = quiet
