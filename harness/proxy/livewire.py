"""A wire: a listener, the connections that came in by it, and the toxics on them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from harness.faults.wire.base import NS_PER_MS, Ending
from harness.faults.wire.draws import Draws
from harness.proxy.connection import Connection, lacks_descriptors
from harness.proxy.dial import numeric, split
from harness.proxy.listener import Listener
from harness.proxy.stage import Life, Stage

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from harness.loop import Timer
    from harness.proxy.dial import Address
    from harness.proxy.engine import Engine
    from harness.proxy.link import Link
    from harness.proxy.wires import Counters, LinkView, Mode, Toxic, ToxicCounters

__all__ = ["LiveWire"]

_ACCEPTS: Final = 64
_EPOLLIN: Final = 1


class LiveWire:
    """See :class:`harness.proxy.wires.Wire`."""

    def __init__(  # noqa: PLR0917
        self,
        engine: Engine,
        name: str,
        listener: Listener,
        upstream: str,
        toxics: tuple[Toxic, ...],
        counters: Counters,
    ) -> None:
        self.engine = engine
        self.name = name
        self.counters = counters
        self.toxics: tuple[Toxic, ...] = ()
        self._listener = listener
        self._connections: dict[int, Connection] = {}
        self._lives: dict[str, Life] = {}
        self._given_ns: dict[str, int] = {}
        self._edge: Timer | None = None
        self._is_taking = False
        self._is_closed = False
        self._aim(upstream)
        self.set_toxics(toxics)
        self._take(wanted=True)

    # what is asked of it

    @property
    def listen(self) -> tuple[str, int]:
        """See :class:`harness.proxy.wires.Wire`."""
        return self._listener.address

    @property
    def mode(self) -> Mode:
        """See :class:`harness.proxy.wires.Wire`."""
        return self._listener.mode

    @property
    def toxic_counters(self) -> Mapping[str, ToxicCounters]:
        """See :class:`harness.proxy.wires.Wire`."""
        return {toxic.name: self._lives[toxic.name].counters for toxic in self.toxics}

    @property
    def connections(self) -> int:
        """See :class:`harness.proxy.wires.Wire`."""
        return len(self._connections)

    @property
    def held_bytes(self) -> int:
        """See :class:`harness.proxy.wires.Wire`."""
        return sum(link.held_bytes() for link in self._links())

    def links(self) -> list[LinkView]:
        """See :class:`harness.proxy.wires.Wire`."""
        return [link.view() for link in self._links()]

    def set_toxics(self, toxics: tuple[Toxic, ...]) -> None:
        """See :class:`harness.proxy.wires.Wire`."""
        before = {toxic.name: toxic for toxic in self.toxics}
        now_ns = self.engine.loop.now_ns()
        lives, given_ns = {}, {}
        redrawn: list[Toxic] = []
        for toxic in toxics:
            old = before.get(toxic.name)
            if old is not None and _is_same(old, toxic):
                lives[toxic.name] = self._lives[toxic.name]
            else:
                lives[toxic.name] = Life()
                old = None
            kept = old is not None and old.when == toxic.when
            given_ns[toxic.name] = self._given_ns[toxic.name] if kept else now_ns
            if old is None or not kept or old.toxicity != toxic.toxicity:
                redrawn.append(toxic)
        self.toxics, self._lives, self._given_ns = toxics, lives, given_ns
        if redrawn:
            for link in self._links():
                self._count(link, redrawn)
        self._apply()

    def set_upstream(self, upstream: str) -> None:
        """See :class:`harness.proxy.wires.Wire`."""
        self._cut()
        self._aim(upstream)

    def set_mode(self, mode: Mode) -> None:
        """See :class:`harness.proxy.wires.Wire`."""
        self._take(wanted=False)
        self._listener.set_mode(mode)
        self._take(wanted=True)

    def close(self) -> None:
        """See :class:`harness.proxy.wires.Wire`."""
        if self._is_closed:
            return
        self._take(wanted=False)
        self._is_closed = True
        self._listener.close()
        if self._edge is not None:
            self._edge.cancel()
        self._cut()
        self.engine.events.note("shut", self.name)
        self.engine.gone(self)

    # connections

    def _aim(self, upstream: str) -> None:
        self.upstream = upstream
        self.wrong: OSError | None = None
        self.target: tuple[str, str] = ("", "")
        self.addresses: list[Address] | None = []
        try:
            self.target = split(upstream)
            self.addresses = numeric(*self.target)
        except OSError as error:
            self.wrong = error

    def _take(self, *, wanted: bool) -> None:
        """Look after newcomers, or leave them in the queue."""
        wanted = wanted and self._listener.mode == "accept" and not self._is_closed
        if wanted == self._is_taking:
            return
        self._is_taking = wanted
        fd = self._listener.sock.fileno()
        if wanted:
            self.engine.loop.watch(fd, _EPOLLIN, self._accept)
        else:
            self.engine.loop.forget(fd)

    def _accept(self, _what: int) -> None:
        for _ in range(_ACCEPTS):
            try:
                client, peer = self._listener.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if lacks_descriptors(error):  # until somebody leaves
                    self.counters.failed_accepts += 1
                    self.engine.wait_for_descriptors(self)
                    self._take(wanted=False)
                    return
                continue  # it has gone already
            client.setblocking(False)
            self._welcome(client, f"{peer[0]}:{peer[1]}")

    def _welcome(self, client: socket.socket, peer: str) -> None:
        self.counters.accepted += 1
        number = self.counters.accepted
        connection = self._connections[number] = Connection(self, client, number)
        connection.note("accept", what=peer)
        for toxic in self.toxics:
            opening = toxic.fault.opening()
            if opening is None or not toxic.when.covers(number) or not self._is_on(toxic):
                continue
            counters = self._lives[toxic.name].counters
            counters.links += 1
            if self._is_hit(toxic, number, "both"):
                counters.hits += 1
                connection.note("hit", "", toxic.name, 0, toxic.fault.type)
                connection.hang(opening)
                return
            counters.spared += 1
        connection.dial()

    def take_again(self) -> None:
        """There are descriptors again."""
        self._take(wanted=True)

    def left(self, connection: Connection) -> None:
        """It is closed."""
        self.counters.closed += 1
        self._connections.pop(connection.number, None)
        self.engine.has_descriptors()

    def _cut(self) -> None:
        for connection in tuple(self._connections.values()):
            connection.close(Ending.CLOSE, drain=False)

    def _links(self) -> list[Link]:
        pairs = [(one.up, one.down) for one in self._connections.values()]
        return [link for pair in pairs for link in pair if link is not None]

    # toxics

    def begin(self, up: Link, down: Link) -> None:
        """Two links that are new."""
        if not self.toxics:
            return
        now_ns = self.engine.loop.now_ns()
        for link in (up, down):
            self._count(link, self.toxics)
            self._restage(link, self._on(link.stream), now_ns)

    def _apply(self) -> None:
        """Bring all links to where the toxics want them now, and be woken at the next edge of a window."""
        now_ns = self.engine.loop.now_ns()
        on = {stream: self._on(stream) for stream in ("upstream", "downstream")}
        for link in self._links():
            self._restage(link, on[link.stream], now_ns)
        if self._edge is not None:
            self._edge.cancel()
            self._edge = None
        edges = [
            self._given_ns[toxic.name] + ms * NS_PER_MS
            for toxic in self.toxics
            for ms in (toxic.when.from_ms, toxic.when.until_ms)
        ]
        ahead = [edge_ns for edge_ns in edges if edge_ns > now_ns]
        if ahead:
            self._edge = self.engine.loop.at(min(ahead), self._apply)

    def _is_on(self, toxic: Toxic) -> bool:
        if not (toxic.when.from_ms or toxic.when.until_ms):
            return True
        since_ns = self.engine.loop.now_ns() - self._given_ns[toxic.name]
        until_ms = toxic.when.until_ms
        return since_ns >= toxic.when.from_ms * NS_PER_MS and (
            not until_ms or since_ns < until_ms * NS_PER_MS
        )

    def _is_hit(self, toxic: Toxic, number: int, stream: str) -> bool:
        """The draw of a connection and direction; a toxic for both directions has one for the two."""
        if not 0 < toxic.toxicity < 1:
            return toxic.toxicity >= 1
        side = "both" if toxic.stream == "both" else stream
        return self._draws("toxicity", number, side, toxic.name).share(0) < toxic.toxicity

    def _draws(self, *names: str | int) -> Draws:
        return Draws.of(self.engine.seed, self.name, *names)

    def _for(self, toxic: Toxic, link: Link) -> bool:
        return toxic.stream in {link.stream, "both"} and toxic.when.covers(link.connection.number)

    def _count(self, link: Link, toxics: tuple[Toxic, ...] | list[Toxic]) -> None:
        for toxic in toxics:
            if self._for(toxic, link) and toxic.fault.opening() is None:
                counters = self._lives[toxic.name].counters
                counters.links += 1
                counters.spared += not self._is_hit(toxic, link.connection.number, link.stream)

    def _on(self, stream: str) -> list[Toxic]:
        """Those that act on links of that direction now, on some of them at least."""
        return [
            toxic
            for toxic in self.toxics
            if toxic.stream in {stream, "both"}
            and toxic.fault.opening() is None
            and self._is_on(toxic)
        ]

    def _restage(self, link: Link, toxics: list[Toxic], now_ns: int) -> None:
        if not toxics and link.chain is None:
            return
        number, stream = link.connection.number, link.stream
        standing = {} if link.chain is None else {one.toxic.name: one for one in link.chain.stages}
        stages = []
        for toxic in toxics:
            if not (toxic.when.covers(number) and self._is_hit(toxic, number, stream)):
                continue
            stage, life = standing.get(toxic.name), self._lives[toxic.name]
            if stage is not None and stage.life is life:
                stage.renew(toxic, now_ns)
            else:
                draws = partial(self._draws, number, stream, toxic.name)
                stage = Stage(toxic, stream, life, draws, link, self.engine.budget, now_ns)
            stages.append(stage)
        if stages or standing:
            link.restage(tuple(stages), now_ns)


def _is_same(before: Toxic, after: Toxic) -> bool:
    return before.stream == after.stream and type(before.fault) is type(after.fault)
