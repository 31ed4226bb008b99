"""What a contract may say of a rate limit, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.promises.rate_limit.notation import promise


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503, 599])
def test_a_status_of_failure_alone_is_no_refusal(status: int) -> None:
    """Nobody could tell a refusal from a service that fails: the contract says what to add."""
    with pytest.raises(ValidationError, match="could not be told from a failure; add `headers`"):
        promise(exceeded={"status": status})
    assert promise(exceeded={"status": status, "headers": ["Retry-After"]})
    assert promise(exceeded={"status": status, "json": {"code": "slow_down"}})


@pytest.mark.parametrize("status", [400, 420, 429, 499])
def test_a_status_that_only_refuses_is_enough(status: int) -> None:
    """No failure of a service looks like it."""
    assert promise(exceeded={"status": status}).exceeded.status == status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"headers_always": {}}, "name at least one of `limit`, `remaining`, `reset`"),
        (
            {"headers_always": {"limit": "X-Rate", "remaining": "x-rate"}},
            "one header cannot hold two numbers",
        ),
        ({"headers_always": {"limit": "X Rate"}}, "'X Rate' is no header name"),
        ({"headers_always": {"reset": {"header": "X-Reset"}}}, "headers_always.reset.as"),
        ({"headers_always": {"reset": {"header": "X", "as": "ms"}}}, "'delta' or 'epoch'"),
        ({"exceeded": {"headers": ["Retry-After:"]}}, "is no header name"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"retry_after": "exact"}, "how true a header is that is not promised"),
        ({"trusted_proxies": ["127.0.0.2"]}, "this promise counts by user"),
        ({"limit": ["3/10s", "2/min"]}, "3/10s says nothing beside 2/min, which is stricter"),
        ({"limit": ["3/10s", "4/10s"]}, "two limits have the same window"),
        ({"refill": "5s"}, "only a bucket refills; add burst"),
        ({"burst": 3, "refill": "5s"}, "5s of 3/10s is no whole number of tokens"),
        ({"burst": 3, "window": "fixed"}, "a bucket goes with one plain limit"),
        ({"granularity": "3s"}, "3s is too coarse for 10s"),
    ],
)
def test_what_says_nothing_is_refused(words: dict[str, Any], said: str) -> None:
    """A word that no trial could judge is worse than none."""
    with pytest.raises(ValidationError) as refused:
        promise(**words)
    assert said in str(refused.value)


def test_headers_are_named_one_by_one() -> None:
    """Any of the three, and how the reset is written."""
    headers = promise(
        headers_always={"remaining": "X-Left", "reset": {"header": "X-Reset", "as": "epoch"}}
    ).headers_always
    assert headers is not None
    assert headers.names == ("X-Left", "X-Reset")
    assert headers.reset is not None
    assert headers.reset.form == "epoch"
