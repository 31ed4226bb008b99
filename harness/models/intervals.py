"""What is known of a call: it took effect at one instant between being sent and being answered.

The models work on such intervals alone. Two facts carry all their proofs, for calls whose starts
and ends are sorted *independently*:

- at least ``#(ends <= y) - #(starts < x)`` of them lie wholly in ``[x, y]``: rank by rank, whatever
  belongs together. So counting by ranks never counts too many of what certainly happened.
- at most ``#(starts <= y) - #(ends < x)`` of them can have taken effect in ``[x, y]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

FOREVER: Final = 1 << 80
"""An instant or order number that never comes."""


class Interval(NamedTuple):
    """A call on one time axis.

    Attributes:
        start: earliest instant of its effect, in ns.
        end: latest one; :data:`FOREVER` if nothing bounds it.
        written: order number of the moment its last byte was written.
        answered: order number of the moment its answer was read; FOREVER if never.
        call: its index in the history.
    """

    start: int
    end: int
    written: int
    answered: int
    call: int

    def is_after(self, other: Interval) -> bool:
        """Whether it was written only when the other's answer had been read."""
        return other.answered < self.written


@dataclass(frozen=True, slots=True)
class Taken:
    """Calls that certainly used the budget (``A``): what the upper half counts."""

    intervals: tuple[Interval, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> Self:
        """Sort starts and ends once."""
        kept = tuple(intervals)
        return cls(
            kept,
            tuple(sorted(each.start for each in kept)),
            tuple(sorted(each.end for each in kept)),
        )

    def newest(self, start: int, end: int, count: int) -> tuple[Interval, ...]:
        """The latest ``count`` of the calls that lie wholly in ``[start, end]``, in call order."""
        whole = [each for each in self.intervals if start <= each.start and each.end <= end]
        return tuple(sorted(whole, key=lambda each: each.call)[-count:])


@dataclass(frozen=True, slots=True)
class Use:
    """Calls that may have used the budget (``P``): what the lower half counts."""

    intervals: tuple[Interval, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    writtens: tuple[int, ...]

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> Self:
        """Sort starts, ends and order numbers once."""
        kept = tuple(intervals)
        return cls(
            kept,
            tuple(sorted(each.start for each in kept)),
            tuple(sorted(each.end for each in kept)),
            tuple(sorted(each.written for each in kept)),
        )


@dataclass(frozen=True, slots=True)
class Excess:
    """Proof that an upper half is broken.

    Attributes:
        from_ns, to_ns: the calls lie wholly between these instants, both inclusive.
        bound: at most so many were promised there.
        windows: the bound holds for so many windows in a row (0 where there is no window).
        calls: indexes of the calls, more than ``bound``.
    """

    from_ns: int
    to_ns: int
    bound: int
    windows: int
    calls: tuple[int, ...]

    @classmethod
    def by(cls, members: Iterable[Interval], bound: int, windows: int) -> Self:
        """The proof that ``members`` give."""
        kept = tuple(members)
        return cls(
            min(each.start for each in kept),
            max(each.end for each in kept),
            bound,
            windows,
            tuple(each.call for each in kept),
        )


@dataclass(frozen=True, slots=True)
class Unused:
    """Proof that an owed call was refused: the fullest that its budget can have been.

    Attributes:
        at_ns: the instant of the call at which most could have been used.
        since_ns: what was used before this instant cannot count any more.
        used: at most so much of the budget was used.
        calls: indexes of the calls that may have used it.
    """

    at_ns: int
    since_ns: int
    used: int
    calls: tuple[int, ...]
