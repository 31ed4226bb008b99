"""Which requests are whose attempts, what became of them, and how exactly a wait is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.history import Arrival, Call, ClockMoved, Event, FaultBegan, FaultEnded, History
from harness.plan import Played
from harness.promises.retry.attempts import HELD, TORN, Tries
from harness.promises.retry.demand import cut_short, repeats, room_for
from harness.promises.retry.reading import Read, read
from harness.promises.retry.rules import Case, broken
from harness.promises.retry.waits import outside, sample
from harness.units import NS_PER_S
from tests.promises.retry.notation import EPOCH_NS, backoff, judged, ns, promise, tries, waits

PLAYED_END = 1_000


def call(index: int, written: int, ended: int | None, **more: Any) -> Call:
    """A call between two instants of the machine's clock; target time is a thousand times that."""
    return Call(
        operation="fetch",
        caller=f"key-{index}",
        identity=index,
        source="127.0.0.1",
        forwarded=None,
        connection=index,
        written_seq=written,
        answered_seq=ended,
        written_ns=written,
        first_byte_ns=ended,
        last_byte_ns=ended,
        sent_target_ns=written * 1_000,
        answered_target_ns=None if ended is None else ended * 1_000,
        sent_wall_ns=EPOCH_NS,
        answered_wall_ns=EPOCH_NS,
        status=None if ended is None else 503,
        ended_ns=ended,
        ended_target_ns=None if ended is None else ended * 1_000,
        **more,
    )


def arrival(at: int, token: str | None, **more: Any) -> Arrival:
    """A request of GET /thing, answered 503 five instants later unless said."""
    given: dict[str, Any] = {
        "dependency": "upstream",
        "number": at,
        "connection": at,
        "use": 1,
        "method": "GET",
        "path": "/thing?id=1",
        "headers": (),
        "body": b"",
        "digest": "",
        "token": token,
        "at_ns": at,
        "target_ns": at * 1_000,
        "wall_ns": EPOCH_NS + at * 1_000,
        "state": "answered",
        "status": 503,
        "ended_ns": at + 5,
        "ended_target_ns": (at + 5) * 1_000,
        "ended_wall_ns": EPOCH_NS + (at + 5) * 1_000,
    }
    return Arrival(**(given | more))


def seen(
    calls: tuple[Call, ...],
    *arrivals: Arrival,
    own: int = 2,
    events: Sequence[Event] | None = None,
    **words: Any,
) -> Read:
    """What is read of the first ``own`` calls; ``events``: all that happened, the calls among it."""
    played = Played(
        steps=(tuple(range(own)),),
        first_call=0,
        end_call=own,
        began_ns=(0, PLAYED_END * 1_000),
        at_ns=(0, PLAYED_END),
    )
    history = History(tuple(events or calls), arrivals)
    return read(promise(**words), history, played, "upstream", {})


TWO = (call(0, 10, 100, token="a"), call(1, 20, 200, token="b"))


def test_tokens_tell_attempts_apart() -> None:
    """Overlapping calls, each with its own attempts; another witness's arrivals are nobody's."""
    found = seen(
        TWO,
        arrival(11, "a"),
        arrival(22, "b"),
        arrival(30, "a"),
        arrival(31, "a", dependency="other"),
    )
    assert [len(each.attempts) for each in found.tries] == [2, 1]
    assert (found.by_token, found.by_time, found.strays) == (3, 0, 0)


def test_without_tokens_the_only_call_under_way_is_meant() -> None:
    """Between its send and its answer; with two under way they are shared, with none they are strays."""
    alone = (call(0, 10, 100), call(1, 200, 300))
    found = seen(alone, arrival(11, None), arrival(250, None), arrival(150, None))
    assert [len(each.attempts) for each in found.tries] == [1, 1]
    assert (found.by_time, found.strays) == (2, 1)
    assert len(seen((call(0, 10, 100), call(1, 20, 200)), arrival(50, None)).shared) == 1
    assert seen((call(0, 10, 100), call(1, 20, 200)), arrival(50, None), own=1).strays == 1


def test_where_tokens_are_passed_on_others_are_the_services_own() -> None:
    """A timer asks for other things; what a call asked for, or what is not harmless, may be a repeat."""
    config = {"path": "/config", "status": 200}
    mine = (arrival(11, "a"), arrival(13, "a"))
    found = seen(TWO[:1], *mine, arrival(12, None, **config), arrival(14, None, **config), own=1)
    assert [len(each.attempts) for each in found.tries] == [2]
    assert (found.by_time, found.background, found.strays) == (0, 2, 0)
    again = seen(TWO[:1], *mine, arrival(14, None), own=1)
    assert (again.background, again.strays, again.loose_ns) == (0, 1, (14_000,))
    assert seen(TWO[:1], *mine, arrival(14, None, path="/x", method="POST"), own=1).strays == 1


