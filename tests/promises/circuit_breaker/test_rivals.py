"""Answers without an arrival that need not be the breaker's: nobody is accused of them."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from harness.history import Arrival, Call
from harness.promises.answer_form import Form
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.matching import _matched
from harness.promises.circuit_breaker.rivals import may_be_anothers
from harness.promises.circuit_breaker.words import Refusal
from harness.units import NS_PER_S
from tests.promises.circuit_breaker.simulated import promise

CALL = Call(
    operation="search",
    caller="a",
    identity=None,
    source="127.0.0.1",
    forwarded=None,
    connection=1,
    written_seq=1,
    answered_seq=2,
    written_ns=10,
    first_byte_ns=20,
    last_byte_ns=20,
    sent_target_ns=0,
    answered_target_ns=0,
    sent_wall_ns=0,
    answered_wall_ns=0,
    status=503,
    token="sp-00000000-1",
    ended_ns=20,
    ended_target_ns=0,
)
ARRIVAL = Arrival(
    dependency="search",
    number=1,
    connection=1,
    use=1,
    method="GET",
    path="/",
    headers=(),
    body=b"",
    digest="",
    token=CALL.token,
    at_ns=15,
    target_ns=0,
    wall_ns=0,
    state="answered",
    status=200,
    ended_ns=18,
    ended_target_ns=0,
)


def around(*promises: Any) -> Surroundings:
    return Surroundings(
        promises=promises,
        ok={},
        frozen=True,
        can_call_from=lambda _: True,
        rng=Random(1),
    )


def deadline(form: object) -> SimpleNamespace:
    return SimpleNamespace(id="d", kind="deadline", operation=("search",), answer=form)


OPEN = Refusal(status=(503,))
LATER = {"ended_target_ns": 5 * NS_PER_S}


@pytest.mark.parametrize(
    ("declared", "others", "changed", "wanted"),
    [
        (None, (), {}, False),
        (None, (), {"status": 200}, True),  # a cache
        (OPEN, (), {"status": 200}, True),
        (Refusal(status=(200,)), (), {"status": 200}, False),  # the declared fallback
        (OPEN, (), {"status": 504}, False),  # a refusal of the wrong form, at once
        (OPEN, (), {"status": 504} | LATER, True),  # it waited for a pool
        (OPEN, (), LATER, False),
        (OPEN, (deadline(Form(status=(503,))),), LATER, True),
        (OPEN, (deadline(Form(status=(504,))),), LATER, False),
        (OPEN, (deadline(None),), LATER, True),
        (OPEN, (deadline(None),), {}, False),  # a deadline does not end a call at once
    ],
)
def test_whose_an_answer_may_be(
    declared: Refusal | None, others: Any, changed: dict[str, Any], wanted: bool
) -> None:
    """Only what a breaker alone can have answered is taken for its refusal."""
    its = promise().model_copy(update={"open": declared, "operation": ("search",)})
    assert may_be_anothers(its, around(*others), replace(CALL, **changed)) is wanted


def test_what_a_service_asks_for_itself_belongs_to_no_call() -> None:
    """Where calls are known by their tokens, a request without one is the service's own."""
    own = replace(ARRIVAL, number=2, token=None, at_ns=16)
    attempts, unmatched = _matched({0: CALL}, {}, [ARRIVAL, own], [30])
    assert ([each.number for each in attempts[0]], unmatched) == ([1], 0)
    attempts, unmatched = _matched({0: CALL}, {}, [own], [30])
    assert ([each.number for each in attempts[0]], unmatched) == ([2], 0)
