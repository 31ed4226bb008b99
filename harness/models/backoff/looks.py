"""What a sample of calls proves of the law of their waits: broken, kept or still open.

"What `retry` means", section 2. A wait outside a law's support ends that reading at once. Else the
sample is looked at 12, 24, ... 384 calls; at each look every reading is tested, and the promise is
broken if none is left. All looks together accuse a service that keeps its words with less than LEVEL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, inf, log
from typing import Final, Literal

from harness.models.backoff import statistics
from harness.models.backoff.law import Delays, Law, Slack, Span, rivals

LOOKS: Final = (12, 24, 48, 96, 192, 384)
LEVEL: Final = 1e-6
KEPT_FROM: Final = 48
_DOUBTFUL: Final = 1e-3
_RIVAL_ODDS: Final = -log(_DOUBTFUL)
_TESTED_WIDTHS: Final = 5
_EDGE_WIDTHS: Final = 8
_EDGE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Outside:
    """A wait that a reading cannot have drawn: the ``k``-th (from 1) of call ``call`` (from 0)."""

    call: int
    k: int
    delay_ns: int
    span: Span

    @property
    def is_early(self) -> bool:
        """It came before the span."""
        return self.delay_ns < self.span.bottom_ns

    @property
    def over_ns(self) -> float:
        """How far it lies outside."""
        return max(self.span.bottom_ns - self.delay_ns, self.delay_ns - self.span.top_ns)


@dataclass(frozen=True, slots=True)
class Test:
    """One test of one reading.

    Attributes:
        name: ``shape``, ``largest``, ``smallest``, ``at the cap``, ``follows``, ``together``, ``bell``.
        position: which wait, from 1; None: all of them.
        n: how many places, pairs or tries it looks at.
        p: at most so likely under the reading.
        hits: of ``together`` and ``at the cap``: how many.
    """

    name: str
    position: int | None
    n: int
    p: float
    hits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of one law.

    Attributes:
        outside: the first wait that it cannot have drawn; None: all can be its own.
        tests: of the calls that were looked at; none before the first look.
        places: F(delay) of each wait below the cap, by position.
        left_out: positions that are not shown: their span is too narrow beside the rounding of timers,
            or fewer than half of the calls came so far.
    """

    law: Law
    outside: Outside | None
    tests: tuple[Test, ...] = ()
    places: Mapping[int, tuple[float, ...]]
    left_out: tuple[int, ...]

    @property
    def worst(self) -> Test | None:
        """The least likely test."""
        return min(self.tests, key=lambda test: test.p, default=None)

    @property
    def is_out(self) -> bool:
        """Contradicted by one wait, or by the sample at this look's share of the level."""
        return self.outside is not None or self.p < LEVEL / len(LOOKS)

    @property
    def p(self) -> float:
        """Of the worst test, for all tests together (Bonferroni)."""
        return self.worst.p * len(self.tests) if self.worst else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known after a number of calls.

    Attributes:
        calls: how many calls were looked at; 0 before the first look.
        status: every reading is out; one is shown; or more calls are needed.
        why: open: which rival or position is not settled.
        best: the law that explains the waits best among the declared ones and their rivals.
        odds: natural logarithm of its odds against the next.
    """

    calls: int
    status: Literal["broken", "kept", "open"]
    readings: tuple[Reading, ...]
    why: str = ""
    best: str = ""
    odds: float = 0.0


def look(laws: Sequence[Law], sample: Sequence[Delays], slack: Slack) -> Look:
    """Look at a sample of calls, in the order in which they were made.

    Args:
        laws: the readings of what is declared, at least one.
        sample: the waits of each call; callers that failed at the same instant are neighbours.
        slack: the rounding of timers.
    """
    calls = max((each for each in LOOKS if each <= len(sample)), default=0)
    found = tuple(_reading(law, sample, calls, slack) for law in laws)
    if all(reading.is_out for reading in found):
        best, odds = _best(laws, sample, slack)
        return Look(calls=calls, status="broken", readings=found, best=best, odds=odds)
    if laws[0].family == "none":
        return Look(calls=calls, status="kept" if sample else "open", readings=found)
    if calls < KEPT_FROM:
        why = f"{len(sample)} calls are too few; {KEPT_FROM} or more would settle it"
        return Look(calls=calls, status="open", readings=found, why=why)
    doubts = [_doubt(each, sample[:calls], slack) for each in found if not each.is_out]
    kept = None in doubts
    return Look(
        calls=calls,
        status="kept" if kept else "open",
        readings=found,
        why="" if kept else doubts[0] or "",
    )


def outside(law: Law, sample: Iterable[Delays], slack: Slack) -> Outside | None:
    """The first wait that a law cannot have drawn."""
    for call, delays in enumerate(sample):
        for k, (delay, span) in enumerate(
            zip(delays, law.spans(delays, slack), strict=True), start=1
        ):
            if not span.holds(delay, slack):
                return Outside(call, k, delay, span)
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """One wait by one law: ``u`` is None at the cap."""

    delay_ns: int
    span: Span
    u: float | None
    cap_chance: tuple[float, float]


def _reading(law: Law, sample: Sequence[Delays], calls: int, slack: Slack) -> Reading:
    out = outside(law, sample, slack)
    if out is not None or law.family == "none" or not calls:
        return Reading(law=law, outside=out, places={}, left_out=())
    rows = [_row(law, delays, slack) for delays in sample[:calls]]
    positions = range(1, max(map(len, rows), default=0) + 1)
    used = [k for k in positions if _width(law, k) >= _TESTED_WIDTHS * slack.late_ns]
    places = {
        k: tuple(p.u for row in rows if len(row) >= k and (p := row[k - 1]).u is not None)
        for k in used
    }
    tests = tuple(_tests(law, rows, places, slack)) if used else ()
    seldom = [k for k in used if 2 * sum(len(row) >= k for row in rows) < calls]
    narrow = [k for k in positions if k not in used and _width(law, k) > 0]
    return Reading(law=law, outside=None, tests=tests, places=places, left_out=(*narrow, *seldom))


def _row(law: Law, delays: Delays, slack: Slack) -> tuple[_Place, ...]:
    spans = law.spans(delays, slack)
    return tuple(_place(law, k, delays, span, slack) for k, span in enumerate(spans, start=1))


def _place(law: Law, k: int, delays: Delays, span: Span, slack: Slack) -> _Place:
    delay_ns = delays[k - 1]
    if span.width_ns == 0:
        return _Place(delay_ns, span, None, (0.0, 1.0))
    capped = span.cap_ns < span.hi_ns and delay_ns >= span.cap_ns - slack.early_ns
    u = min(1.0, max(0.0, (delay_ns - span.bottom_ns) / span.width_ns))
    blur = (law.blur_ns(k, slack) + slack.whole_ns) / (span.hi_ns - span.lo_ns)
    # A wait that was cut may have been drawn much longer, and the next one's span hangs on that.
    unseen = (
        law.family == "decorrelated" and k > 1 and delays[k - 2] >= span.cap_ns - slack.early_ns
    )
    most = 1.0 if unseen else min(1.0, span.at_cap + blur)
    return _Place(delay_ns, span, None if capped else u, (max(0.0, span.at_cap - blur), most))


def _width(law: Law, k: int) -> float:
    """The least width of a position's span below the cap."""
    return law.span(k).width_ns


