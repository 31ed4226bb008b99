"""What happened: one list of facts in one order, on two time axes. Nothing here is judged.

*The order* is the machine's unwarped monotonic nanoseconds (a frozen clock ties everything), made
strict by sequence numbers. *Target time* is the monotonic clock that the target reads; frozen, it
moves only where a :class:`ClockMoved` says so. All times are integers in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
        token: what its attempts are known by at a witness, None where nothing was sent for it.
        ended_ns, ended_target_ns: when its client was done with it, by a whole answer, an error or
            by going away: the machine's clock and the target's; None while it is under way.
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
    token: str | None = None
    ended_ns: int | None = None
    ended_target_ns: int | None = None

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
    """A dependency was cut off, or somebody was hurt in another way.

    Attributes:
        dependency: whom it befell: the name of a dependency, or ``target``.
        fault: what it is from now on, e.g. ``killed`` or ``paused``.
        effect: counts what proves it, e.g. refused connects.
        name: what the plan calls it, empty for a dependency that was cut off.
        said: what was counted, in words; may be empty.
    """

    seq: int
    at_ns: int
    target_ns: int
    dependency: str
    fault: str
    effect: int
    name: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEnded:
    """A dependency was healed and proved to answer again, or another hurt was undone.

    Attributes:
        dependency: whom it had befallen: the name of a dependency, or ``target``.
        data_kept: its data survived.
        name: as when it began.
        said: what it does now, in words; empty where it answers again.
        doubt: why it was not in effect all the time; None where it was.
    """

    seq: int
    at_ns: int
    target_ns: int
    dependency: str
    data_kept: bool
    name: str = ""
    said: str = ""
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStarted:
    """A target came up; all state that it kept in its own memory is gone."""

    seq: int
    at_ns: int
    target_ns: int
    clock: Literal["frozen", "real"]
    exclusive: bool
    """False where others may have used the target before (attached targets)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rested:
    """Everybody on the path was seen to sleep, and nothing under way would have woken anybody.

    All that is written down before it has happened before it: until somebody acts, or the clock
    moves, nothing more would happen.
    """

    seq: int
    at_ns: int
    target_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the target's processes held, all of them together, counted at rest.

    Attributes:
        pids: its processes; a worker that was replaced by its master shows here.
        connections: open TCP connections, of clients and to dependencies.
    """

    seq: int
    at_ns: int
    target_ns: int
    pids: tuple[int, ...]
    threads: int
    descriptors: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request as a witness saw it, and what became of it there.

    Attributes:
        dependency: name of the witness.
        number: from 1, in the order in which requests were whole there.
        connection: number of the TCP connection at this witness.
        use: how many requests have come on that connection, this one included (1: a fresh one).
        method, path, headers: of the request; the path with its query, names in lower case.
        body: its first 4 KiB.
        digest: SHA-256 of its whole body, hexadecimal.
        token: the call that it belongs to, where one of its parts carries a call's token.
        at_ns, target_ns, wall_ns: when its last byte was read: the machine's monotonic clock, the
            target's monotonic and the target's wall clock.
        state: ``held`` (under way still), ``answered`` (its answer was written to the last byte),
            ``cut`` (the witness ended it on purpose) or ``gone`` (the target went away first).
        status: of the answer that was begun, None where none was.
        answer_headers: that the script gave it, as they were written; names in lower case.
        head_target_ns: target time of the answer's first byte, None where none was written.
        ended_ns, ended_target_ns, ended_wall_ns: when it was answered, cut, or the target was gone.
        reset: the target went away, or the witness cut it, with a reset.
        peer_port: from which port of the target's the connection came: its process holds the socket.
        torn: after its status line the answer was cut off, or was of another length than announced:
            its reader may take it for an answer or for a failure.
    """

    dependency: str
    number: int
    connection: int
    use: int
    method: str
    path: str
    headers: Headers
    body: bytes
    digest: str
    token: str | None
    at_ns: int
    target_ns: int
    wall_ns: int
    state: Literal["held", "answered", "cut", "gone"]
    status: int | None = None
    head_target_ns: int | None = None
    ended_ns: int | None = None
    ended_target_ns: int | None = None
    ended_wall_ns: int | None = None
    reset: bool = False
    answer_headers: Headers = ()
    peer_port: int | None = None
    torn: bool = False

    def header(self, name: str) -> str | None:
        """Value of the first header of that name, in any case; None where it is missing."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)


Event = Call | ClockMoved | FaultBegan | FaultEnded | TargetStarted | Rested | Resources


@dataclass(frozen=True, slots=True)
class History:
    """All that happened since the world began.

    Attributes:
        events: in the order of ``seq`` (a call's is ``written_seq``).
        arrivals: what the witnesses saw, in the order of ``at_ns``, as far as each had come when
            the history was taken.
    """

    events: tuple[Event, ...] = ()
    arrivals: tuple[Arrival, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls alone; their place in this tuple is their index everywhere else."""
        return tuple(event for event in self.events if isinstance(event, Call))


def away(events: Iterable[Event]) -> Iterator[tuple[str, int, int]]:
    """Which dependency could not be reached, from when to when on the machine's clock.

    One that is away at the end is so until 2^62 ns.
    """
    since: dict[str, int] = {}
    for event in events:
        match event:
            case FaultBegan():
                since.setdefault(event.dependency, event.at_ns)
            case FaultEnded() if event.dependency in since:
                yield event.dependency, since.pop(event.dependency), event.at_ns
            case TargetStarted():
                yield from ((name, from_ns, event.at_ns) for name, from_ns in since.items())
                since.clear()
    yield from ((name, from_ns, 1 << 62) for name, from_ns in since.items())


def ran(events: Iterable[Event]) -> Iterator[tuple[int, int]]:
    """From when to when, on the target's clock, a held clock was let run, as while a store came back.

    The target is as late there as the machine is slow.
    """
    for event in events:
        if isinstance(event, ClockMoved) and event.why == "settle":
            yield event.from_target_ns, event.to_target_ns


def event_to_json(event: Event | Arrival) -> dict[str, Any]:
    """A JSON object for a record; bytes become text with replacement characters."""
    values: dict[str, Any] = {"event": type(event).__name__}
    for name in type(event).__dataclass_fields__:
        value = getattr(event, name)
        values[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return values
