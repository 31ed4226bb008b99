"""How a process is short of memory: its address space may hardly grow, and it is seen to meet the limit."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun
from harness.living import find
from harness.nemesis.effect import Effect
from harness.nemesis.limiting import Lowered, lower
from harness.nemesis.looks import memory_bytes

if TYPE_CHECKING:
    from harness.nemesis.scene import Subject
    from harness.nemesis.written import Written

_NEAR: Final = 8
"""Who has left less than this part of its headroom has come near its limit."""
_WORDS: Final = re.compile(
    r"MemoryError|OutOfMemory|out of memory|cannot allocate memory|bad_alloc|can't start new thread"
    r"|allocation failed|ENOMEM",
    re.IGNORECASE,
)
_MIB: Final = 1 << 20


class Starving:
    """Lowers the soft RLIMIT_AS of each process of a subject.

    Args:
        subject: who.
        headroom_bytes: by how much each may still grow.
        written: its entries.
    """

    def __init__(self, subject: Subject, headroom_bytes: int, written: Written) -> None:
        self._subject = subject
        self._headroom = headroom_bytes
        self._written = written
        self._lowered: dict[tuple[int, int], Lowered] = {}
        self._peaks: dict[tuple[int, int], int] = {}
        self._complaints = 0

    def begin(self) -> Effect:
        """Lower the limits."""
        self._complaints = self._complained()
        while new := [s for s in self._subject.family() if (s.pid, s.start) not in self._lowered]:
            for seen in new:
                size, peak = memory_bytes(seen.pid)
                key = seen.pid, seen.start
                self._peaks[key] = peak
                soft = size + self._headroom
                self._lowered[key] = lower(seen, resource.RLIMIT_AS, soft, self._written)
        if not self._lowered:
            raise CouldNotRun(f"{self._subject.said} does not run", self._subject.output())
        count, mib = len(self._lowered), self._headroom / _MIB
        many = f"each of {count} processes" if count > 1 else "its process"
        return Effect(count, f"{many} may grow by {mib:,.3g} MiB")

    def end(self) -> Effect:
        """See that one of them met its limit, and set the limits back."""
        count, said = self._met()
        doubt = next(self._doubts(count), None)
        self.undo()
        return Effect(count, said, doubt)

    def undo(self) -> None:
        """Set the limits back."""
        self._written.undo()

    def _met(self) -> tuple[int, str]:
        died = sum(find(pid, start) is None for pid, start in self._lowered)
        if died:
            return died, f"{died} of its processes ended of it"
        if complaints := max(0, self._complained() - self._complaints):
            return complaints, f"it said {complaints} times that it lacks memory"
        left = [self._left(key) for key in self._lowered]
        near = sum(each * _NEAR <= self._headroom for each in left)
        return near, f"{near} of its processes came near the limit"

    def _left(self, key: tuple[int, int]) -> int:
        """How much of its headroom a process has never used, as far as one can see."""
        size, peak = memory_bytes(key[0])
        most = peak if peak > self._peaks[key] else size
        return max(0, self._lowered[key].soft - most)

    def _complained(self) -> int:
        return len(_WORDS.findall(self._subject.output()))

    def _doubts(self, count: int) -> Iterator[str]:
        who = self._subject.said
        for one in self._lowered.values():
            if not one.stands():
                yield (
                    f"{who} was short of memory, but the limit of its process {one.seen.pid} was "
                    "changed meanwhile"
                )
        if not count:
            left = min(map(self._left, self._lowered), default=0) / _MIB
            yield (
                f"{who} should be short of memory, but none of its processes met the limit: "
                f"{left:,.3g} MiB were left; less headroom_bytes would settle it"
            )
