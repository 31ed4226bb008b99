"""A retry's proof: a call's attempts on the time axis, each wait against its band, and the law of many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from harness.render.axis import axis
from harness.render.case import Case, Ns, Part
from harness.render.strip import Sheet, Strip, few
from harness.render.text import count, seconds, span

_FIRST, _LAST = 6, 3
_BAR_PX = 17
_ROOM: Final = 0.2
"""Of a band's or wait's spread, beside it."""
_LAW_PX: Final = 220
_LAW_MOST: Final = 400


class _Band(Part):
    reading: str = ""
    lo_ns: Ns
    hi_ns: Ns | None = None


class _Attempt(Part):
    k: int
    arrived_ns: Ns
    ended_ns: Ns | None = None
    outcome: int | str = ""
    method: str = ""
    next_ns: Ns | None = None
    wait_ns: Ns | None = None
    wait_least_ns: Ns | None = None
    bands: tuple[_Band, ...] = ()


class Proof(Part):
    """What ``retry`` writes into a finding: times of the target, and the law that waits were held against."""

    origin_ns: Ns
    attempts: tuple[_Attempt, ...]
    k: int | None = None
    most: int | None = None
    advised_ns: Ns | None = None
    least_ns: Ns | None = None
    total_ns: Ns | None = None
    test: str | None = None
    n: int | None = None
    p: float | None = None
    level: float | None = None
    looked_at: int | None = None
    best: str | None = None
    places: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One wait on a scale of its own; places are percent of the width.

    Attributes:
        bands: of each reading: its name, from and to.
        wait: from and to; both the same where the wait is known exactly.
        is_out: it lies outside of every band.
        low, high: words of the scale's ends.
    """

    name: str
    said: str
    bands: tuple[tuple[str, float, float], ...]
    wait: tuple[float, float]
    is_out: bool
    low: str
    high: str

    @property
    def height(self) -> int:
        """In pixels."""
        return 12 + 13 * max(1, len(self.bands))


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Where in its band each wait of many calls lay, sorted, against what the declared law would give.

    Attributes:
        path: of the drawing, a dot each: in a square of ``size`` pixels, upwards.
        said: the test, how many waits, and how improbable they are.
    """

    path: str
    said: tuple[str, ...]
    size: int = _LAW_PX


# -- on the axis -------------------------------------------------------------------------------------


def draw(case: Case, proof: Proof) -> Strip | None:
    """The user's call, and each attempt at the dependency."""
    if not proof.attempts:
        return None
    shown = list(few(proof.attempts, _FIRST, _LAST))
    call = next((c for c in case.calls if c.index in case.witness[:1]), None)
    grain_ns = 1 if case.held else 1_000_000

    def since(ns: int) -> int:
        return (ns - proof.origin_ns) // grain_ns * grain_ns

    stops = {since(each.arrived_ns) for each in shown}
    stops |= {since(each.ended_ns) for each in shown if each.ended_ns is not None}
    ended = None if call is None or call.ended_target_ns is None else since(call.ended_target_ns)
    if call is not None:
        stops |= {0} if ended is None else {0, ended}
    sheet = Sheet(axis(sorted(stops)), case.held)
    x = sheet.axis.of
    if call is not None:
        to_x = 100.0 if ended is None else x(ended)
        sheet.title("the call" + ("" if ended is None else f": {_answer(call.status, call.error)}"))
        sheet.bar(x(0), to_x, "call", 7)
        sheet.y += 17
    left_out = len(proof.attempts) - len(shown)
    more = f"; {count(left_out, 'more attempt')} in between" if left_out else ""
    sheet.title(f"attempts at the dependency: {len(proof.attempts):,}{more}")
    proved = _proved(proof)
    for each in shown:
        to_x = 100.0 if each.ended_ns is None else x(since(each.ended_ns))
        is_hot = each.k in proved
        said = f"{each.k}: {each.method} {each.outcome}".strip()
        sheet.named_bar(x(since(each.arrived_ns)), to_x, "asked", _BAR_PX, said, proves=is_hot)
        sheet.y += _BAR_PX + 4
    fatal = next((x(since(each.arrived_ns)) for each in shown if each.k in proved), None)
    return sheet.done(fatal)


