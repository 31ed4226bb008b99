"""The data plane: all wires, their pipes, their draws, their events, on one loop."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from harness.proxy.dial import Resolver
from harness.proxy.events import Book
from harness.proxy.listener import Listener
from harness.proxy.livewire import LiveWire
from harness.proxy.splice import Pipes
from harness.proxy.stage import Budget
from harness.proxy.wires import Counters

if TYPE_CHECKING:
    from harness.loop import Loop
    from harness.proxy.wires import Mode, Toxic

__all__ = ["Engine"]

_BUDGET_BYTES: Final = 1 << 25


class Engine:
    """See :class:`harness.proxy.wires.Engine`.

    Args:
        loop: serves everything; whoever made it runs it.
        seed: what all draws are made from.
    """

    def __init__(self, loop: Loop, seed: int = 0) -> None:
        self.loop = loop
        self.seed = seed
        self.events = Book(loop)
        self.pipes = Pipes()
        self.budget = Budget(_BUDGET_BYTES)
        self.resolver = Resolver(loop)
        self._wires: set[LiveWire] = set()
        self._starving: list[LiveWire] = []
        soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft_limit != hard_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))

    def open(
        self,
        name: str,
        listen: tuple[str, int],
        upstream: str,
        *,
        toxics: tuple[Toxic, ...] = (),
        mode: Mode = "accept",
        counters: Counters | None = None,
    ) -> LiveWire:
        """See :class:`harness.proxy.wires.Engine`."""
        listener = Listener(*listen, mode)
        wire = LiveWire(self, name, listener, upstream, toxics, counters or Counters())
        self._wires.add(wire)
        self.events.note("open", name, what=f"{wire.listen[0]}:{wire.listen[1]}")
        return wire

    def close(self) -> None:
        """See :class:`harness.proxy.wires.Engine`."""
        for wire in tuple(self._wires):
            wire.close()
        self.resolver.close()
        self.pipes.close()

    def gone(self, wire: LiveWire) -> None:
        """It is closed."""
        self._wires.discard(wire)

    def wait_for_descriptors(self, wire: LiveWire) -> None:
        """It lets nobody in until somebody, of any wire, has left."""
        self._starving.append(wire)

    def has_descriptors(self) -> None:
        """Somebody has left."""
        while self._starving:
            self.loop.soon(self._starving.pop().take_again)