def test_nobody_gave_up_whose_next_attempt_may_have_lost_its_token() -> None:
    """A request of nobody's, in time, may be it."""
    shown = tries("GET 503", "+100 GET 503")
    late_ns = shown.attempts[-1].arrived_ns + ns(400)
    assert list(broken(Case(promise(), (shown,), loose_ns=(late_ns + ns(1_000),))))
    assert not list(broken(Case(promise(), (shown,), loose_ns=(late_ns,))))


def test_a_call_that_was_left_may_still_be_tried() -> None:
    """What comes before the next call is its own."""
    left = call(0, 10, 40, error="left")
    found = seen(
        (left, call(1, 200, 300)), arrival(11, None), arrival(150, None), arrival(250, None)
    )
    assert [len(each.attempts) for each in found.tries] == [2, 1]
    assert found.tries[0].left_at_ns == 40
    assert found.tries[0].ended_ns is None


def test_requests_for_other_things_are_no_attempts_of_this_one() -> None:
    """A call that asks for two things has two sequences; the query does not count."""
    found = seen(TWO[:1], arrival(11, "a"), arrival(12, "a", path="/other"), own=1)
    assert [len(each.attempts) for each in found.tries] == [1, 1]


def test_two_pages_are_not_one_page_asked_twice() -> None:
    """Other queries and other bodies may be other things: what only holds for one thing proves nothing."""
    fail, page = {"status": 503}, {"status": 200}

    def halves(*arrivals: Arrival) -> list[str]:
        found = seen(TWO[:1], *arrivals, own=1)
        return [each.half for each in broken(Case(promise(backoff=None), found.tries))]

    one = [arrival(n, "a", path="/items?page=1", **fail) for n in (11, 12, 13)]
    two = [arrival(n, "a", path="/items?page=2", **fail) for n in (21, 22)]
    done = arrival(14, "a", path="/items?page=1", **page)
    assert halves(*one, done, arrival(20, "a", path="/items?page=2", **page)) == []
    assert halves(*one, *two) == []
    assert halves(*one, done, arrival(15, "a", path="/items?page=1", **page)) == [
        "success",
        "attempts",
    ]
    sent = {"method": "POST", "path": "/items"}
    assert halves(arrival(11, "a", digest="x", **sent), arrival(12, "a", digest="y", **sent)) == []
    assert halves(arrival(11, "a", digest="x", **sent), arrival(12, "a", digest="x", **sent)) == [
        "matrix"
    ]


def test_few_requests_in_all_are_too_few_for_each_thing() -> None:
    """A repeat may change its query: all of them count, and the last should have been repeated."""
    shown = tries("GET 503", "+100 GET 503")
    asks = [replace(each, asks=str(n)) for n, each in enumerate(shown.attempts)]
    (found,) = broken(Case(promise(), (replace(shown, attempts=tuple(asks)),)))
    assert found.half == "attempts"


def test_how_attempts_end() -> None:
    """Answered, cut, cut off within the answer, given up, and held to the end."""
    found = seen(
        TWO[:1],
        arrival(11, "a", state="cut", status=None),
        arrival(20, "a", state="cut"),
        arrival(30, "a", state="gone", status=None),
        arrival(40, "a", state="held", status=None, ended_ns=None, ended_target_ns=None),
        own=1,
    )
    (one,) = found.tries
    assert [each.outcome for each in one.attempts] == ["connection", TORN, "timeout", HELD]
    assert repeats(promise(), one.attempts[1]) is repeats(promise(), one.attempts[3]) is None


def test_an_end_after_the_plan_is_no_end() -> None:
    """The player releases what is held, and that is its own doing."""
    released = arrival(11, "a", ended_ns=PLAYED_END + 1)
    assert seen(TWO[:1], released, own=1).tries[0].attempts[0].outcome == HELD


def test_who_lets_go_late_is_not_accused() -> None:
    """A connection may be closed long after the attempt was given up: the wait is a span."""
    gone = {"state": "gone", "status": None, "ended_ns": 90, "ended_target_ns": ns(5_100)}
    early = arrival(11, "a", target_ns=0, **gone)
    found = seen(TWO[:1], early, arrival(95, "a", target_ns=ns(5_100)), own=1)
    (one,) = found.tries
    assert (one.gap(1).least_ns, one.gap(1).most_ns) == (0, ns(5_100))
    assert outside(Case(promise(), (one,))) is None
    declared = seen(TWO[:1], early, arrival(95, "a", target_ns=ns(5_100)), own=1, call_timeout="5s")
    assert declared.tries[0].gap(1).most_ns == ns(100)
    tight = promise(call_timeout="5s", backoff=backoff("200ms"))
    assert outside(Case(tight, declared.tries)) is not None


