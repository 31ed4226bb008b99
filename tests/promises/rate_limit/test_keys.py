"""Whose budget a call uses: computed by us, from what was sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.promises.rate_limit.check import Letter, judge
from harness.promises.rate_limit.keys import key_of
from tests.promises.rate_limit.notation import SETTING, calls, history, joined, promise

PROXIES = ["127.0.0.9", "10.0.0.1"]


@pytest.mark.parametrize(
    ("source", "forwarded", "trusted", "key"),
    [
        ("127.0.0.2", None, [], "127.0.0.2"),
        ("::ffff:127.0.0.2", None, [], "127.0.0.2"),
        ("::1", None, [], "::1"),
        ("0:0:0:0:0:0:0:1", None, [], "::1"),
        ("", None, [], None),
        ("127.0.0.2", "9.9.9.9", [], "127.0.0.2"),
        ("127.0.0.2", "9.9.9.9", PROXIES, "127.0.0.2"),
        ("127.0.0.9", None, PROXIES, "127.0.0.9"),
        ("127.0.0.9", "9.9.9.9", PROXIES, "9.9.9.9"),
        ("::ffff:127.0.0.9", "9.9.9.9", PROXIES, "9.9.9.9"),
        ("127.0.0.9", "8.8.8.8, 9.9.9.9", PROXIES, "9.9.9.9"),
        ("127.0.0.9", "spoof, 9.9.9.9", PROXIES, "9.9.9.9"),
        ("127.0.0.9", "8.8.8.8, 9.9.9.9, 10.0.0.1", PROXIES, "9.9.9.9"),
        ("127.0.0.9", "9.9.9.9,::ffff:10.0.0.1", PROXIES, "9.9.9.9"),
        ("127.0.0.9", "10.0.0.1, 127.0.0.9", PROXIES, "10.0.0.1"),
        ("127.0.0.9", "9.9.9.9, unknown", PROXIES, None),
        ("127.0.0.9", "", PROXIES, None),
    ],
)
def test_the_address_that_counts(
    source: str, forwarded: str | None, trusted: list[str], key: str | None
) -> None:
    """The peer; behind a trusted proxy the first address from the right that no proxy has."""
    call = replace(calls("0 A")[0], source=source, forwarded=forwarded)
    assert key_of(promise(key="ip", trusted_proxies=trusted), call) == key


def test_global_is_one_key_and_an_identity_is_its_number() -> None:
    """Whoever calls uses the one budget; an identity that was not sent is nobody's for sure."""
    call = calls("0 A other")[0]
    assert key_of(promise(key="global"), call) == "global"
    assert key_of(promise(), call) == "2"
    assert key_of(promise(), replace(call, identity=None)) is None


def test_a_call_of_unsure_key_never_accuses_and_always_excuses() -> None:
    """It is in no count of what was admitted, and in every count of what may have been used."""
    unsure = tuple(replace(call, identity=None) for call in calls("0 A*4"))
    assert not judge(promise(), joined(unsure), SETTING).findings
    later = calls("1 R", first_seq=1_000)
    assert not judge(promise(), joined(unsure[:3], later), SETTING).findings
    assert judge(promise(), joined(unsure[:2], later), SETTING).findings


def test_other_operations_may_share_the_budget_but_never_exceed_it() -> None:
    """A ready probe or an operation that the promise does not name is possible use only."""
    other = tuple(replace(call, operation="ready") for call in calls("0 A*3"))
    found = judge(promise(), joined(other, calls("1 A*3; 1 R", first_seq=1_000)), SETTING)
    assert not found.findings
    assert [reading.letter for reading in found.readings if reading] == list("OOOAAAR")
    assert found.evidence["calls"] == 4
    own = replace(calls("2 R", first_seq=2_000)[0])
    assert not judge(promise(), joined(other, (own,)), SETTING).findings


def test_what_never_became_a_call_has_no_reading() -> None:
    """A refused connection, or not one byte written, used nothing."""
    first, second, third = calls("0~? L*2; 0 R")
    events = joined((replace(first, error="refused"), replace(second, written=False), third))
    found = judge(promise("1/10s"), events, SETTING)
    assert found.readings[:2] == (None, None)
    assert [finding.half for finding in found.findings] == ["lower"]
    assert found.readings[2] is not None
    assert found.readings[2].letter is Letter.R


def test_a_proxy_budget_is_told_by_its_address() -> None:
    """Two clients behind one trusted proxy have two budgets, and are named in the sentence."""
    words = promise(key="ip", trusted_proxies=PROXIES)
    spread = [
        replace(call, source="127.0.0.9", forwarded=f"9.9.9.{place % 2}")
        for place, call in enumerate(calls("0 A*7"))
    ]
    assert not judge(words, joined(tuple(spread[:6])), SETTING).findings
    found = judge(words, history(""), SETTING)
    assert not found.findings
    assert judge(words, joined(tuple(spread)), SETTING).findings[0].key == "9.9.9.0"
