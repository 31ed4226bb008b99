"""Toxics one behind another on one direction of a connection: each decides, the chain waits.

Chunks go through in order. A stage holds one chunk that it has decided on and up to ``depth`` that wait,
so backpressure reaches the source; a stage whose chunks wait for their time only (``latency``) holds more.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.faults.wire.base import Chunk
    from harness.proxy.stage import Sink, Stage

__all__ = ["Chain"]

_MOVES: Final = 256
"""Chunks moved before others get their turn."""


class Chain:
    """The stages of one link, first to last."""

    __slots__ = ("_sink", "stages")

    def __init__(self, sink: Sink) -> None:
        self.stages: tuple[Stage, ...] = ()
        self._sink = sink

    def accepts(self) -> bool:
        """Whether the source may be read."""
        return self.stages[0].accepts()

    def is_idle(self) -> bool:
        """Nothing is in it, and it waits for nothing but more."""
        return all(stage.is_idle() for stage in self.stages)

    def push(self, chunk: Chunk, now_ns: int) -> None:
        """One from the source, or its end."""
        self.stages[0].take(chunk)
        self.pump(now_ns)

    def pump(self, now_ns: int) -> None:
        """Move what can be moved now."""
        stages, left = self.stages, _MOVES
        for stage in stages:
            stage.wake(now_ns)
        if len(stages) == 1:
            if stages[0].advance(None, now_ns, left) == left:
                self._sink.again()
            return
        pairs = (*pairwise(stages), (stages[-1], None))
        moved = left
        while moved and left > 0:
            moved = sum([stage.advance(after, now_ns, left) for stage, after in pairs])
            left -= moved
        if left <= 0:
            self._sink.again()

    def wakes_ns(self) -> int:
        """When to pump next, whatever else happens."""
        return min([stage.wakes_ns() for stage in self.stages])

    def restage(self, stages: tuple[Stage, ...], now_ns: int) -> None:
        """These from now on. What is in the others goes to the next one that stays, or is written."""
        going = self.stages
        self.stages = stages
        after: Stage | None = None
        for stage in reversed(going):
            if stage in stages:
                after = stage
                continue
            for chunk in stage.empty(now_ns):
                if after is not None:
                    after.take(chunk)
                elif chunk.ending is None:
                    self._sink.write(chunk.data)
                else:
                    self._sink.finish(chunk.ending)

    def held_bytes(self) -> int:
        """In all stages."""
        return sum(stage.held_bytes() for stage in self.stages)

    def clear(self) -> None:
        """Throw away what is in it."""
        for stage in self.stages:
            stage.clear()
        self.stages = ()
