"""The page of shared memory that says what time it is, seen from the controller.

The layout is ``shim/shim.h``'s; what is written goes through the same library, so that reader and
writer have one arithmetic and the right barriers. Slots are only read here.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOREVER_NS", "Kind", "Page", "Slot"]

FOREVER_NS = 2**63 - 1
ONE_PPM = 1_000_000
HEADER_BYTES, SLOT_BYTES, SLOTS = 128, 64, 4096
SIZE_BYTES = HEADER_BYTES + SLOT_BYTES * SLOTS
USED_AT = 52  # used, capacity, unslotted, sliced: four words
SLOT = struct.Struct(
    "<QIIqqQqQII"
)  # owner state kind deadline period waits seen reads signal armed
OWNER, STATE = struct.Struct("<Q56x"), struct.Struct("<QI52x")
BLOCKED, REAL = 1, 2


class Kind(enum.IntEnum):
    """What a slot's owner waits in; from ``ITIMER`` on, a timer of the process instead."""

    NONE = 0
    SLEEP = 1
    SEMAPHORE = 2
    CONDITION = 3
    FUTEX = 4
    POLL = 5
    EPOLL = 6
    MUTEX = 7
    SIGNAL = 8
    ITIMER = 10
    TIMERFD = 11
    POSIX_TIMER = 12


@dataclass(frozen=True, slots=True)
class Slot:
    """One thread of a target, or one of its timers (``tid`` 0), as it says of itself."""

    index: int
    pid: int
    tid: int
    kind: int
    blocked: bool
    deadline_ns: int
    """Monotonic ns on the page's clock; ``FOREVER_NS`` is no deadline."""
    period_ns: int
    """Of a timer; 0 is once."""
    seen_ns: int
    """The last time that was handed out to it, 0 for none."""
    reads: int
    signal: int
    """What a timer sends to its process; 0 is none."""
    armed: bool
    """The kernel counts this timer as well, in real time, because the clock ran."""


