"""Whether callers that fail together come back together, whatever law their waits follow.

"What `retry` means", sections 1 and 2, the word ``some``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.models.backoff.statistics import at_least, median_bounds

WAVES: Final = 5
CALLERS: Final = 40
_LEVEL: Final = 1e-6
_TOGETHER_NS: Final = 2_500_000
_TOGETHER_SHARE: Final = 0.9
_SPREAD_WAVES: Final = 1


@dataclass(frozen=True, slots=True)
class Crowd:
    """Callers that failed together came back together.

    Attributes:
        callers: of the wave.
        together: so many of them came back within ``within_ns`` of each other.
    """

    callers: int
    together: int
    within_ns: int


def crowds(
    waves: Sequence[Sequence[int]], *, share: float | None = None, within_ns: int = 0
) -> tuple[Crowd | None, ...]:
    """Of each wave of first waits in ns: the crowd in it, None where the callers are spread.

    Args:
        share, within_ns: at most this share may lie so near each other (over it is a crowd); None:
            a crowd is nine in ten within the rounding of timers.
    """
    return tuple(_crowd(wave, share, within_ns) for wave in waves)


def _crowd(wave: Sequence[int], share: float | None, within_ns: int) -> Crowd | None:
    rounding = _most_within(wave, _TOGETHER_NS)
    if wave and rounding >= _TOGETHER_SHARE * len(wave):
        return Crowd(len(wave), rounding, _TOGETHER_NS)
    if share is None or not wave:
        return None
    near = _most_within(wave, within_ns)
    return Crowd(len(wave), near, within_ns) if near > share * len(wave) else None


def _most_within(wave: Sequence[int], span_ns: int) -> int:
    ordered = sorted(wave)
    most = first = 0
    for last, delay in enumerate(ordered):
        while delay - ordered[first] > span_ns:
            first += 1
        most = max(most, last - first + 1)
    return most


def verdict(found: Sequence[Crowd | None]) -> Literal["broken", "kept", "open"]:
    """Broken: a crowd in every wave, and enough of them; kept: in at most one."""
    if len(found) < WAVES:
        return "open"
    together = sum(crowd is not None for crowd in found)
    if together == len(found):
        return "broken"
    return "kept" if together <= _SPREAD_WAVES else "open"


def grows(
    calls: Sequence[Sequence[int]], rounding_ns: float
) -> tuple[Literal["broken", "kept", "open"], int]:
    """Whether each wait's median over the callers is larger than that of the wait before.

    Broken: for some wait it certainly is not; kept: each is, and more callers waited longer than
    shorter by odds of a thousand to one; else open.

    Returns:
        The answer, and the wait (from 2) that it hangs on, 0 where it hangs on none.
    """
    waits = min((len(delays) for delays in calls), default=0)
    doubt = 0
    for k in range(1, waits):
        before, after = [d[k - 1] for d in calls], [d[k] for d in calls]
        lowest, _ = median_bounds(before, _LEVEL / 2)
        _, highest = median_bounds(after, _LEVEL / 2)
        if highest + rounding_ns < lowest:
            return "broken", k + 1
        longer = sum(d[k] > d[k - 1] + rounding_ns for d in calls)
        if at_least(longer, len(calls), 0.5) > 1e-3 and not doubt:
            doubt = k + 1
    return ("open", doubt) if doubt or waits < 2 else ("kept", 0)