def test_retry_after_comes_from_the_scripted_answer() -> None:
    """Seconds of a 503 count; of a 500, as garbage, they are told and not read: heeding them is honest."""

    def told(value: str, status: int = 503) -> Any:
        answer = arrival(11, "a", status=status, answer_headers=(("retry-after", value),))
        return seen(TWO[:1], answer, own=1).tries[0].attempts[0]

    assert told("7").advice.delta_ns == 7 * NS_PER_S
    assert (told("7", 500).told, told("7", 500).advice) == (True, None)
    assert (told("soon").told, told("soon").advice) == (True, None)


def test_an_answer_that_is_not_whole_may_be_repeated() -> None:
    """It is a success for who reads its status, and a failure for who reads all that was announced."""
    calls = (call(0, 10, 100, token="a"),)
    for torn, half in ((True, set()), (False, {"success"})):
        first = arrival(11, "a", status=200, torn=torn, ended_ns=11, ended_target_ns=11_000)
        found = seen(calls, first, arrival(40, "a", status=200), own=1)
        assert {one.half for one in broken(Case(promise(), found.tries))} == half


def test_an_answer_may_come_at_the_instant_of_a_timeout() -> None:
    """Whoever waits for it may just have given up; only an answer at once is surely taken.

    A POST that timed out for sure must not be sent again, however long it took.
    """
    for took_ns, declared, half in (
        (0, None, {"success"}),
        (5 * NS_PER_S, None, set()),
        (5 * NS_PER_S, "5s", set()),
        (4 * NS_PER_S, "5s", {"success"}),
    ):
        shown = tries("GET 200", "+100 GET 200")
        one = replace(shown.attempts[0], arrived_ns=shown.attempts[0].arrived_ns - took_ns)
        shown = replace(shown, attempts=(one, *shown.attempts[1:]))
        words = promise() if declared is None else promise(call_timeout=declared)
        assert {each.half for each in broken(Case(words, (shown,)))} == half, (took_ns, declared)


def test_attempts_that_could_not_be_connected_are_not_missed() -> None:
    """One failed, and until the next the dependency was away: nobody gave up, and nobody came late."""
    gave_up = tries("GET 503", "+100 GET 503")
    assert list(broken(Case(promise(), (gave_up,))))
    assert not list(broken(Case(promise(), (replace(gave_up, unseen=True),))))
    arrivals = (
        arrival(11, "a", ended_ns=11, ended_target_ns=11_000),
        arrival(70, "a", target_ns=ns(700)),
    )
    events: tuple[Event, ...] = (TWO[0], began(40), ended(60))
    for happened, late in ((None, True), (events, False)):
        told = seen(TWO[:1], *arrivals, own=1, events=happened)
        assert (outside(Case(promise(), told.tries)) is not None) is late


def began(at_ns: int) -> FaultBegan:
    """The dependency cannot be reached."""
    return FaultBegan(
        seq=at_ns, at_ns=at_ns, target_ns=0, dependency="upstream", fault="refused", effect=1
    )


def ended(at_ns: int) -> FaultEnded:
    """It can."""
    return FaultEnded(seq=at_ns, at_ns=at_ns, target_ns=0, dependency="upstream", data_kept=True)


def test_nobody_is_late_while_a_held_clock_runs() -> None:
    """As while a store comes back: the service is as late then as the machine is slow, but not early."""
    for at_ns, why, found in (
        (140, "settle", False),
        (140, "plan", True),
        (60, "settle", True),
    ):
        arrivals = (
            arrival(11, "a", ended_ns=11, ended_target_ns=11_000),
            arrival(70, "a", target_ns=ns(at_ns)),
        )
        moved = ClockMoved(
            seq=30,
            at_ns=30,
            from_target_ns=ns(20),
            to_target_ns=ns(50),
            why=why,  # type: ignore[arg-type]
        )
        told = seen(TWO[:1], *arrivals, own=1, events=(TWO[0], moved))
        assert (outside(Case(promise(), told.tries)) is not None) is found, (at_ns, why)


def test_calls_of_other_operations_are_not_looked_at() -> None:
    """A plan may call what is never repeated, and fail it."""
    beside = replace(call(1, 200, 300, token="b"), operation="other")
    found = seen((TWO[0], beside), arrival(11, "a"), arrival(210, "b"))
    assert [each.call for each in found.tries] == [0]


