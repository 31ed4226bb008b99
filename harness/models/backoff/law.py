"""The laws that a retry's waits may follow: where each may lie, and how likely it is there.

"What `retry` means", section 1. All spans are in ns, as floats: exact up to 104 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal

Family = Literal["none", "full", "equal", "proportional", "additive", "upward", "decorrelated"]
Delays = Sequence[int]
"""The waits of one call, in order, in ns."""

_MS: Final = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Slack:
    """How far a wait may be seen from where it was drawn, in ns: timers are rounded.

    asyncio is 0 to 2 ms late, libuv half a millisecond either way, ends and a float's width included.
    """

    early_ns: float = 0.501 * _MS
    late_ns: float = 2.001 * _MS

    @classmethod
    def of(cls, resolution_ns: int = 0) -> Slack:
        """That of timers whose waits are also cut to ``resolution_ns``, down or up."""
        plain = cls()
        return cls(plain.early_ns + resolution_ns, plain.late_ns + resolution_ns)

    @property
    def whole_ns(self) -> float:
        """From the earliest to the latest."""
        return self.early_ns + self.late_ns


@dataclass(frozen=True, slots=True)
class Span:
    """One wait is uniform in ``[lo_ns, hi_ns]``, then cut to ``cap_ns`` where it is longer."""

    lo_ns: float
    hi_ns: float
    cap_ns: float = inf

    @property
    def top_ns(self) -> float:
        """The longest that it can be."""
        return min(self.hi_ns, self.cap_ns)

    @property
    def bottom_ns(self) -> float:
        """The shortest that it can be."""
        return min(self.lo_ns, self.cap_ns)

    @property
    def width_ns(self) -> float:
        """Of the part below the cap; 0 where all is at one point."""
        return self.top_ns - self.bottom_ns

    @property
    def at_cap(self) -> float:
        """The probability that it is cut."""
        if self.cap_ns >= self.hi_ns:
            return 0.0
        if self.cap_ns <= self.lo_ns:
            return 1.0
        return (self.hi_ns - self.cap_ns) / (self.hi_ns - self.lo_ns)

    @property
    def effect(self) -> tuple[float, float, float]:
        """What can be seen of it: two spans of the same effect cannot be told apart."""
        return self.bottom_ns, self.top_ns, self.at_cap

    def holds(self, delay_ns: float, slack: Slack) -> bool:
        """Whether a wait that was seen can have been drawn here."""
        return self.bottom_ns - slack.early_ns <= delay_ns <= self.top_ns + slack.late_ns

    def density(self, delay_ns: float, slack: Slack) -> float:
        """About how likely a wait is seen there, per ns; 0 outside. What is at one point is blurred."""
        if not self.holds(delay_ns, slack):
            return 0.0
        if self.width_ns == 0:
            return 1 / slack.whole_ns
        found = (1 - self.at_cap) / self.width_ns
        if self.at_cap and delay_ns >= self.cap_ns - slack.early_ns:
            found += self.at_cap / slack.whole_ns
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """One reading of what a contract says of the waits.

    Attributes:
        family: how they are drawn around the nominal ones.
        initial_ns, factor: the k-th nominal wait is ``initial_ns * factor ** (k - 1)``.
        listed_ns: the nominal waits one by one in place of that; the last one stays.
        cap_ns: no wait (``cap_after``) or no nominal wait is longer.
        share: p of ``proportional`` and ``upward``, in (0, 1].
        extra_ns: of ``additive``: the widest that is added.
        cap_after: the cap cuts what was drawn, not the nominal wait.
    """

    family: Family
    initial_ns: float
    factor: float = 1.0
    listed_ns: tuple[float, ...] = ()
    cap_ns: float = inf
    share: float = 0.0
    extra_ns: float = 0.0
    cap_after: bool = False

    def nominal_ns(self, k: int) -> float:
        """The k-th nominal wait, k from 1, before any cap."""
        if self.listed_ns:
            return self.listed_ns[min(k, len(self.listed_ns)) - 1]
        return float(self.initial_ns * self.factor ** (k - 1))

    def span(self, k: int, before_ns: float | None = None) -> Span:
        """Where the k-th wait may lie, k from 1, after one of ``before_ns``."""
        if self.family == "decorrelated":
            base = max(self.initial_ns, before_ns if k > 1 and before_ns is not None else 0.0)
            return Span(self.initial_ns, 3 * base, self.cap_ns)
        nominal = self.nominal_ns(k)
        if not self.cap_after:
            return self._around(min(self.cap_ns, nominal))
        return replace(self._around(nominal), cap_ns=self.cap_ns)

    def spans(self, delays: Delays, slack: Slack) -> tuple[Span, ...]:
        """Where each wait of one call may lie, given those before it, as they were seen."""
        if self.family != "decorrelated":
            return tuple(self.span(k) for k in range(1, len(delays) + 1))
        befores = [None, *(delay + slack.early_ns for delay in delays)]
        return tuple(self.span(k, befores[k - 1]) for k in range(1, len(delays) + 1))

    def blur_ns(self, k: int, slack: Slack) -> float:
        """How far a wait below the cap may be seen from its place in its span, which may have moved too.

        Waits just below a cap may be taken for cut ones; spans may hang on waits as they were seen.
        """
        decorrelated = self.family == "decorrelated"
        blur = slack.whole_ns if self.cap_after or decorrelated else slack.late_ns
        return blur + 3 * slack.whole_ns if decorrelated and k > 1 else blur

    def _around(self, y: float) -> Span:
        match self.family:
            case "full":
                return Span(0.0, y)
            case "equal":
                return Span(y / 2, y)
            case "proportional":
                return Span((1 - self.share) * y, (1 + self.share) * y)
            case "additive":
                return Span(y, y + self.extra_ns)
            case "upward":
                return Span(y, (1 + self.share) * y)
            case _:
                return Span(y, y)


def readings(law: Law, waits: int) -> tuple[Law, ...]:
    """The law with its cap before and after the draw, where ``waits`` of them can tell the two apart."""
    plain = replace(law, cap_after=False)
    after = replace(law, cap_after=True)
    if law.family in ("decorrelated", "none"):
        return (plain,)
    same = all(plain.span(k).effect == after.span(k).effect for k in range(1, waits + 1))
    reached = any(after.span(k).hi_ns > law.cap_ns for k in range(1, waits + 1))
    return (plain,) if same or not reached else (plain, after)


def rivals(law: Law) -> dict[str, Law]:
    """What a service may do instead, by name: other families, initial and factor a tenth off."""
    found: dict[str, Law] = {}
    for family in ("none", "full", "equal", "decorrelated"):
        if family != law.family:
            found[family] = replace(law, family=family, cap_after=False)
    for share in (0.1, 0.2, 0.5):
        if (law.family, law.share) != ("proportional", share):
            found[f"proportional {share}"] = replace(
                law, family="proportional", share=share, cap_after=False
            )
    if law.family != "additive":
        found["additive"] = replace(
            law, family="additive", extra_ns=law.nominal_ns(1), cap_after=False
        )
    if law.factor != 1 and not law.listed_ns and law.family != "decorrelated":
        found["factor 1"] = replace(law, factor=1.0)
    for scale in (0.9, 1.1):
        found[f"initial x {scale}"] = replace(
            law,
            initial_ns=law.initial_ns * scale,
            listed_ns=tuple(each * scale for each in law.listed_ns),
        )
        if not law.listed_ns and law.family != "decorrelated":
            found[f"factor x {scale}"] = replace(law, factor=law.factor * scale)
    return found
