"""What is said of a contradiction: which word, the sentence, and what a drawing needs."""

from __future__ import annotations

from typing import Any

import pytest

from harness.models.breaker.search import decide
from harness.promises.circuit_breaker.numbers import Numbers
from harness.promises.circuit_breaker.telling import Tale
from harness.units import NS_PER_S
from tests.models.breaker_notation import points, rules

TWO = {"successes": 2, "permits": 2}
BROKEN: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("3", "F3 F x", {}, "threshold", "not open after 3 failures"),
    ("3", "F2 x", {}, "threshold", "opened early after 2 of 3"),
    ("3", "F2 S F x", {}, "threshold", "opened early after 1 of 3"),
    ("3", "x", {}, "threshold", "opened early after 0 failures"),
    (
        "3",
        "S F2 S F2 x",
        {},
        "threshold",
        "opened early after 2 of 3: the call at 0.000 s was refused",
    ),
    ("0.5 of 10", "S8 F3 x", {}, "threshold", "opened early after 3 failures among 11 results"),
    ("0.5 of 10", "S2 F4 x", {}, "threshold", "opened early after 4 of 10"),
    ("3", "N3 x", {}, "uncounted", "uncounted outcome counted"),
    ("3", "F3 x +58.9 S", {}, "early", "half-open 1.100 s early"),
    ("3", "F3 x +30 S", {}, "open", "reached the dependency while open, 30.000 s after opening"),
    ("3", "F3 x +61.1 x", {}, "late", "not half-open by 60.000 s"),
    ("3", "F3 +62 b5/2", {}, "permits", "2 trials at once at 62.000 s, 1 allowed"),
    ("3", "F3 +62 F S", {}, "reopening", "failing trial did not reopen it"),
    ("3", "F3 +62 N x", {}, "wedged", "wedged: refused at 62.000 s with no trial in flight"),
    ("3", "H4 eF3 eS S", {}, "late_success", "late success closed it"),
    ("3", "F3 +62 S b4/3", TWO, "closing", "closed after 1 of 2 good trials"),
    ("3", "F3 +62 S F S", TWO, "closing", "closed after 1 of 2 good trials"),
    ("3", "F3 +62 S2 x", TWO, "closing", "not closed after 2 of 2 good trials"),
    ("3", "F3 +62 H w", {"prompt": True}, "waits", "refusal waits"),
    ("3 in 60 rolling", "F2 +68 F x", {}, "expiry", "old failure counted"),
]


def tale(contract: str, history: str, words: dict[str, Any]) -> Tale:
    its = rules(contract, **words)
    found = decide(its, points(history))
    assert found.fatal is not None
    return Tale(Numbers(its, frozen=True), found, found.fatal, 0, "around each attempt")


@pytest.mark.parametrize(("contract", "history", "words", "half", "said"), BROKEN)
def test_each_break_has_its_word(
    contract: str, history: str, words: dict[str, Any], half: str, said: str
) -> None:
    """The sentence opens with the word of the semantics, and the half names it for reports."""
    finding = tale(contract, history, words).finding("a")
    assert (finding.half, finding.said[: len(said)]) == (half, said)


def test_the_proof_holds_what_a_drawing_needs() -> None:
    """Lanes of what it may have been, every point, and why each reading forbids the last one."""
    proof = tale("3", "F3 x +30 S", {}).proof()
    assert [lane["states"] for lane in proof["lanes"]] == [["closed"], ["open"]]
    assert proof["lanes"][1] == {
        "from_ns": 0,
        "to_ns": 30 * NS_PER_S,
        "states": ["open"],
        "opened_ns": [0, 0],
    }
    assert [point["what"] for point in proof["points"]].count("admitted") == 4
    assert [reading["why"] for reading in proof["readings"]] == [
        "opened at 0.000 s, T 60.000 s: no admission before 59.000 s"
    ]


def test_a_finding_names_all_calls_up_to_the_last() -> None:
    """Its calls are those that a smallest proof needs, the fatal one among them."""
    points_of = tale("3", "F3 F x", {})
    assert points_of.fatal.group.calls[0] == 3
    assert points_of.calls() == (0,)  # the notation numbers calls, not indexes of a history
