"""What a contract may say of retries, and what is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from harness.contract.schema import contract_schema
from harness.promises.retry.words import Retry
from tests.promises.retry.notation import promise

SCHEMA = contract_schema({"retry": Retry})
GOOD: list[dict[str, Any]] = [
    {"attempts": 4},
    {"attempts": {"max": 4}},
    {"backoff": {"initial": "100ms", "factor": 2, "cap": "5s", "jitter": "full"}},
    {"backoff": {"initial": "100ms", "jitter": {"proportional": 0.2}}},
    {"backoff": {"initial": "100ms", "jitter": {"additive": "1s"}, "resolution": "1s"}},
    {"backoff": {"initial": "100ms", "jitter": {"upward": 0.2}}},
    {"backoff": {"delays": ["0s", "400ms", "800ms"]}},
    {"backoff": {"jitter": "some", "spread": {"share": 0.5, "within": "250ms"}, "growing": True}},
    {"retry_on": 503},
    {"retry_on": None, "never_on": [400, 404]},
    {"methods": ["GET", "POST"], "idempotency_key": "Idempotency-Key"},
    {"methods": {"GET": "all", "POST": ["connection"]}},
    {"respects_retry_after": True, "retry_after_max": "30s", "gives_up": "no"},
    {"total": "10s", "call_timeout": "2s", "client_gone": "stops"},
    {"budget": {"ratio": 1.1, "over": "60s"}},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"attempts": 1}, "greater than or equal to 2"),
    ({"attempts": {}}, "write a number, or `{max: 4}`"),
    ({"backoff": {"jitter": "full"}}, "initial: is missing"),
    ({"backoff": {"initial": "100ms", "jitter": "fool"}}, "'none', 'some', 'full'"),
    (
        {"backoff": {"initial": "100ms", "jitter": {"additive": "1s", "upward": 0.2}}},
        "write one of",
    ),
    ({"backoff": {"jitter": "some", "initial": "1s"}}, "`some` judges no base"),
    ({"backoff": {"initial": "1s", "growing": True}}, "go with `jitter: some`"),
    ({"backoff": {"initial": "1s", "delays": ["1s"]}}, "in place of initial"),
    (
        {"backoff": {"initial": "1s", "factor": 2, "jitter": "decorrelated"}},
        "3 times the one before",
    ),
    ({"backoff": {"initial": "1s", "cap": "500ms"}}, "cap: is shorter than initial"),
    ({"backoff": {"delays": ["1s", "2s"]}}, "4 attempts have 3 waits"),
    ({"retry_on": ["tim"]}, "'tim' is no failure: a status, `timeout` or `connection`"),
    ({"retry_on": [200]}, "200 is no status of a failure"),
    ({"never_on": [400]}, "leave it out"),
    ({"methods": ["get"]}, "write it in capitals"),
    ({"idempotency_key": "no header"}, "is no header name"),
    ({"gives_up": False}, "goes with `respects_retry_after: true`"),
    ({"retry_after_max": "1s"}, "retry_after_max: goes with"),
    ({"budget": {"ratio": 0.5, "over": "60s"}}, "greater than or equal to 1"),
    ({"backof": {}}, "Extra inputs"),
]


@pytest.mark.parametrize("words", GOOD)
def test_good_words(words: dict[str, Any]) -> None:
    """Each reads, and an editor underlines nothing."""
    assert promise(**words)
    assert not [*_schema_errors(words)]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_bad_words_say_what_is_wrong(words: dict[str, Any], said: str) -> None:
    """Refused, with what is allowed."""
    with pytest.raises(ValidationError) as error:
        promise(**words)
    assert said in str(error.value)


def _schema_errors(words: dict[str, Any]) -> list[str]:
    contract = {
        "contract": 1,
        "service": "x",
        "target": {"url": "http://127.0.0.1:1"},
        "operations": {"fetch": {"call": "GET /"}},
        "promises": [{"id": "r", "kind": "retry", "operation": "fetch"}],
    }
    contract["promises"][0] |= {k: v for k, v in words.items() if v is not None}  # type: ignore[index]
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(contract)]


def test_defaults() -> None:
    """Idempotent methods, whatever failure is declared; no readings without a backoff."""
    plain = Retry.model_validate_json(json.dumps({"id": "r", "kind": "retry", "operation": "get"}))
    assert set(plain.methods) == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}
    assert plain.laws == ()
    assert plain.most is plain.exactly is None


def test_the_cap_has_two_readings_where_it_is_reached() -> None:
    """Before and after the draw; one where the waits cannot tell them apart."""
    law = {"initial": "1s", "factor": 2, "jitter": "full"}
    assert len(promise(backoff=law | {"cap": "3s"}).laws) == 2
    assert len(promise(backoff=law | {"cap": "10s"}).laws) == 1
    assert promise(backoff=law | {"resolution": "1s"}).slack.late_ns == 1_002_001_000