def test_on_a_running_clock_only_too_early_is_proved() -> None:
    """The wait is at most the time between two arrivals, and nothing at least."""
    words = promise()
    assert judged(words, waits("100 200 900"), clock="real")[0] != "broken"
    assert outside(Case(words, (waits("100 200 900"),), "real")) is None
    assert outside(Case(words, (waits("100 150 400"),), "real")) is not None


# -- totals ------------------------------------------------------------------------------------

FULL = {"backoff": backoff("1s", jitter="full")}


def test_waits_among_which_a_total_chose_are_no_sample() -> None:
    """Where a long draw would have ended the call, only short ones are seen: they prove nothing."""
    words = promise(total="4s", **FULL)
    (shown,) = sample(Case(words, (waits("500 1200 300"),)))
    assert shown[1] == (ns(500), ns(1_200))
    (free,) = sample(Case(promise(**FULL), (waits("500 1200 300"),)))
    assert len(free[1]) == 3
    span = words.laws[0].span(3)
    assert not room_for(words, waits("500 1200 300"), 3, span)


def test_a_wait_that_was_cut_to_the_total() -> None:
    """It may be shorter than declared if the next attempt begins just then, and never later."""
    words = promise(total="250ms")
    assert cut_short(words, waits("100 150"), 2)
    assert judged(words, waits("100 150"))[0] == "kept"
    assert judged(words, waits("100 140"))[1][0].half == "delay"
    found = judged(words, waits("100 200"))[1]
    assert [each.half for each in found] == ["total"]


def test_giving_up_before_the_total() -> None:
    """It is right if the next wait would have passed it, and broken if the attempt surely fitted."""
    assert judged(promise(total="350ms"), waits("100 200"))[0] == "kept"
    assert judged(promise(total="900ms"), waits("100 200"))[1][0].half == "attempts"


def test_nobody_gave_up_who_may_still_go_on() -> None:
    """Until the longest declared wait is over, and without one while the caller has an answer."""
    early = tries("GET 503", "+100 GET 503", until_ns=11 * NS_PER_S)
    late = tries("GET 503", "+100 GET 503", until_ns=9 * NS_PER_S)
    assert judged(promise(), early)[0] == "broken"
    assert judged(promise(), late)[0] != "broken"
    plain = promise(backoff=None)
    accepted = tries("GET 503", "+100 GET 503", failed=False)
    assert not list(broken(Case(plain, (accepted,))))
    refused = tries("GET 503", "+100 GET 503")
    assert [each.half for each in broken(Case(plain, (refused,)))] == ["attempts"]


def test_on_a_running_clock_nobody_gave_up_before_the_call_has_ended() -> None:
    """A slow machine may be late with the next attempt; who has an answer was given up."""
    words, seen = promise(), tries("GET 503", "+100 GET 503")
    under_way = replace(seen, ended_ns=None)
    assert not list(broken(Case(words, (under_way,), "real")))
    assert [each.half for each in broken(Case(words, (under_way,)))] == ["attempts"]
    assert [each.half for each in broken(Case(words, (seen,), "real"))] == ["attempts"]


def test_methods_by_failure() -> None:
    """POST after a failed connection only, as declared."""
    words = promise(methods={"GET": "all", "POST": ["connection"]}, backoff=None)

    def halves(*items: str) -> list[str]:
        return [each.half for each in broken(Case(words, (tries(*items),)))]

    assert halves("POST reset", "+1 POST 200") == []
    assert halves("POST 503", "+1 POST 200") == ["matrix"]
    assert halves("POST 503") == []
    assert halves("POST reset") == ["matrix"]


def test_without_retry_on_only_503_is_demanded() -> None:
    """What else is repeated, or not, is seen and not judged."""
    words = promise(retry_on=None, never_on=[400], backoff=None)

    def halves(*items: str) -> list[str]:
        return [each.half for each in broken(Case(words, (tries(*items),)))]

    assert halves("GET 404", "+1 GET 200") == halves("GET 502") == []
    assert halves("GET 400", "+1 GET 200") == halves("GET 503") == ["matrix"]


def test_keys() -> None:
    """One for each call, and not the same for two, unless the caller brings it."""
    words = promise(methods=["POST"], idempotency_key="Idempotency-Key", backoff=None, attempts=2)

    def halves(*calls: Tries, given: bool = False) -> list[str]:
        return [each.half for each in broken(Case(words, calls, keys_given=given))]

    good = tries("POST 503 key=a", "+1 POST 503 key=a")
    assert halves(good) == []
    assert halves(tries("POST 503 key=a", "+1 POST 503 key=b")) == ["key"]
    assert halves(tries("POST 503", "+1 POST 503")) == ["key"]
    again = tries("POST 503 key=a", "+1 POST 503 key=a", call=1)
    assert halves(good, again) == ["key"]
    assert halves(good, again, given=True) == []
