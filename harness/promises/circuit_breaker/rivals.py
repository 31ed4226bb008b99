"""Answers without an arrival that need not be this breaker's refusal: nobody is accused of those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.history import Call
from harness.promises.answer_form import Form, lacking
from harness.promises.base import Surroundings
from harness.promises.circuit_breaker.words import CircuitBreaker

_PLAIN = {"rate_limit": 429, "concurrency_limit": 503}
"""The status of a refusal where no form of it is declared."""


def may_be_anothers(promise: CircuitBreaker, around: Surroundings, call: Call) -> bool:
    """Whether the answer to a call of which nothing arrived may be somebody else's than this breaker's.

    Another promise of the contract may have refused it, a cache may have served it, or it was given
    up while it waited for something of the service's own (a connection of a pool).
    """
    others = [
        other
        for other in around.promises
        if other.id != promise.id and call.operation in other.operation
    ]
    return (
        any(_may_refuse(other, call) for other in others if other.kind in _PLAIN)
        or _is_plain_success(promise, around, call)
        or (_waited(call) and _gave_up(promise, others, call))
    )


def _is_plain_success(promise: CircuitBreaker, around: Surroundings, call: Call) -> bool:
    """Whether it was answered like a call that went well, and not as a refusal is declared to be."""
    if not is_success(around, call):
        return False
    return promise.refusal is None or lacking(promise.refusal, call) is not None


def is_success(around: Surroundings, call: Call) -> bool:
    """Whether the status is one that means success of this operation."""
    ok = around.ok.get(call.operation)
    return call.status is not None and (call.status in ok if ok else 200 <= call.status < 300)


def _waited(call: Call) -> bool:
    """Whether the target's clock moved before it was answered: a refusal needs no time."""
    return call.ended_target_ns is not None and call.ended_target_ns > call.sent_target_ns


def _gave_up(promise: CircuitBreaker, others: Sequence[Any], call: Call) -> bool:
    deadlines = [getattr(other, "answer", None) for other in others if other.kind == "deadline"]
    if any(not isinstance(form, Form) or lacking(form, call) is None for form in deadlines):
        return True
    return promise.refusal is not None and lacking(promise.refusal, call) is not None


def _may_refuse(other: Any, call: Call) -> bool:
    form = getattr(other, "exceeded", None) or getattr(other, "rejected", None)
    if form is None:
        return call.status == _PLAIN[other.kind]
    if isinstance(form, Form):
        return lacking(form, call) is None
    return bool(call.status == form.status)