def _tests(
    law: Law, rows: Sequence[Sequence[_Place]], places: Mapping[int, Sequence[float]], slack: Slack
) -> Iterator[Test]:
    blur = {k: law.blur_ns(k, slack) / _width(law, k) for k in places}
    for k, us in places.items():
        if us:
            yield Test("shape", k, len(us), statistics.kolmogorov(us, blur[k]))
            yield Test("largest", k, len(us), statistics.none_above(us, blur[k]))
            yield Test("smallest", k, len(us), statistics.none_below(us, blur[k]))
        at_cap = _at_cap(k, rows)
        if at_cap is not None:
            yield at_cap
    pooled = [u for us in places.values() for u in us]
    most = max(blur.values())
    if len(places) > 1 and pooled:
        yield Test("shape", None, len(pooled), statistics.kolmogorov(pooled, most))
        yield Test("largest", None, len(pooled), statistics.none_above(pooled, most))
        yield Test("smallest", None, len(pooled), statistics.none_below(pooled, most))
    if pooled:
        odds = [statistics.bell(us, blur[k]) for k, us in places.items()]
        yield Test("bell", None, len(pooled), min(1.0, exp(sum(map(_log, odds)))))
    followed = [
        (one.u, two.u)
        for row in rows
        for k, (one, two) in enumerate(pairwise(row), start=1)
        if one.u is not None and two.u is not None and k in places and k + 1 in places
    ]
    if followed:
        yield Test("follows", None, len(followed), statistics.follows(followed, most))
    yield _together(law, rows, places, slack)


