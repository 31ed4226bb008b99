"""The small histories of "What `retry` means", section 5, with just those verdicts."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from harness.promises.retry.attempts import Tries
from harness.promises.retry.rules import Case, hidden
from harness.promises.retry.waits import gaps
from tests.promises.retry.notation import backoff, judged, promise, tries, waits

CAP = {"backoff": backoff(cap="300ms")}
FULL = {"backoff": backoff("1s", jitter="full"), "attempts": 3}
EQUAL = {"backoff": backoff("1s", jitter="equal")}
SIX = {"attempts": 6, "backoff": backoff("400ms", cap="3s", jitter={"proportional": 0.2})}
DECORRELATED = {"backoff": {"initial": "1s", "jitter": "decorrelated"}, "attempts": {"max": 4}}


@pytest.mark.parametrize(
    ("words", "delays", "status", "said"),
    [
        ({}, "100 200 400", "kept", ""),
        ({}, "101.5 201.9 402", "kept", ""),
        ({}, "99.5 199.5 399.5", "kept", ""),
        ({"backoff": backoff("1012.5ms"), "attempts": 2}, "1012.0", "kept", ""),
        ({}, "98 200 400", "broken", "1.499 ms early: 98 ms after"),
        ({}, "100 100 100", "broken", "fixed, no backoff"),
        ({}, "200 400 800", "broken", "2 times those of the declared initial"),
        (CAP, "100 200 300", "kept", ""),
        (CAP | {"attempts": 5}, "100 200 300 300", "kept", ""),
        (CAP, "100 200 400", "broken", "beyond the cap of 300 ms"),
        (FULL | {"attempts": 2}, "1200", "broken", "late: 1,200 ms"),
        (EQUAL | {"attempts": 2}, "300", "broken", "early"),
        (DECORRELATED, "2900 8500 19000", "open", ""),
        (DECORRELATED, "1500 5000", "broken", "late: 5,000 ms"),
    ],
)
def test_waits_of_one_call(words: dict[str, Any], delays: str, status: str, said: str) -> None:
    """What lies outside the declared band, rounding included, proves it; nothing inside does."""
    found = judged(promise(**words), waits(delays))
    assert found[0] == status, found
    assert said in "; ".join(each.said for each in found[1])


@pytest.mark.parametrize(
    ("delays", "status"),
    [
        ("99.5 199.5 399.5", "kept"),
        ("100.5 200.5 400.5", "kept"),
        ("99.499 199.499 399.499", "kept"),
        ("100.501 200.501 400.501", "kept"),
        ("102.001 202.001 402.001", "kept"),
        ("99.498999 200 400", "broken"),
        ("102.001001 200 400", "broken"),
        ("100 200 399.498999", "broken"),
        ("100 200 402.001001", "broken"),
    ],
)
def test_the_rounding_of_loops_at_both_ends(delays: str, status: str) -> None:
    """libuv's half a millisecond either way and asyncio's two late, a float's width more; then no more."""
    assert judged(promise(), waits(delays))[0] == status


def test_a_cap_before_the_jitter_is_a_reading() -> None:
    """With the cap before the draw a wait may pass it by the jitter's share, and no more."""
    assert judged(promise(**SIX), waits("400 800 1600 3000 3500"))[0] == "open"
    status, found, _ = judged(promise(**SIX), waits("400 800 1600 3000 3700"))
    assert (status, found[0].half) == ("broken", "delay")


def test_a_cap_after_the_jitter_is_a_reading_too() -> None:
    """24 calls that all wait just the cap are consistent with it; one that passes it is not, as well."""
    law = {"delays": ["6400ms"], "cap": "3s", "jitter": {"proportional": 0.2}}
    words = promise(attempts=2, backoff=law)
    same = [waits("3000", call) for call in range(24)]
    assert judged(words, *same)[0] == "open"
    status, found, _ = judged(words, *same[:23], waits("3500", 23))
    assert status == "broken"
    assert [reading["outside"] is None for reading in found[0].proof["readings"]] == [True, False]


@pytest.mark.parametrize(
    ("name", "sample", "half"),
    [
        ("all callers wait the same", ["700 900"] * 12, "together"),
        ("a fixed seed", ["310 1770"] * 12, "together"),
        ("pairs", [f"{50 + 70 * (i // 2)} {1900 - 130 * (i // 2)}" for i in range(12)], "together"),
    ],
)
def test_same_waits_of_different_callers(name: str, sample: list[str], half: str) -> None:
    """Twelve calls are enough to see that their waits are not drawn one by one."""
    status, found, _ = judged(promise(**FULL), *map(waits, sample, range(12)))
    assert (status, [each.half for each in found]) == ("broken", [half])
    assert found[0].calls == tuple(range(12))


