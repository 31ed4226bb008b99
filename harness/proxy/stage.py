"""One toxic on one direction of a connection: its chunks, its state, its time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.faults.wire.base import NEVER, Chunk, Ending, WireFault
from harness.proxy.wires import ToxicCounters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from harness.faults.wire.draws import Draws
    from harness.proxy.wires import Toxic

__all__ = ["Budget", "Life", "Sink", "Stage"]

_NOTHING: Final[Iterator[Chunk]] = iter(())


class Budget:
    """What may wait in deep stages of all wires together, beyond two chunks in each."""

    __slots__ = ("left_bytes",)

    def __init__(self, size_bytes: int) -> None:
        self.left_bytes = size_bytes


class Life:
    """What all links that a toxic hits have in common: its counters and, for some, its state."""

    __slots__ = ("counters", "shared")

    def __init__(self) -> None:
        self.counters = ToxicCounters()
        self.shared: dict[str, Any] = {}


class Sink(Protocol):
    """The writer behind the last stage."""

    def is_ready(self) -> bool:
        """Whether it takes a chunk now."""

    def write(self, data: bytes) -> None:
        """Takes it anyhow."""

    def finish(self, how: Ending) -> None:
        """Nothing comes after that."""

    def hit(self, stage: Stage, offset: int) -> None:
        """The first time that ``stage`` does something."""

    def cut(self, stage: Stage, how: Ending) -> None:
        """``stage`` ends the direction, not the source."""

    def again(self) -> None:
        """There is more to move, when others have had their turn."""


class Stage:
    """One toxic on one link."""

    __slots__ = (
        "_balance",
        "_budget",
        "_came",
        "_draws",
        "_has_wake",
        "_is_blocked",
        "_is_hit",
        "_make_draws",
        "_out",
        "_shift_ns",
        "_sink",
        "_state",
        "_stream",
        "fault",
        "free_ns",
        "head",
        "is_over",
        "life",
        "queue",
        "toxic",
    )

    def __init__(  # noqa: PLR0917
        self,
        toxic: Toxic,
        stream: str,
        life: Life,
        make_draws: Callable[[], Draws],
        sink: Sink,
        budget: Budget,
        now_ns: int,
    ) -> None:
        self.toxic = toxic
        self.life = life
        self._make_draws = make_draws
        self._draws: Draws | None = None
        self.queue: deque[Chunk] = deque()
        self.head: Chunk | None = None
        self.free_ns = 0
        self.is_over = False
        self._sink = sink
        self._stream = stream
        self._budget = budget
        self._out = _NOTHING
        self._balance = 0
        self._came: Ending | None = None
        self._shift_ns = 0
        self._is_blocked = False
        self._is_hit = False
        self._state: Any = None
        self._set(toxic.fault)
        if self.fault.is_shared:
            life.shared.setdefault(stream, self.fault.begin(now_ns))
        else:
            self._state = self.fault.begin(now_ns)

    def _set(self, fault: WireFault) -> None:
        self.fault = fault
        self._has_wake = type(fault).wakes_ns is not WireFault.wakes_ns

    # in

    def accepts(self) -> bool:
        """Whether it takes a chunk now; an ending it always takes."""
        waiting = len(self.queue)
        if waiting == 0:
            return not self.is_over
        return waiting < self.fault.depth and (
            waiting < 2 or (self._budget.left_bytes > 0 and not self._is_blocked)
        )

    def take(self, chunk: Chunk) -> None:
        """Puts it behind the others."""
        if not self.is_over:
            self._budget.left_bytes -= len(chunk.data)
            self.queue.append(chunk)

    # out

    def advance(self, after: Stage | None, now_ns: int, most: int) -> int:
        """Hand on what has fallen due, up to ``most`` chunks; returns how many."""
        moved = 0
        while moved < most:
            head = self.head or self._next()
            if head is None:
                break
            at_ns = head.at_ns
            if self._shift_ns and at_ns < NEVER:
                at_ns += self._shift_ns
            if at_ns > now_ns:
                break
            ready = self._sink.is_ready() if after is None else after.accepts()
            if not ready and head.ending is None:
                self._is_blocked = True
                break
            self.head = None
            moved += 1
            if self._is_blocked:
                self._is_blocked = False
                self._shift_ns += now_ns - at_ns
                at_ns = now_ns
            self.free_ns = max(self.free_ns, at_ns)
            self._pass_on(head, at_ns, after)
        return moved

    def _pass_on(self, chunk: Chunk, at_ns: int, after: Stage | None) -> None:
        self._balance -= len(chunk.data)
        if chunk.ending is not None:
            self.clear()
            self.is_over = True
            if chunk.ending not in {Ending.END, self._came}:
                self._cut(chunk.ending)
        elif not chunk.data:
            return  # a pause
        if after is not None:
            after.take(chunk if chunk.at_ns == at_ns else chunk._replace(at_ns=at_ns))
        elif chunk.ending is None:
            self._sink.write(chunk.data)
        else:
            self._sink.finish(chunk.ending)

    def _cut(self, how: Ending) -> None:
        self.life.counters.closed += 1
        self._sink.cut(self, how)

    def _next(self) -> Chunk | None:
        """The next one to leave, decided on if need be."""
        while True:
            self.head = next(self._out, None)
            if self.head is not None:
                return self.head
            self._settle()
            if self.is_over or not self.queue:
                return None
            chunk = self.queue.popleft()
            self._budget.left_bytes += len(chunk.data)
            self._came = chunk.ending
            decided = self._decide(chunk)
            self._shift_ns = 0
            self._balance = len(chunk.data)
            counters = self.life.counters
            counters.chunks += 1
            if isinstance(decided, tuple) and len(decided) == 1 and decided[0] == chunk:
                self.head = decided[0]  # passes
                return self.head
            counters.hits += 1
            counters.hit_bytes += len(chunk.data)
            if not self._is_hit:
                self._is_hit = True
                self._sink.hit(self, chunk.offset)
            self._out = iter(decided)

    def _decide(self, chunk: Chunk) -> Iterable[Chunk]:
        begin_ns = max(chunk.at_ns, self.free_ns)
        draws = self._draws = self._draws or self._make_draws()
        decide = self.fault.decide if chunk.ending is None else self.fault.end
        if not self.fault.is_shared:
            self._state, decided = decide(self._state, chunk, begin_ns, draws)
        else:
            state = self.life.shared[self._stream]
            self.life.shared[self._stream], decided = decide(state, chunk, begin_ns, draws)
        return decided

    def _settle(self) -> None:
        """Count what came short or over in what was decided last."""
        if self._balance > 0:
            self.life.counters.dropped_bytes += self._balance
        elif self._balance < 0:
            self.life.counters.added_bytes -= self._balance
        self._balance = 0

    # time

    def is_idle(self) -> bool:
        """Nothing is in it, and it waits for nothing but more."""
        return self.head is None and not self.queue and not self._has_wake and not self.is_over

    def wakes_ns(self) -> int:
        """When it has something to do though nothing comes and nobody reads."""
        if self.is_over:
            return NEVER
        wakes_ns = self.fault.wakes_ns(self._state) if self._has_wake else NEVER
        if self.head is None or self.head.at_ns >= NEVER or self._is_blocked:
            return wakes_ns
        return min(self.head.at_ns + self._shift_ns, wakes_ns)

    def wake(self, now_ns: int) -> None:
        """Ends the direction if the fault says that it is time."""
        if self._has_wake and not self.is_over and self.fault.wakes_ns(self._state) <= now_ns:
            ending = self.fault.wake(self._state)
            self._state, self._came = NEVER, None
            self.clear()
            self.life.counters.hits += 1
            self.head = Chunk(0, b"", now_ns, ending)
            if not self._is_hit:
                self._is_hit = True
                self._sink.hit(self, 0)

    # changes

    def renew(self, toxic: Toxic, now_ns: int) -> None:
        """Other settings: the chunk under way leaves now, those that wait are decided on anew."""
        is_same = self.fault == toxic.fault
        self.toxic = toxic
        if is_same or self.is_over:
            return
        data, endings = self._under_way(now_ns)
        self.queue.extendleft(reversed(endings))
        if data is not None:
            self._out = iter((data,))
        was_shared = self.fault.is_shared
        self._set(toxic.fault)
        if self.fault.is_shared:
            self.life.shared.setdefault(self._stream, self.fault.begin(now_ns))
        elif was_shared:
            self._state = self.fault.begin(now_ns)
        else:
            self._state = self.fault.renew(self._state, now_ns)

    def empty(self, now_ns: int) -> list[Chunk]:
        """It is removed: everything in it, in order, and a close behind that if bytes went missing."""
        if self.is_over:
            return []
        data, endings = self._under_way(now_ns)
        left = [*([data] if data is not None else []), *endings, *self.queue]
        self._balance = 0
        self._budget.left_bytes += sum(len(chunk.data) for chunk in self.queue)
        self.queue.clear()
        self.is_over = True
        if self.fault.is_deadly:
            left.append(Chunk(0, b"", now_ns, Ending.CLOSE))
            self._cut(Ending.CLOSE)
        return left

    def _under_way(self, now_ns: int) -> tuple[Chunk | None, Sequence[Chunk]]:
        """What was decided and has not left: its data as one chunk that is due now, and its endings."""
        rest = [*([self.head] if self.head is not None else []), *self._out]
        self.head, self._out, self._shift_ns, self._is_blocked = None, _NOTHING, 0, False
        self.free_ns = min(self.free_ns, now_ns)
        data = b"".join(chunk.data for chunk in rest)
        endings = [chunk._replace(at_ns=now_ns) for chunk in rest if chunk.ending is not None]
        return Chunk(rest[0].offset, data, min(rest[0].at_ns, now_ns)) if data else None, endings

    def clear(self) -> None:
        """Throw away what is in it."""
        self._settle()
        waiting = sum(len(chunk.data) for chunk in self.queue)
        self._budget.left_bytes += waiting
        self.life.counters.dropped_bytes += waiting
        self.queue.clear()
        self.head, self._out, self._balance = None, _NOTHING, 0

    def held_bytes(self) -> int:
        """In it now. What a decision has yet to make pieces of counts whole."""
        return max(self._balance, 0) + sum(len(chunk.data) for chunk in self.queue)