def _answer(status: int | None, error: str | None) -> str:
    return str(status) if status else f"no answer ({error or 'none came'})"


def _proved(proof: Proof) -> frozenset[int]:
    """The attempts that came when they should not have."""
    if proof.most is not None:
        return frozenset(each.k for each in proof.attempts if each.k > proof.most)
    return frozenset() if proof.k is None else frozenset({proof.k + (proof.total_ns is None)})


# -- waits -------------------------------------------------------------------------------------------


def waits(proof: Proof) -> tuple[Wait, ...]:
    """Each wait that a band is declared for, or that the dependency advised."""
    declared = proof.attempts[: (proof.most or len(proof.attempts)) - 1]
    found = [_wait(proof, each) for each in few(declared, _FIRST, _LAST)]
    return tuple(each for each in found if each is not None)


def _wait(proof: Proof, each: _Attempt) -> Wait | None:
    bands = list(each.bands[:4])
    if proof.k == each.k and proof.least_ns is not None:
        bands = [_Band(reading="Retry-After", lo_ns=proof.least_ns)]
    if each.wait_ns is None or not bands:
        return None
    most, least = each.wait_ns, each.wait_ns if each.wait_least_ns is None else each.wait_least_ns
    edges = [most, least, *(band.lo_ns for band in bands)]
    edges += [band.hi_ns for band in bands if band.hi_ns is not None]
    room = max(1, int(_ROOM * (max(edges) - min(edges))))
    low, high = max(0, min(edges) - room), max(edges) + room

    def x(ns: int) -> float:
        return round(100 * (ns - low) / (high - low), 2)

    out = all(most < b.lo_ns or (b.hi_ns is not None and least > b.hi_ns) for b in bands)
    waited = span(most) if least == most else f"{span(least)} to {span(most)}"
    return Wait(
        name=f"wait {each.k}",
        said=f"{waited}, {' or '.join(_band(band, named=len(bands) > 1) for band in bands)}",
        bands=tuple(
            (band.reading, x(band.lo_ns), 100.0 if band.hi_ns is None else x(band.hi_ns))
            for band in bands
        ),
        wait=(x(least), x(most)),
        is_out=out,
        low=span(low),
        high=span(high),
    )


def _band(band: _Band, *, named: bool) -> str:
    high = "or more" if band.hi_ns is None else f"to {span(band.hi_ns)}"
    return f"band {span(band.lo_ns)} {high}" + (f" ({band.reading})" if named else "")


# -- the law -----------------------------------------------------------------------------------------


def law(proof: Proof) -> Law | None:
    """The sorted places of the worst position against the diagonal, if many waits are the proof."""
    if not proof.places or proof.test is None:
        return None
    us = sorted(proof.places)[:_LAW_MOST]
    dots = (
        f"M{_LAW_PX * (n - 0.5) / len(us):.1f} {_LAW_PX * (1 - u):.1f}h0"
        for n, u in enumerate(us, start=1)
    )
    said = [f"test: {proof.test}, over {count(proof.n or len(us), 'wait')}"]
    if proof.p is not None:
        level = "" if proof.level is None else f", broken below {proof.level:.1e}"
        said.append(f"p {proof.p:.1e}{level}")
    if proof.looked_at:
        said.append(f"the waits of {count(proof.looked_at, 'call')}")
    if proof.best:
        said.append(f"best explained as {proof.best}")
    return Law(path="".join(dots), said=tuple(said))


def described(proof: Proof) -> str:
    """The drawing in words."""
    return "; ".join(_told(proof.origin_ns, list(few(proof.attempts, _FIRST, _LAST))))


def _told(origin_ns: int, attempts: Sequence[_Attempt]) -> Iterator[str]:
    for each in attempts:
        yield f"attempt {each.k} at {seconds(each.arrived_ns - origin_ns)}: {each.outcome}"
