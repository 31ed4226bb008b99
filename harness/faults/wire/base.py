"""What every wire fault is: settings, and a pure decision on each chunk of bytes that comes its way.

A decision is a list of chunks, each with the moment at which it leaves: the same chunk (pass), the chunk
later (delay), parts of it (slice), none (drop), other bytes (corrupt), more bytes (duplicate), or an
ending behind them (close, reset). The proxy waits; what leaves first leaves first, always.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeAlias, cast

from harness.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.faults.wire.draws import Draws

__all__ = [
    "INT64",
    "MOST_MS",
    "NEVER",
    "NS_PER_MS",
    "NS_PER_US",
    "Chunk",
    "Decided",
    "Ending",
    "InvalidFault",
    "Opening",
    "WireFault",
    "attribute_types",
    "attributes",
    "bounded",
    "ended",
    "later",
    "span_ns",
]

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NEVER: Final = (1 << 63) - 1
"""A moment that does not come."""
INT64: Final = (1 << 63) - 1
MOST_MS: Final = 9_200_000_000_000
"""The longest wait; beyond it Toxiproxy's product overflows to no wait at all."""


class InvalidFault(HarnessError, ValueError):
    """Settings that no wire can be given."""


class Ending(Enum):
    """How a direction ends."""

    END = "end"
    """The source has sent all it will: half of the connection stays open."""
    CLOSE = "close"
    """Both sides are closed, with FIN."""
    RESET = "reset"
    """Both sides are closed, with RST."""


class Chunk(NamedTuple):
    """What one read returned, or a part of it, or the end of a direction.

    Attributes:
        offset: bytes of this direction before it, as the source sent them.
        data: its bytes; none where it is an end.
        at_ns: when it came (in), when it leaves (out).
        ending: how the direction ends, or None.
    """

    offset: int
    data: bytes
    at_ns: int
    ending: Ending | None = None


Decided: TypeAlias = "tuple[Any, Iterable[Chunk]]"
"""The state from now on, and what leaves, in order. A chunk of no bytes that is no end leaves nowhere: it
keeps the stage busy until then."""


class Opening(NamedTuple):
    """What is done with a new connection in place of dialling its upstream."""

    reset_after_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFault:
    """One kind of fault: subclasses have settings of integers (floats where they are shares).

    Attributes:
        type: the API's name.
        depth: how many chunks may wait in it while one is under way.
        is_deadly: bytes went missing in it, so removing it closes the connections that it hit.
    """

    type: ClassVar[str]
    depth: ClassVar[int] = 1
    is_deadly: ClassVar[bool] = False

    @property
    def is_shared(self) -> bool:
        """Whether the links of a proxy that it hits have one state between them."""
        return False

    def begin(self, at_ns: int) -> Any:
        """The state of a link's stage that starts at ``at_ns``; a value, None where it needs none."""
        del at_ns

    def renew(self, state: Any, at_ns: int) -> Any:
        """The state to go on with where ``state`` is what other settings of this type had left."""
        del state
        return self.begin(at_ns)

    def decide(self, state: Any, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """What becomes of ``chunk``.

        Args:
            state: what the last decision returned.
            chunk: holds at least one byte.
            begin_ns: when this stage is free for it, never before ``chunk.at_ns``.
            draws: this stage's own.
        """
        del begin_ns, draws
        return state, (chunk,)

    def end(self, state: Any, chunk: Chunk, begin_ns: int, draws: Draws) -> Decided:
        """The same for an ending; returning none swallows it."""
        del begin_ns, draws
        return state, (chunk,)

    def wakes_ns(self, state: Any) -> int:
        """When the stage acts although nothing comes."""
        del state
        return NEVER

    def wake(self, state: Any) -> Ending:
        """How it then ends the direction."""
        del state
        return Ending.CLOSE

    def opening(self) -> Opening | None:
        """What is done with a new connection in place of dialling; None dials."""
        return None


def attributes(fault: WireFault) -> dict[str, int | float]:
    """As the API lists them: all of Toxiproxy's, and of ours those that are not as they were.

    >>> from harness.faults.wire.latency import Latency
    >>> attributes(Latency(latency=100))
    {'latency': 100, 'jitter': 0}
    """
    return {
        field.name: value
        for field in fields(fault)
        if (value := getattr(fault, field.name)) != field.default or "ours" not in field.metadata
    }


def attribute_types(fault: type[WireFault]) -> dict[str, type[int | float]]:
    """Which numbers each attribute takes.

    >>> from harness.faults.wire.latency import Latency
    >>> attribute_types(Latency)["latency"]
    <class 'int'>
    """
    return {field.name: type(cast("float", field.default)) for field in fields(fault)}


def bounded(fault: WireFault, least: float = 0, **most: float) -> None:
    """Each named attribute is from ``least`` to its own bound, both included.

    Raises:
        InvalidFault: one is not; says which.
    """
    for name, bound in most.items():
        value = getattr(fault, name)
        if not least <= value <= bound:
            raise InvalidFault(
                f"{fault.type} needs {least} <= {name} <= {bound}, got {value}: "
                f"give a value between these."
            )


def span_ns(ms: int) -> int:
    """How long ``ms`` is, as Toxiproxy reads it: nothing at or below 0, nor beyond what it can count.

    >>> span_ns(2), span_ns(-2), span_ns(MOST_MS + 1)
    (2000000, 0, 0)
    """
    return ms * NS_PER_MS if 0 < ms <= MOST_MS else 0


def ended(chunk: Chunk, how: Ending, at_ns: int) -> Chunk:
    """How the direction ends behind ``chunk``."""
    return Chunk(chunk.offset + len(chunk.data), b"", at_ns, how)


def later(chunk: Chunk, at_ns: int) -> Chunk:
    """The same, leaving at ``at_ns``."""
    return Chunk(chunk.offset, chunk.data, at_ns, chunk.ending)
