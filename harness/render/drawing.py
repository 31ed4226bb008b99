"""Which drawing shows a proof: each kind has its own; of one that nobody here knows there is only a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError

from harness.render import attempts, breaker, spans, visits
from harness.render.case import Case, Part
from harness.render.figure import Figure, described, figure
from harness.render.strip import Strip
from harness.render.text import count
from harness.render.timeline import timeline

Known = TypeVar("Known", bound=Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is drawn of a counterexample; all of it may be missing.

    Attributes:
        described: in words, for who cannot see it.
        figure: bars of calls against a limit.
        strip: lanes on the time axis.
        waits, law: of a retry.
        counts: of what 200 calls left behind.
        reasons: why each reading forbids what happened.
        proved_ns: when the proof was complete, on the machine's clock; None where with its last call.
    """

    described: str = ""
    figure: Figure | None = None
    strip: Strip | None = None
    waits: tuple[attempts.Wait, ...] = ()
    law: attempts.Law | None = None
    counts: spans.Counts | None = None
    reasons: tuple[str, ...] = ()
    proved_ns: int | None = None

    @property
    def narrow(self) -> bool:
        """Whether the timeline has room beside it."""
        return self.figure is not None and self.figure.places <= 2

    @property
    def words(self) -> tuple[str, ...]:
        """What it shows beside the timeline, for pages without drawings."""
        waits = [f"{each.name}: {each.said}" for each in self.waits]
        law = [] if self.law is None else ["; ".join(self.law.said)]
        counts = [] if self.counts is None else [row.said for row in self.counts.rows]
        return (*waits, *law, *counts, *self.reasons)


def drawing(case: Case) -> Drawing:
    """The drawing of a proof; of one that its kind's drawing cannot show, its calls on the time axis."""
    draw = _KINDS.get(case.kind)
    if draw is None:
        return Drawing()
    found = draw(case)
    if found is not None:
        return found
    strip = visits.draw_calls(case)
    told = f"{count(len(case.calls), 'call')} in trial {case.trial.name}"
    return Drawing(described=told, strip=strip)


def _proof(kind: type[Known], case: Case) -> Known | None:
    """The proof, if it is one of that kind's."""
    try:
        return kind.model_validate(case.proof)
    except ValidationError:
        return None


def _rate_limit(case: Case) -> Drawing:
    line = timeline(case)
    return Drawing(described=described(case, line), figure=figure(case, line))


def _circuit_breaker(case: Case) -> Drawing | None:
    proof = _proof(breaker.Proof, case)
    if proof is None:
        return None
    return Drawing(
        described=breaker.described(proof),
        strip=breaker.draw(case, proof),
        reasons=tuple(breaker.reasons(proof)),
    )


def _retry(case: Case) -> Drawing | None:
    proof = _proof(attempts.Proof, case)
    strip = None if proof is None else attempts.draw(case, proof)
    if proof is None or strip is None:
        return None
    return Drawing(
        described=attempts.described(proof),
        strip=strip,
        waits=attempts.waits(proof),
        law=attempts.law(proof),
    )


def _concurrency_limit(case: Case) -> Drawing | None:
    proof = _proof(visits.Proof, case)
    if proof is None:
        return None
    return Drawing(
        described=visits.described(proof),
        strip=visits.draw(case, proof),
        proved_ns=visits.proved_ns(case, proof),
    )


def _deadline(case: Case) -> Drawing | None:
    proof = _proof(spans.Proof, case)
    if proof is not None:
        return Drawing(
            described=spans.described(proof),
            strip=spans.draw(case, proof),
            proved_ns=spans.proved_ns(case, proof),
        )
    leak = _proof(spans.Leak, case)
    if leak is None:
        return None
    return Drawing(
        described=f"{leak.what} grow by {leak.a_call:g} a call", counts=spans.counts(leak)
    )


_KINDS: Final[dict[str, Callable[[Case], Drawing | None]]] = {
    "rate_limit": _rate_limit,
    "circuit_breaker": _circuit_breaker,
    "retry": _retry,
    "concurrency_limit": _concurrency_limit,
    "deadline": _deadline,
}