def _log(p: float) -> float:
    return log(p) if p > 0 else -inf


def _at_cap(k: int, rows: Sequence[Sequence[_Place]]) -> Test | None:
    """Too many or too few waits at the cap."""
    of = [row[k - 1] for row in rows if len(row) >= k and row[k - 1].span.at_cap > 0]
    if not of:
        return None
    hits = sum(place.u is None for place in of)
    low = sum(place.cap_chance[0] for place in of) / len(of)
    high = sum(place.cap_chance[1] for place in of) / len(of)
    p = statistics.at_least(hits, len(of), high) + statistics.at_most(hits, len(of), low)
    return Test("at the cap", k, len(of), min(1.0, p), hits)


def _together(
    law: Law, rows: Sequence[Sequence[_Place]], places: Iterable[int], slack: Slack
) -> Test:
    """Neighbouring calls, two by two, whose waits are the same: a shared seed, or no jitter at all."""
    chances: list[float] = []
    hits = 0
    for one, two in zip(rows[::2], rows[1::2], strict=False):
        for k in places:
            if len(one) < k or len(two) < k or one[k - 1].u is None or two[k - 1].u is None:
                continue
            chances.append(min(1.0, 4 * slack.whole_ns / _width(law, k)))
            hits += abs(one[k - 1].delay_ns - two[k - 1].delay_ns) <= slack.whole_ns
    mean = sum(chances) / len(chances) if chances else 1.0
    return Test("together", None, len(chances), statistics.at_least(hits, len(chances), mean), hits)


# -- kept ----------------------------------------------------------------------------------------


def _doubt(reading: Reading, sample: Sequence[Delays], slack: Slack) -> str | None:
    """What a reading that is not out still owes; None: it is shown."""
    law = reading.law
    wide = [
        k
        for k in reading.places
        if k not in reading.left_out and _width(law, k) >= _EDGE_WIDTHS * slack.late_ns
    ]
    if not wide:
        return (
            "the waits differ by too little beside the rounding of timers, so their law cannot be "
            "seen; a larger `initial` in a test contract would settle it"
        )
    more = f"; {2 * len(sample)} calls would settle it"
    if reading.p < _DOUBTFUL and reading.worst is not None:
        return (
            f"the waits fit the declared law badly ({reading.worst.name}, p {reading.p:.1e}){more}"
        )
    for name, rival in rivals(law).items():
        if not _rejected(law, rival, sample, slack):
            return f"{name} explains the waits nearly as well{more}"
    blur = {k: law.blur_ns(k, slack) / _width(law, k) for k in wide}
    if sum(statistics.tent_odds(reading.places[k], blur[k]) for k in wide) < _RIVAL_ODDS:
        return f"a law that prefers the middle explains the waits nearly as well{more}"
    for k in wide:
        us = reading.places[k]
        if not any(u <= _EDGE for u in us):
            return f"no wait {k} came from the lowest tenth of its span{more}"
        if not any(u >= 1 - _EDGE for u in us) and not law.span(k).at_cap:
            return f"no wait {k} came from the highest tenth of its span{more}"
    return None


def _rejected(law: Law, rival: Law, sample: Sequence[Delays], slack: Slack) -> bool:
    """Whether the rival is out, or a thousand times less likely; one that is the same is no rival."""
    odds, same = 0.0, True
    for delays in sample:
        ours, theirs = law.spans(delays, slack), rival.spans(delays, slack)
        for delay, own, other in zip(delays, ours, theirs, strict=True):
            if own.effect == other.effect:
                continue
            same = False
            density = other.density(delay, slack)
            if density == 0:
                return True
            odds += log(own.density(delay, slack) / density)
    return same or odds > _RIVAL_ODDS


def _best(laws: Sequence[Law], sample: Sequence[Delays], slack: Slack) -> tuple[str, float]:
    """The family that explains the waits best, and its log odds against the next that does."""
    named = {**rivals(laws[0]), **{_name(law): law for law in laws}}
    found: dict[str, float] = defaultdict(float)
    for name, law in named.items():
        for delays in sample:
            for delay, span in zip(delays, law.spans(delays, slack), strict=True):
                found[name] += _log(span.density(delay, slack))
    ranked = sorted(found.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] == -inf:
        return "", 0.0
    return ranked[0][0], ranked[0][1] - ranked[1][1]


def _name(law: Law) -> str:
    return f"{law.family}, cap after the draw" if law.cap_after else str(law.family)