def uniform(n: int, calls: int, *, low: float = 0.0, factor: float = 2.0) -> list[Tries]:
    """Calls of n attempts; wait k is uniform up to 1 s times factor to the k, from a share of that on."""
    rng = Random(calls)
    return [
        waits([rng.uniform(low, 1) * 1_000 * factor**k for k in range(n - 1)], call)
        for call in range(calls)
    ]


def test_the_upper_half_is_equal_jitter() -> None:
    """24 calls, all in the upper half: broken, and best explained as what it is."""
    status, found, look = judged(promise(**FULL), *uniform(3, 24, low=0.5))
    assert (status, found[0].half) == ("broken", "jitter")
    assert "elsewhere" in found[0].said
    assert "equal" in found[0].said
    assert look is not None
    assert look.best == "equal"


def test_three_calls_are_too_few() -> None:
    """Nothing is outside, and nothing is shown."""
    status, _, look = judged(promise(**FULL), *uniform(3, 3))
    assert status == "open"
    assert look is not None
    assert "3 calls are too few" in look.why


def test_a_factor_a_tenth_too_small() -> None:
    """Factor 1.8 for 2 shows in 192 calls: the largest wait is too small."""
    status, found, _ = judged(
        promise(backoff=backoff("1s", jitter="full")), *uniform(4, 192, factor=1.8)
    )
    assert (status, found[0].half) == ("broken", "jitter")
    assert "narrower" in found[0].said or "elsewhere" in found[0].said


@pytest.mark.parametrize(
    ("advice", "wait_ms", "status"),
    [
        ("after=7", 7_000, "kept"),
        ("after=7", 6_900, "broken"),
        ("date=7.4", 6_600, "kept"),
        ("date=7.4", 6_300, "broken"),
    ],
)
def test_retry_after(advice: str, wait_ms: int, status: str) -> None:
    """Seconds are exact; a date has whole seconds, so up to one may be missing."""
    words = promise(respects_retry_after=True)
    calls = tries(f"GET 503 {advice}", f"+{wait_ms} GET 200"), waits("100 200 400", 1)
    found = judged(words, *calls)
    assert found[0] == status, found
    assert all(each.half == "retry_after" for each in found[1])


def test_retry_after_beyond_the_total() -> None:
    """The wait may be cut so that the next attempt still begins within the total; not otherwise."""
    words = promise(respects_retry_after=True, total="30s")
    assert judged(words, tries("GET 503 after=45", "+30000 GET 200"))[0] != "broken"
    assert judged(words, tries("GET 503 after=45", "+29000 GET 200"))[0] == "broken"


def test_post_on_a_fresh_connection() -> None:
    """Something may have been done: a second request proves it broken."""
    status, found, _ = judged(promise(), tries("POST reset", "+100 POST 200"))
    assert (status, found[0].half) == ("broken", "matrix")
    assert "retries POST: 2 requests after connection" in found[0].said


def test_a_connection_that_was_used_before() -> None:
    """A client library may replace it once, at once, and unseen by the service: five arrivals."""
    words = promise()
    five = tries("GET reset use=2", "+0 GET reset", "+100 GET 503", "+200 GET 503", "+400 GET 503")
    assert judged(words, five)[0] == "kept"
    assert hidden(words, five) == 1
    assert [gap.most_ns // 10**6 for gap in gaps(Case(words, (five,)), five)] == [100, 200, 400]
    fresh = tries("GET reset", "+0 GET reset", "+100 GET 503", "+200 GET 503", "+400 GET 503")
    assert [each.half for each in judged(words, fresh)[1]] == ["attempts", "delay"]
    post = tries("POST reset use=2", "+0 POST 200")
    assert judged(words, post)[0] == "broken"


@pytest.mark.parametrize(("arrivals", "status"), [(2, "open"), (4, "broken")])
def test_a_client_that_left(arrivals: int, status: str) -> None:
    """The attempt in flight and one more may come; the whole sequence may not."""
    words = promise(client_gone="stops", backoff=None)
    items = ["GET 503", "+100 GET 503", "+200 GET 503", "+400 GET 503"][:arrivals]
    found = judged(words, tries(*items, left_after=1))
    assert found[0] == status
    assert [each.half for each in found[1]] == ["client_gone"] * (status == "broken")


def test_layers_multiply() -> None:
    """Three times three for one call, where three are promised."""
    words = promise(attempts=3, backoff=None)
    status, found, _ = judged(words, waits("1 1 100 1 1 100 1 1"))
    assert (status, found[0].half) == ("broken", "attempts")
    assert "layers multiply" in found[0].said
