"""Which proof is told, and when a smaller plan counts."""

from __future__ import annotations

from harness.runner.smallest import first_of
from harness.verdict import Finding, Verdict


def finding(half: str) -> Finding:
    return Finding(half=half, said=f"{half} breaks", key="user-1", calls=(0,))


def test_the_same_half_is_told_first() -> None:
    """Other findings of the same playing stay, behind it; another half alone is not the same."""
    verdict = Verdict.broken([finding("form"), finding("upper"), finding("lower")])
    told = first_of(verdict, "upper")
    assert told is not None
    assert [one.half for one in told.findings] == ["upper", "form", "lower"]
    assert told.reason == "upper breaks"
    assert first_of(verdict, "retry_after") is None


def test_only_broken_is_broken() -> None:
    """Kept and unknown show nothing again."""
    assert first_of(Verdict.kept("fine", {}), "upper") is None
    assert first_of(Verdict.unknown("no answer"), "upper") is None
