"""What is said of a promise: kept, broken or unknown, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Three answers, never two. Unknown is never green."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One proof that a promise is broken: a value that can be judged again from the history alone.

    Attributes:
        half: which part of the promise breaks, e.g. ``upper``, ``lower``, ``form``, ``retry_after``.
        said: the sentence for people, with the numbers that matter.
        key: the caller it happened to, as named in the history.
        calls: indexes in the history of the calls that prove it, the least set.
        proof: the numbers of the proof (JSON values), e.g. ``{"from_ns": 0, "to_ns": 5, "bound": 3}``.
    """

    half: str
    said: str
    key: str
    calls: tuple[int, ...]
    proof: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status with its reason, what was counted, and the findings that prove *broken*.

    Attributes:
        status: kept, broken or unknown.
        reason: one sentence for people.
        evidence: what was counted, e.g. ``{"admitted": 203, "refused": 5}``.
        findings: at least one where broken, else empty.
    """

    status: Status
    reason: str
    evidence: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @classmethod
    def kept(cls, reason: str, evidence: Mapping[str, int]) -> Verdict:
        """A promise held, and ``evidence`` counts why we may say so."""
        return cls(Status.KEPT, reason, evidence)

    @classmethod
    def broken(
        cls, findings: Iterable[Finding], evidence: Mapping[str, int] | None = None
    ) -> Verdict:
        """A promise was contradicted; the first finding is the one told first."""
        found = tuple(findings)
        if not found:
            raise ValueError("a broken verdict needs at least one finding: its proof")
        return cls(Status.BROKEN, found[0].said, evidence or {}, found)

    @classmethod
    def unknown(cls, reason: str, evidence: Mapping[str, int] | None = None) -> Verdict:
        """Nothing is proved either way; ``reason`` says why and what would settle it."""
        return cls(Status.UNKNOWN, reason, evidence or {})


_ORDER = (Status.BROKEN, Status.UNKNOWN, Status.KEPT)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that decides: broken before unknown before kept; of none at all, unknown."""
    found = sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.status))
    return found[0] if found else Verdict.unknown("nothing was judged")
