"""Soft limits of other processes, lowered and set back; the hard ones are never touched."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import CouldNotRun
from harness.living import find

if TYPE_CHECKING:
    from harness.living import Seen
    from harness.nemesis.written import Written


@dataclass(frozen=True, slots=True)
class Lowered:
    """A limit that was set for one process: ``soft`` is what it may have now."""

    seen: Seen
    which: int
    soft: int

    def stands(self) -> bool:
        """Whether it is still so; the limit of a process that is gone stands."""
        pid = self.seen.pid
        if find(pid, self.seen.start) is None:
            return True
        try:
            return resource.prlimit(pid, self.which)[0] == self.soft
        except ProcessLookupError:
            return True


def lower(seen: Seen, which: int, soft: int, written: Written) -> Lowered:
    """Lower a process's soft limit, having written down what it was; one that is lower already stays.

    Raises:
        CouldNotRun: the system does not let us, or the process is gone.
    """
    pid = seen.pid
    try:
        old, hard = resource.prlimit(pid, which)
        if old != resource.RLIM_INFINITY and old <= soft:
            return Lowered(seen, which, old)
        written.enter(f"limit {pid} {seen.start} {which} {old} {hard}")
        resource.prlimit(pid, which, (soft, hard))
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"the limits of process {pid} cannot be lowered: {error}") from error
    return Lowered(seen, which, soft)
