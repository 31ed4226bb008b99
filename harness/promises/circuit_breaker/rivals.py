"""Answers that may be another promise's refusal: nobody is accused of those."""

from __future__ import annotations

from typing import Any

from harness.history import Call
from harness.promises.answer_form import Form, lacking
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.words import CircuitBreaker

_PLAIN = {"rate_limit": 429, "concurrency_limit": 503}
"""The status of a refusal where no form of it is declared."""


def may_be_anothers(promise: CircuitBreaker, around: Surroundings, call: Call) -> bool:
    """Whether another promise of the contract may have refused the call before this breaker did."""
    return any(
        _may_refuse(other, call)
        for other in around.promises
        if other.id != promise.id and call.operation in other.operation and other.kind in _PLAIN
    )


def _may_refuse(other: Any, call: Call) -> bool:
    form = getattr(other, "exceeded", None) or getattr(other, "rejected", None)
    if form is None:
        return call.status == _PLAIN[other.kind]
    if isinstance(form, Form):
        return lacking(form, call) is None
    return bool(call.status == form.status)