class Page:
    """Owns the page file and its FIFO in ``directory``. Use as a context manager or close it."""

    def __init__(self, directory: Path, library: Path) -> None:
        """Make both files, with the clock running at rate 1.

        They are open to every user of the machine, because a target may run as another one (a
        database that refuses root): ``directory``'s own mode says who gets at them.
        """
        self._library = load(library)
        self.path = directory / "clock"
        self.wake_path = directory / "clock.wake"
        self.path.write_bytes(b"")
        os.truncate(self.path, SIZE_BYTES)
        self.path.chmod(0o666)
        os.mkfifo(self.wake_path)
        self.wake_path.chmod(0o666)
        self._fifo = os.open(self.wake_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with self.path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE_BYTES)
        self._anchor = (ctypes.c_char * SIZE_BYTES).from_buffer(self._map)
        self._address = ctypes.addressof(self._anchor)
        self._library.stormproof_clock_begin(self._address)

    def close(self) -> None:
        """Give back mapping and FIFO and remove both files; a second call does nothing."""
        if self.is_closed:
            return
        del self._anchor
        self._map.close()
        os.close(self._fifo)
        self.path.unlink(missing_ok=True)
        self.wake_path.unlink(missing_ok=True)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._map.closed

    def now_ns(self) -> int:
        """The page's monotonic clock."""
        return int(self._library.stormproof_clock_now(self._address))

    def wall_ns(self) -> int:
        """The page's wall clock, ns since the epoch."""
        return int(self._library.stormproof_clock_wall(self._address))

    def move(
        self, *, to_ns: int = -1, by_ns: int = 0, rate_ppm: int = -1, wall_by_ns: int = 0
    ) -> int:
        """Anchor the clock anew and wake every waiter; -1 changes nothing.

        Returns:
            What the clock says now; -1 if ``to_ns`` is in the past, and then nothing has changed.
        """
        now_ns = int(
            self._library.stormproof_clock_move(self._address, to_ns, by_ns, rate_ppm, wall_by_ns)
        )
        if now_ns >= 0:
            self._wake_polls()
        return now_ns

    def _wake_polls(self) -> None:
        """Renew the byte in the FIFO: writing to an empty pipe is an edge on every kernel.

        A waiter that looks between the two calls sees no byte, sleeps, and gets the new edge.
        """
        with contextlib.suppress(BlockingIOError):  # before the first move it is empty
            os.read(self._fifo, 16)
        os.write(self._fifo, b".")

    @property
    def unslotted(self) -> int:
        """How many waits began in threads that found the table of slots full."""
        return int(struct.unpack_from("<I", self._map, USED_AT + 8)[0])

    @property
    def sliced(self) -> int:
        """How many processes wait in slices of 1 ms, for want of ``futex_waitv``."""
        return int(struct.unpack_from("<I", self._map, USED_AT + 12)[0])

    @property
    def slots_used(self) -> int:
        """How many slots have ever been owned: the first that many."""
        return int(struct.unpack_from("<I", self._map, USED_AT)[0])

    def slots(self) -> Iterator[Slot]:
        """All slots that have an owner; one that died may be among them."""
        for index, values in enumerate(SLOT.iter_unpack(self._used())):
            if values[0]:
                yield slot_of(index, values)

    def waits(self) -> Iterator[Slot]:
        """Those whose owner is blocked, and not for ever."""
        for index, values in enumerate(SLOT.iter_unpack(self._used())):
            if values[0] and values[1] == BLOCKED and values[3] != FOREVER_NS:
                yield slot_of(index, values)

    def blocked(self) -> Iterator[tuple[int, int]]:
        """The threads that are blocked in a wait of ours."""
        for owner, state in STATE.iter_unpack(self._used()):
            if owner and state == BLOCKED:
                yield owner >> 32, owner & 0xFFFFFFFF

    def owners(self) -> set[int]:
        """The processes that own a slot; one that died may be among them."""
        return {owner >> 32 for (owner,) in OWNER.iter_unpack(self._used()) if owner}

    def _used(self) -> bytes:
        return self._map[HEADER_BYTES : HEADER_BYTES + SLOT_BYTES * self.slots_used]

    def renew_timer(self, slot: Slot, now_ns: int) -> None:
        """Note that a timer has fired: wait for its next period, or no more.

        Only for a process whose threads all sleep, since nobody else may write the slot then.
        """
        at = HEADER_BYTES + SLOT_BYTES * slot.index
        if not slot.period_ns:
            struct.pack_into("<I", self._map, at + 8, 0)
            return
        missed = (now_ns - slot.deadline_ns) // slot.period_ns
        next_ns = slot.deadline_ns + slot.period_ns * (missed + 1)
        struct.pack_into("<q", self._map, at + 16, next_ns)


def slot_of(index: int, values: tuple[int, ...]) -> Slot:
    """A slot, of the words that it is made of."""
    owner, state, kind, deadline_ns, period_ns, _waits, seen_ns, reads, signal, armed = values
    return Slot(
        index=index,
        pid=owner >> 32,
        tid=owner & 0xFFFFFFFF,
        kind=kind,
        blocked=state == BLOCKED,
        deadline_ns=deadline_ns,
        period_ns=period_ns,
        seen_ns=seen_ns,
        reads=reads,
        signal=signal,
        armed=armed != 0,
    )


def load(library: Path) -> ctypes.CDLL:
    """The library for calling: not preloaded here, it changes nothing in this process."""
    calls = ctypes.CDLL(str(library))
    address, i64 = ctypes.c_void_p, ctypes.c_int64
    calls.stormproof_clock_begin.argtypes = [address]
    calls.stormproof_clock_begin.restype = None
    for name in ("stormproof_clock_now", "stormproof_clock_wall"):
        getattr(calls, name).argtypes = [address]
        getattr(calls, name).restype = i64
    calls.stormproof_clock_move.argtypes = [address, i64, i64, i64, i64]
    calls.stormproof_clock_move.restype = i64
    return calls
