"""The waits of a sample of calls against the declared backoff: supports, then statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from harness.models.backoff.law import Law
from harness.models.backoff.looks import LEVEL, LOOKS, Look, Reading, look
from harness.promises.retry.attempts import Gap, Tries
from harness.promises.retry.demand import is_usual, repeats, room_for
from harness.promises.retry.proof import edges, explained, finding, ms, named, span_of, table
from harness.promises.retry.rules import Case, hidden, plain
from harness.units import number_of
from harness.verdict import Finding

_LEVEL: Final = LEVEL / len(LOOKS)


def gaps(case: Case, tries: Tries) -> tuple[Gap, ...]:
    """The first waits of a call that the declared backoff speaks of, in order."""
    promise, real = case.promise, plain(case.promise, tries)
    shortest = min((law.span(1).bottom_ns for law in promise.laws), default=0.0)
    if hidden(promise, tries) and shortest <= promise.slack.late_ns + promise.slack.early_ns:
        return ()  # a short wait and a replaced connection look alike
    found = []
    for k, (one, _) in enumerate(pairwise(real.attempts), start=1):
        if not is_usual(promise, real, k) or repeats(promise, one) is False:
            break
        found.append(real.gap(k, case.clock))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Outside:
    """The first wait that one reading cannot have drawn."""

    law: Law
    tries: Tries
    k: int
    gap: Gap
    low_ns: float
    high_ns: float

    @property
    def is_early(self) -> bool:
        return self.gap.most_ns < self.low_ns

    @property
    def wait_ns(self) -> int:
        return self.gap.most_ns if self.is_early else self.gap.least_ns


def _outside(case: Case, law: Law) -> _Outside | None:
    slack = case.promise.slack
    # Between attempts that are seen a refused one may have been, with a wait of its own.
    known = (tries for tries in case.tries if not case.may_lack(tries))
    for tries in (part for each in known for part in each.apart):
        before: float | None = None
        for k, gap in enumerate(gaps(case, tries), start=1):
            span = law.span(k, before)
            low, high = span.bottom_ns - slack.early_ns, span.top_ns + slack.late_ns
            if gap.most_ns < low or gap.least_ns > high:
                shown = edges(span, case.promise)
                return _Outside(law, plain(case.promise, tries), k, gap, *shown)
            before = gap.most_ns + slack.early_ns
    return None


def outside(case: Case) -> Finding | None:
    """Waits that no reading of the backoff can have drawn."""
    found = [_outside(case, law) for law in case.promise.laws]
    told = [each for each in found if each is not None]
    if not told or len(told) < len(found):
        return None
    last = max(told, key=lambda each: each.tries.call)
    first = told[0]
    said = _sentence(case, first)
    if len({(each.tries.call, each.k) for each in told}) > 1:
        said += (
            f"; the reading that allows it does not allow the {ms(last.wait_ns)} of another wait"
        )
    made = finding(
        case.promise,
        "delay",
        said,
        first.tries,
        clock=case.clock,
        k=first.k,
        readings=[
            {
                "reading": named(each.law),
                "call": each.tries.call,
                "k": each.k,
                "wait_ns": each.wait_ns,
                "lo_ns": int(each.low_ns),
                "hi_ns": None if each.high_ns == float("inf") else int(each.high_ns),
            }
            for each in told
        ],
    )
    calls = tuple(sorted({each.tries.call for each in told}))
    return Finding(half=made.half, said=made.said, key=made.key, calls=calls, proof=made.proof)


def _sentence(case: Case, found: _Outside) -> str:
    band = f"where {ms(found.low_ns)} to {ms(found.high_ns)} are allowed"
    wait = f"{ms(found.wait_ns)} after the end of attempt {found.k}"
    slack, cap = case.promise.slack, found.law.cap_ns
    if found.is_early:
        early = ms(found.low_ns - found.wait_ns)
        said = f"attempt {found.k + 1} came {early} early: {wait}, {band}"
    elif found.wait_ns > cap + slack.late_ns and found.high_ns <= 2 * cap + slack.late_ns:
        said = f"attempt {found.k + 1} came beyond the cap of {ms(cap)}: {wait}, {band}"
    else:
        said = (
            f"attempt {found.k + 1} came {ms(found.wait_ns - found.high_ns)} late: {wait}, {band}"
        )
    return said + _pattern(case, found)


def _pattern(case: Case, found: _Outside) -> str:
    """What a sequence without jitter looks like instead: fixed waits, or another initial."""
    waits = [gap.most_ns for gap in gaps(case, found.tries)]
    law, slack = found.law, case.promise.slack
    if law.family != "none" or len(waits) < 2:
        return ""
    nominal = [law.span(k).top_ns for k in range(1, len(waits) + 1)]
    if max(waits) - min(waits) <= slack.whole_ns < max(nominal) - min(nominal):
        return "; all waits are the same: fixed, no backoff"
    scale = waits[0] / nominal[0] if nominal[0] else 0.0
    scaled = all(
        abs(w - scale * x) <= slack.whole_ns * max(1.0, scale)
        for w, x in zip(waits, nominal, strict=True)
    )
    return f"; all waits are {scale:.2g} times those of the declared initial one" if scaled else ""


# -- statistics --------------------------------------------------------------------------------


def sample(case: Case) -> Iterator[tuple[Tries, tuple[int, ...]]]:
    """The calls whose waits are known exactly, with those waits, as far as no total chose among them."""
    for tries in case.tries:
        waits: list[int] = []
        real = plain(case.promise, tries)
        for k, gap in enumerate(gaps(case, tries), start=1):
            before = waits[-1] + case.promise.slack.early_ns if waits else None
            spans = [law.span(k, before) for law in case.promise.laws]
            if not gap.is_exact or not all(room_for(case.promise, real, k, s) for s in spans):
                break
            waits.append(gap.most_ns)
        if waits:
            yield tries, tuple(waits)


def looked(case: Case) -> tuple[Look, Finding | None]:
    """What the waits prove of the declared law, by the sample of these calls."""
    known = list(sample(case))
    seen = look(case.promise.laws, [waits for _, waits in known], case.promise.slack)
    if seen.status != "broken" or all(reading.outside for reading in seen.readings):
        return seen, None  # waits outside every reading are told as such
    used = [tries for tries, _ in known[: seen.calls]]
    if any(tries.is_mixed for tries in used):
        return seen, None  # they may be the waits of several things
    return seen, _statistical(case, seen, used)


def _statistical(case: Case, seen: Look, used: Sequence[Tries]) -> Finding:
    reading = next(each for each in seen.readings if each.outside is None)
    alike = [t for t in reading.tests if t.name == "together" and t.p * len(reading.tests) < _LEVEL]
    worst = (
        alike[0] if alike else reading.worst
    )  # that calls are alike says more than where they lie
    if worst is None:  # cannot be: a reading that is out without a wait outside has a test
        raise AssertionError(seen)
    p = worst.p * len(reading.tests)
    declared = {named(law) for law in case.promise.laws}
    best = "" if explained(seen.best) in declared else explained(seen.best)
    if worst.name == "together":
        said = (
            f"all callers together: {worst.hits} of {number_of(worst.n, 'pair')} of waits are equal "
            f"(p {p:.1e} for {named(reading.law)})"
        )
    else:
        where = "all waits" if worst.position is None else f"wait {worst.position}"
        said = (
            f"{_manner(reading)} than declared: {where} of {seen.calls} calls, by the test `{worst.name}` "
            f"(n {worst.n}, p {p:.1e} for {named(reading.law)})"
        )
        if best:
            said += f"; best explained as {best}"
    places = reading.places.get(worst.position or min(reading.places, default=0), ())
    proof = {
        **span_of(used[0]),
        "to_ns": max(span_of(each)["to_ns"] for each in used),
        "attempts": table(case.promise, used[0], case.clock),
        "test": worst.name,
        "position": worst.position,
        "n": worst.n,
        "p": p,
        "level": _LEVEL,
        "looked_at": seen.calls,
        "places": [round(u, 6) for u in sorted(places)],
        "best": best,
        "odds": None if seen.odds == float("inf") else round(seen.odds, 1),
        "readings": [_told(each) for each in seen.readings],
    }
    half = "together" if worst.name == "together" else "jitter"
    calls = tuple(each.call for each in used)
    return Finding(half=half, said=said, key=used[0].caller, calls=calls, proof=proof)


def _manner(reading: Reading) -> str:
    """Narrower, wider or elsewhere, as the places of all positions lie."""
    us = [u for places in reading.places.values() for u in places]
    if not us:
        return "jitter is elsewhere"
    mean = sum(us) / len(us)
    spread = sum((u - mean) ** 2 for u in us) / len(us)
    if abs(mean - 0.5) > 0.15:
        return "jitter is elsewhere"
    return f"jitter is {'narrower' if spread < 1 / 12 else 'wider'}"


def _told(reading: Reading) -> dict[str, object]:
    return {
        "reading": named(reading.law),
        "p": reading.p,
        "outside": None
        if reading.outside is None
        else {
            "k": reading.outside.k,
            "wait_ns": reading.outside.delay_ns,
            "call": reading.outside.call,
        },
        "left_out": list(reading.left_out),
    }
