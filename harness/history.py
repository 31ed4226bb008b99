"""What happened: one list of facts in one order, on two time axes. Nothing here is judged.

*The order* is the machine's unwarped monotonic nanoseconds (a frozen clock ties everything), made
strict by sequence numbers. *Target time* is the monotonic clock that the target reads; frozen, it
moves only where a :class:`ClockMoved` says so. All times are integers in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt on the wire, as its client saw it.

    Attributes:
        operation: the contract's name of the operation.
        caller: who calls, e.g. ``key-7`` or ``127.4.0.9``: the name under which people meet it.
        identity: the number ``n`` that filled the identity's template, None where none was sent.
        source: peer address that the target saw, without port.
        forwarded: value of X-Forwarded-For that was sent, None where none was.
        connection: number of the TCP connection, unique in the history.
        written_seq: order number of the moment at which the last byte was handed to the kernel.
        answered_seq: order number at which the answer was read whole (or given up), None if never.
        written_ns, first_byte_ns, last_byte_ns: the machine's monotonic clock.
        sent_target_ns: target time before the first byte was written: ``s`` of the interval.
        answered_target_ns: target time after the answer's status line was read, ``a``; None if no
            status line ever came.
        sent_wall_ns, answered_wall_ns: the same on the target's wall clock (since the epoch).
        status: of a complete status line, else None.
        headers: of the answer, names in lower case, in order.
        body: the first 64 KiB of the answer's body.
        complete: the answer was read to its end.
        error: ``refused``, ``timeout``, ``reset``, ``closed``, ``garbage``, ``left`` (we went
            away on purpose) or None.
        written: at least one byte was handed to the kernel.
    """

    operation: str
    caller: str
    identity: int | None
    source: str
    forwarded: str | None
    connection: int
    written_seq: int
    answered_seq: int | None
    written_ns: int
    first_byte_ns: int | None
    last_byte_ns: int | None
    sent_target_ns: int
    answered_target_ns: int | None
    sent_wall_ns: int
    answered_wall_ns: int | None
    status: int | None
    headers: Headers = ()
    body: bytes = b""
    complete: bool = True
    error: str | None = None
    written: bool = True

    def header(self, name: str) -> str | None:
        """Value of the first header of that name, in any case; None where it is missing."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMoved:
    """The target's clock went from one instant to another, by the plan or by its own deadline."""

    seq: int
    at_ns: int
    from_target_ns: int
    to_target_ns: int
    why: Literal["plan", "deadline", "settle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultBegan:
    """A dependency was cut off; ``effect`` counts what proves it (e.g. refused connects)."""

    seq: int
    at_ns: int
    target_ns: int
    dependency: str
    fault: str
    effect: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded:
    """A dependency was healed and proved to answer again; ``data_kept`` says if its data survived."""

    seq: int
    at_ns: int
    target_ns: int
    dependency: str
    data_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStarted:
    """A target came up; all state that it kept in its own memory is gone."""

    seq: int
    at_ns: int
    target_ns: int
    clock: Literal["frozen", "real"]
    exclusive: bool
    """False where others may have used the target before (attached targets)."""


Event = Call | ClockMoved | FaultBegan | FaultEnded | TargetStarted


@dataclass(frozen=True, slots=True)
class History:
    """All events since the target started, in the order of ``seq`` (a call's is ``written_seq``)."""

    events: tuple[Event, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls alone; their place in this tuple is their index everywhere else."""
        return tuple(event for event in self.events if isinstance(event, Call))


def event_to_json(event: Event) -> dict[str, Any]:
    """A JSON object for a record; bytes become text with replacement characters."""
    values: dict[str, Any] = {"event": type(event).__name__}
    for name in type(event).__dataclass_fields__:
        value = getattr(event, name)
        values[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return values
