"""What the control plane asks of the data plane: wires that are opened, given toxics, and closed.

Nothing here waits: each call is done when it returns, whatever readers, writers and upstreams do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.faults.wire.base import WireFault

__all__ = [
    "Counters",
    "Engine",
    "Event",
    "Events",
    "LinkView",
    "Mode",
    "Stream",
    "Toxic",
    "ToxicCounters",
    "When",
    "Wire",
]

Stream = Literal["upstream", "downstream", "both"]
"""From the client, to the client, or each way."""
Mode = Literal["accept", "refuse", "syn_timeout"]
"""Who connects is let in; is refused (the port stays ours); or hears nothing, as the backlog is full."""


@dataclass(frozen=True, slots=True)
class When:
    """Which connections a toxic is for, and when. The default: all of them, always.

    Attributes:
        first: the number of the first connection, from 1.
        last: the number of the last one; 0 means there is none.
        every: of these, the first and each ``every``-th after it.
        from_ms: begins so long after the toxic was given to the wire.
        until_ms: ends so long after it was given; 0 means it does not end.
    """

    first: int = 1
    last: int = 0
    every: int = 1
    from_ms: int = 0
    until_ms: int = 0

    def covers(self, connection: int) -> bool:
        """Whether the toxic is for that connection.

        >>> [number for number in range(1, 8) if When(first=2, last=6, every=2).covers(number)]
        [2, 4, 6]
        """
        return (
            self.first <= connection <= (self.last or connection)
            and (connection - self.first) % self.every == 0
        )


@dataclass(frozen=True, slots=True)
class Toxic:
    """A fault on a wire.

    Attributes:
        name: unique on its wire; with the seed, the proxy and the connection it decides all draws.
        stream: where it acts.
        toxicity: the share of connections that it hits, drawn once for each of them.
        fault: what it does; a value of one of :data:`harness.faults.wire.TYPES`.
        when: which connections, and when.
    """

    name: str
    stream: Stream
    toxicity: float
    fault: WireFault
    when: When = field(default_factory=When)


@dataclass(slots=True)
class ToxicCounters:
    """What one toxic has done; live.

    Attributes:
        links: links (directions of connections) that it was drawn for.
        spared: links that the draw spared.
        chunks: chunks and ends that it decided on.
        hits: those it did something to: delayed, cut, dropped, changed, doubled.
        hit_bytes: in those chunks.
        dropped_bytes, added_bytes: what left less or more than what came.
        closed: connections that it closed or reset.
    """

    links: int = 0
    spared: int = 0
    chunks: int = 0
    hits: int = 0
    hit_bytes: int = 0
    dropped_bytes: int = 0
    added_bytes: int = 0
    closed: int = 0


@dataclass(slots=True)
class Counters:
    """What went over a wire; live, and rising only. It may outlive the wire and be given to the next.

    Attributes:
        accepted: connections so far; the number of the newest.
        refused_dials: connections whose upstream could not be reached.
        failed_accepts: times that nobody could be let in, for want of descriptors.
        closed: connections that have ended.
        upstream_received_bytes: read from clients; and so on for the other three.
    """

    accepted: int = 0
    refused_dials: int = 0
    failed_accepts: int = 0
    closed: int = 0
    upstream_received_bytes: int = 0
    upstream_sent_bytes: int = 0
    downstream_received_bytes: int = 0
    downstream_sent_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LinkView:
    """One direction of a live connection, as it is now.

    Attributes:
        received_bytes, sent_bytes: read from its source, written to its destination.
        held_bytes: read and neither written nor dropped yet.
        how: ``spliced`` in the kernel or ``chain`` of toxics; ``ended`` once its end was passed on.
        toxics: the names of those that hit it, in order.
    """

    connection: int
    stream: Literal["upstream", "downstream"]
    received_bytes: int
    sent_bytes: int
    held_bytes: int
    how: Literal["spliced", "chain", "ended"]
    toxics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a wire.

    Attributes:
        number: from 1, without gaps, over all wires of the engine.
        at_ns: the machine's monotonic clock.
        target_ns: the target's, where its clock is held; else the same.
        kind: ``open`` and ``shut`` of a listener; ``accept``, ``dial`` (has succeeded), ``dial_failed``,
            ``hit`` (the first chunk of a link that a toxic did something to), ``cut`` (a toxic ended a
            direction), ``end`` (of a direction: all was written), ``close`` of a connection.
        proxy: the wire's name.
        connection: its number, or 0.
        stream: the direction, or empty.
        toxic: the toxic's name, or empty.
        offset: bytes of that direction before it.
        what: more: an address, an error, how a connection ended.
    """

    number: int
    at_ns: int
    target_ns: int
    kind: str
    proxy: str
    connection: int = 0
    stream: str = ""
    toxic: str = ""
    offset: int = 0
    what: str = ""


