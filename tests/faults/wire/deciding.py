"""Deciders played against a list of chunks: no proxy, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from harness.faults.wire.base import NS_PER_MS, Chunk, Ending, WireFault
from harness.faults.wire.draws import Draws

DRAWS = Draws.of(7, "tests")
MS = NS_PER_MS


def chunks(*parts: tuple[bytes, int]) -> list[Chunk]:
    """Of bytes and the ms at which they came."""
    made, offset = [], 0
    for data, at_ms in parts:
        made.append(Chunk(offset, data, at_ms * MS))
        offset += len(data)
    return made


def end(at_ms: int = 0, offset: int = 0) -> Chunk:
    """The source has sent all."""
    return Chunk(offset, b"", at_ms * MS, Ending.END)


def played(fault: WireFault, came: Iterable[Chunk], draws: Draws = DRAWS) -> list[Chunk]:
    """What leaves, each one decided on when those before it have left; pauses left out."""
    left: list[Chunk] = []
    state, free_ns = fault.begin(0), 0
    for chunk in came:
        decide = fault.decide if chunk.ending is None else fault.end
        state, decided = decide(state, chunk, max(chunk.at_ns, free_ns), draws)
        for out in decided:
            free_ns = max(free_ns, out.at_ns)
            if out.data or out.ending is not None:
                left.append(out)
    return left


def times_ms(left: Iterable[Chunk]) -> list[int]:
    """When they leave: what leaves first leaves first."""
    times, latest_ns = [], 0
    for chunk in left:
        latest_ns = max(latest_ns, chunk.at_ns)
        times.append(latest_ns // MS)
    return times


def split(data: bytes, sizes: Iterable[int]) -> list[Chunk]:
    """``data`` as reads of these sizes, and one of the rest."""
    parts, at = [], 0
    for size in sizes:
        if at + size >= len(data):
            break
        parts.append((data[at : at + size], 0))
        at += size
    return chunks(*parts, (data[at:], 0))


def joined(left: Iterable[Chunk]) -> bytes:
    """The bytes that leave."""
    return b"".join(chunk.data for chunk in left)
