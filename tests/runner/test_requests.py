"""From operation and caller to the request: identities, names, bodies, addresses."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contract.model import Contract
from harness.contract.names import Names
from harness.promises.rate_limit.words import RateLimit
from harness.runner.callers import Caller, can_call_from, fresh_callers, invented_addresses
from harness.runner.requests import Composer

CALLER = Caller(7, "127.64.0.9")
PROMISE = {"id": "p", "kind": "rate_limit", "operation": "get", "key": "user", "limit": "3/s"}


def compose(operation: dict[str, Any], identity: dict[str, Any], **words: Any) -> Any:
    contract = Contract.model_validate(
        {
            "contract": 1,
            "service": "s",
            "target": {"url": "http://127.0.0.1:1"},
            "identities": {"user": identity},
            "operations": {"get": operation},
            "promises": (RateLimit.model_validate(PROMISE, strict=False),),
        },
        strict=False,
    )
    composer = Composer(contract=contract, authority="127.0.0.1:1", names=Names({"env.T": "a b"}))
    settings = {"key": "user", "source": None, "forwarded": None, "connection": None, **words}
    return composer.compose("get", CALLER, **settings)


@pytest.mark.parametrize(
    ("identity", "header", "path"),
    [
        ({"header": "X-API-Key", "value": "key-{n}"}, ("X-API-Key", "key-7"), "/a"),
        ({"bearer": "token-{n}"}, ("Authorization", "Bearer token-7"), "/a"),
        ({"query": "api_key", "value": "k {n}"}, None, "/a?api_key=k%207"),
        ({"source": True}, None, "/a"),
    ],
)
def test_an_identity_is_sent_as_declared(
    identity: dict[str, Any], header: tuple[str, str] | None, path: str
) -> None:
    """By header, bearer token, query parameter; an address needs no bytes."""
    request = compose({"call": "GET /a"}, identity)
    assert request.path == path
    assert request.identity == 7
    assert header is None or header in request.headers


def test_names_are_filled_in_and_quoted_where_they_must_be() -> None:
    """In a path they are quoted, in headers and bodies they are not."""
    operation = {
        "call": "POST /find/{n}?q={env.T}",
        "headers": {"X-Who": "{n}"},
        "json": {"text": "{text}", "list": ["{env.T}", 1, None]},
    }
    request = compose(operation, {"source": True})
    assert request.path == "/find/7?q=a%20b"
    assert ("X-Who", "7") in request.headers
    assert request.body == b'{"text": "storm", "list": ["a b", 1, null]}'
    assert ("Content-Length", str(len(request.body))) in request.headers


def test_json_null_is_sent() -> None:
    """It is a body like any other."""
    assert compose({"call": "POST /a", "json": None}, {"source": True}).body == b"null"


def test_a_kept_connection_is_not_closed() -> None:
    """Only calls on a connection of their own ask to close it."""
    kept = compose({"call": "GET /a"}, {"source": True}, connection="c")
    assert ("Connection", "close") not in kept.headers
    assert ("Connection", "close") in compose({"call": "GET /a"}, {"source": True}).headers


def test_callers_are_fresh_and_can_call() -> None:
    """Each has another number and address; none is one that must be avoided."""
    callers = fresh_callers(1, {"127.64.0.5"})
    seen = [next(callers) for _ in range(1_000)]
    assert len({caller.address for caller in seen}) == 1_000
    assert [caller.number for caller in seen] == list(range(1, 1_001))
    assert "127.64.0.5" not in {caller.address for caller in seen}
    assert not any(caller.address.endswith((".0", ".255")) for caller in seen)
    assert can_call_from(seen[-1].address)
    assert not can_call_from("192.0.2.1")


def test_invented_addresses_differ() -> None:
    """One for each call of a long trial."""
    invented = invented_addresses()
    assert len({next(invented) for _ in range(2_000)}) == 2_000