class Events(Protocol):
    """The newest events; older ones are forgotten (:attr:`oldest` says from where they are known)."""

    @property
    def newest(self) -> int:
        """The number of the last event, 0 before the first."""

    @property
    def oldest(self) -> int:
        """The number of the first one that is still known."""

    def after(self, number: int, most: int = 1000) -> Sequence[Event]:
        """Up to ``most`` events that are still known, in order, from the one after ``number`` on."""

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told`` once there is news, at most once a turn of the loop; returns what ends that."""


class Wire(Protocol):
    """A listener, its connections, and what is done to them."""

    @property
    def name(self) -> str:
        """The proxy's name."""

    @property
    def listen(self) -> tuple[str, int]:
        """Host and port as bound; the host of a wildcard is ``::``."""

    @property
    def upstream(self) -> str:
        """``host:port`` as given."""

    @property
    def mode(self) -> Mode:
        """What happens to who connects."""

    @property
    def toxics(self) -> tuple[Toxic, ...]:
        """Those in force, in order."""

    @property
    def counters(self) -> Counters:
        """Live."""

    @property
    def toxic_counters(self) -> Mapping[str, ToxicCounters]:
        """By toxic's name, live; gone with the toxic."""

    @property
    def connections(self) -> int:
        """How many are open now, those still dialling included."""

    @property
    def held_bytes(self) -> int:
        """Bytes read and neither written nor dropped yet, on all links."""

    def links(self) -> list[LinkView]:
        """All live links as they are now."""

    def set_toxics(self, toxics: tuple[Toxic, ...]) -> None:
        """Put these in force, on live connections too. Those of the same name and stream go on with what
        they have counted; the others are begun afresh, and what went is passed on."""

    def set_upstream(self, upstream: str) -> None:
        """Cut all connections; those to come are made to ``upstream``. The port stays."""

    def set_mode(self, mode: Mode) -> None:
        """Live connections stay. Raises ``OSError`` if the port cannot be listened on again."""

    def close(self) -> None:
        """Listener and connections, at once; what was held is discarded. May be called again."""


class Engine(Protocol):
    """All wires, on one loop (:class:`harness.loop.Loop`)."""

    @property
    def events(self) -> Events:
        """Of all wires."""

    def open(
        self,
        name: str,
        listen: tuple[str, int],
        upstream: str,
        *,
        toxics: tuple[Toxic, ...] = (),
        mode: Mode = "accept",
        counters: Counters | None = None,
    ) -> Wire:
        """Bind and listen.

        Args:
            name: the proxy's; decides the draws.
            listen: a numeric address, or an empty host for all of IPv4 and IPv6; port 0 is any free one.
            upstream: ``host:port`` or ``[host]:port``, resolved at each dial, not before.
            toxics: in force from the first connection on.
            mode: see :data:`Mode`.
            counters: to count on with; the next connection is number ``accepted + 1``.
        Raises:
            OSError: the address cannot be listened on, as the system said it.
        """

    def close(self) -> None:
        """All wires."""
