"""The decision procedure of a breaker on small histories, each with its verdict."""

from __future__ import annotations

from typing import Any

import pytest

from harness.models.breaker.points import Point, What
from harness.models.breaker.search import decide
from tests.models.breaker_notation import points, rules

TWO = {"successes": 2, "permits": 2}
HISTORIES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("3", "F3 x", {}, True),
    ("3", "F3 F x", {}, False),
    ("3", "F2 x", {}, False),
    ("3", "F2 S F2 x", {}, False),
    ("3", "F2 N F x", {}, True),
    ("3", "F2 N F3 x", {}, True),
    ("3", "F2 N F2 x", {}, False),
    ("3", "N3 x", {}, False),
    ("3", "F3 x +58.9 S", {}, False),
    ("3", "F3 x +59.2 S", {}, True),
    ("3", "F3 x +60 x +1.1 S S", {}, True),
    ("3", "F3 x +61.1 x", {}, False),
    ("3", "F3 +30 x +29 x +2.1 S", {}, True),
    ("3", "F3 +30 x +31.1 x", {}, False),
    ("3", "F3 +62 b5/1 eS b5/5", {}, True),
    ("3", "F3 +62 b5/2", {}, False),
    ("3", "F3 +62 F x +58 x +4 S", {}, True),
    ("3", "F3 +62 F S", {}, False),
    ("3", "F3 +62 H +300 x eF +62 S", {}, True),
    ("3", "F3 +62 H eC +62 x", {}, False),
    ("3", "F3 +62 N x", {}, False),
    ("3", "H4 eF3 eS x", {}, True),
    ("3", "H4 eF3 eS S", {}, False),
    ("3", "H4 eF3 +30 eF x +31.1 x +30 S", {}, True),
    ("3", "H4 eF3 +70 eF x", {}, True),
    ("3", "F3 +62 S F x", TWO, True),
    ("3", "F3 +62 S b4/3", TWO, False),
    ("3", "F3 +62 S b4/2 eS b4/4", TWO, True),
    ("3 in 60 rolling", "F2 +68 F S", {}, True),
    ("3 in 60 rolling", "F2 +68 F x", {}, False),
    ("0.5 of 10", "S5 F5 x", {}, True),
    ("0.5 of 10", "S5 F5 F x", {}, True),
    ("0.5 of 10", "S5 F5 F2 S", {}, False),
    ("0.5 of 10", "F9 x", {}, False),
    ("0.5 of 10", "F9 S F x", {}, True),
    ("failures 4", "S F3 x", {}, True),
    ("failures 4", "F3 x", {}, False),
    ("failures 4", "F5 x", {}, False),
    ("3", "", {}, True),
    ("3", "S10", {}, True),
    ("3", "F2", {}, True),
    ("3", "x", {}, False),
]


@pytest.mark.parametrize(("contract", "history", "words", "consistent"), HISTORIES)
def test_histories(contract: str, history: str, words: dict[str, Any], consistent: bool) -> None:
    """Each history of the table is explained by some honest breaker, or by none."""
    found = decide(rules(contract, **words), points(history))
    assert (found.fatal is None) is consistent, found
    assert not found.tangled


def unseen(count: int, then: What) -> list[Point]:
    """So many calls while nobody listened, one after another, and what became of the next."""
    calls = [
        Point(what=What.UNSEEN, call=call, order=(call, call), time=(0, 0), outcome="failed")
        for call in range(count)
    ]
    return [*calls, Point(what=then, call=count, order=(count, count), time=(0, 0))]


@pytest.mark.parametrize(
    ("count", "then", "is_explained"),
    [
        (2, What.ADMITTED, True),
        (3, What.ADMITTED, False),
        (4, What.ADMITTED, False),
        (0, What.REJECTED, False),
        (1, What.REJECTED, True),
        (3, What.REJECTED, True),
        (9, What.REJECTED, True),
    ],
)
def test_calls_that_nobody_saw(count: int, then: What, is_explained: bool) -> None:
    """Each failed once at least, perhaps often, or was refused: three of them open a breaker of three."""
    found = decide(rules("3"), unseen(count, then))
    assert (found.fatal is None) is is_explained
