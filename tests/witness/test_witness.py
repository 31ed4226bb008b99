"""A running witness and real sockets: what it records, how it answers, who went away."""

from __future__ import annotations

import doctest
import resource
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from harness import reaper
from harness.errors import CouldNotRun
from harness.history import Arrival
from harness.script import HOLD, USUAL, Answer, Rule, Usual, always
from harness.supervisor import Supervisor
from harness.targets.ports import connect_error
from harness.witness import handle
from harness.witness.handle import Witness
from tests.witness.conftest import Client, get, until

Connect = Callable[[], Client]
BIG = "x" * (8 << 20)
TOKEN = "sp-00c0ffee-12"


def states(witness: Witness) -> list[str]:
    return [arrival.state for arrival in witness.arrivals()]


def sums_are_right(witness: Witness) -> bool:
    """Arrivals are those in the list, each in its state."""
    arrivals, truth = witness.arrivals(), witness.truth()
    counts = Counter(arrival.state for arrival in arrivals)
    told = {"answered": truth.answered, "cut": truth.cut, "held": truth.held, "gone": truth.gone}
    return truth.arrivals == len(arrivals) == sum(told.values()) and counts == +Counter(told)


def last(witness: Witness) -> Arrival:
    return witness.arrivals()[-1]


# what it answers and records


def test_the_usual_answer(supervisor: Supervisor) -> None:
    """200 and an empty JSON object, or what the dependency declares, by path."""
    usual = (Usual(body="all"), Usual(path="/items", status=201, headers=(("ETag", "7"),)))
    witness = Witness(supervisor, "search", {}, usual=usual)
    witness.start()
    with closing(Client(witness)) as client:
        assert client.ask("/")[0::2] == (200, "all")
        status, headers, body = client.ask("/items/1")
    assert (status, headers["etag"], body) == (201, "7", "{}")
    assert headers["content-type"] == "application/json"


def test_an_arrival_holds_all_that_came(witness: Witness, connect: Connect) -> None:
    """Of the request, its connection, and what it was answered; on both time axes, in order."""
    witness.script(always(Answer(status=503, headers=(("Retry-After", "7"),))))
    client = connect()
    client.send(get("/a?b=c", f"X-Request-ID: {TOKEN}", method="POST", body="body"))
    assert client.answer()[0] == 503
    arrival = last(witness)
    assert (arrival.dependency, arrival.number, arrival.connection, arrival.use) == (
        "search",
        1,
        1,
        1,
    )
    assert (arrival.method, arrival.path, arrival.body, arrival.token) == (
        "POST",
        "/a?b=c",
        b"body",
        TOKEN,
    )
    assert arrival.header("X-Request-ID") == TOKEN
    assert arrival.peer_port == client.wire.getsockname()[1]
    assert (arrival.state, arrival.status, arrival.reset) == ("answered", 503, False)
    assert arrival.answer_headers == (("retry-after", "7"),)
    assert arrival.ended_ns is not None
    assert arrival.ended_target_ns is not None
    assert arrival.head_target_ns is not None
    assert arrival.ended_wall_ns is not None
    assert arrival.at_ns <= arrival.ended_ns
    assert arrival.target_ns <= arrival.head_target_ns <= arrival.ended_target_ns
    assert arrival.wall_ns <= arrival.ended_wall_ns


def test_connections_and_their_uses(witness: Witness, connect: Connect) -> None:
    """Numbered by their first bytes; a silent one has no number."""
    silent, first, second = connect(), connect(), connect()
    for client in (second, first, second, second):
        client.ask("/")
    assert [(a.connection, a.use) for a in witness.arrivals()] == [(1, 1), (2, 1), (1, 2), (1, 3)]
    truth = witness.truth()
    assert (truth.connections, truth.open) == (2, 3)
    silent.close()
    assert until(lambda: witness.truth().open == 2)


def test_pipelined_requests_are_answered_in_order(witness: Witness, connect: Connect) -> None:
    """Also where the first is held and the second released before it."""
    witness.script((Rule(answers=(HOLD, HOLD), then=Answer(body="third")),))
    client = connect()
    client.send(get("/1") + get("/2") + get("/3"))
    assert until(lambda: witness.held() == [1, 2])
    assert witness.release(Answer(body="second"), numbers=[2]) == [2]
    assert states(witness) == ["held", "held", "held"]
    assert client.silent()
    assert witness.release(Answer(body="first")) == [1]
    assert [client.answer()[2] for _ in range(3)] == ["first", "second", "third"]
    assert states(witness) == ["answered"] * 3


def test_many_pipelined_requests(witness: Witness, connect: Connect) -> None:
    """A thousand at once, one answer each."""
    client = connect()
    client.send(get("/x") * 1000)
    assert [client.answer()[0] for _ in range(1000)] == [200] * 1000
    assert sums_are_right(witness)


def test_head_has_the_length_and_no_body(witness: Witness, connect: Connect) -> None:
    """And the connection goes on."""
    client = connect()
    client.send(get(method="HEAD") + get())
    assert client.answer(has_body=False)[1]["content-length"] == "2"
    assert client.answer()[2] == "{}"


def test_100_continue(witness: Witness, connect: Connect) -> None:
    """A client that waits for it gets it before its body is whole."""
    client = connect()
    head, body = get("/", "Expect: 100-continue", method="PUT", body="ab")[:-2], b"ab"
    client.send(head)
    assert client.answer(has_body=False)[0] == 100
    assert states(witness) == []
    client.send(body)
    assert client.answer()[0] == 200
    assert last(witness).body == b"ab"


def test_large_bodies_both_ways(witness: Witness, connect: Connect) -> None:
    """8 MiB each; an answer is answered only when its last byte was written."""
    witness.script(always(Answer(body=BIG)))
    client = connect()
    client.send(get("/", method="POST", body=BIG))
    assert until(lambda: states(witness) == ["held"])
    assert last(witness).head_target_ns is not None
    assert client.answer()[2] == BIG
    assert until(lambda: states(witness) == ["answered"])


def test_a_wrong_length(witness: Witness, connect: Connect) -> None:
    """More is promised than comes: a client waits, or sees the close."""
    promised = Answer(body="abcd", length_off=2)
    witness.script((Rule(answers=(promised, Answer(body="abcd", length_off=2, close=True))),))
    waiting, told = connect(), connect()
    waiting.send(get())
    assert until(lambda: waiting.came().endswith(b"abcd"))
    told.send(get())
    data, end = told.rest()
    assert b"Content-Length: 6\r\n" in data
    assert (data[-4:], end) == (b"abcd", "close")
    assert states(witness) == ["answered", "answered"]
    assert [one.torn for one in witness.arrivals()] == [True, True]
    assert waiting.silent()


# how it ends


@pytest.mark.parametrize("by", ["reset", "close"])
@pytest.mark.parametrize(("cut", "came"), [("before", b""), ("within", b"ab"), ("after", b"abcd")])
def test_an_answer_is_cut(
    witness: Witness,
    connect: Connect,
    cut: Literal["before", "within", "after"],
    by: Literal["reset", "close"],
    came: bytes,
) -> None:
    """Before its first byte, within its body, after its last byte; by a reset or an orderly close."""
    witness.script(always(Answer(body="abcd", cut=cut, cut_by=by)))
    client = connect()
    client.send(get())
    data, end = client.rest()
    assert (data.partition(b"\r\n\r\n")[2], end) == (came, by)
    arrival = last(witness)
    assert (arrival.state, arrival.reset) == ("cut", by == "reset")
    assert arrival.status == (None if cut == "before" else 200)
    assert (arrival.head_target_ns is None) == (cut == "before")
    assert arrival.torn == (cut != "before")
    assert arrival.ended_ns is not None
    assert sums_are_right(witness)
    assert witness.truth().open == 0


@pytest.mark.parametrize("by", ["reset", "close"])
def test_a_late_cut_throws_nothing_away(
    witness: Witness, connect: Connect, by: Literal["reset", "close"]
) -> None:
    """8 MiB come whole, to a client that reads late, before the connection ends."""
    witness.script(always(Answer(body=BIG, cut="after", cut_by=by)))
    client = connect()
    client.send(get())
    assert until(lambda: len(witness.arrivals()) == 1)
    data, end = client.rest()
    assert (len(data.partition(b"\r\n\r\n")[2]), end) == (len(BIG), by)
    assert until(lambda: states(witness) == ["cut"])


def test_requests_behind_an_end_are_cut(witness: Witness, connect: Connect) -> None:
    """What was pipelined behind an answer that closes gets none; unread bytes make no reset."""
    witness.script((Rule(answers=(Answer(close=True),), then=HOLD),))
    client = connect()
    client.send(get("/1") + get("/2") + get("/3") + get("/", "A: " + "x" * 150_000))
    data, end = client.rest()
    assert (data.count(b"HTTP/1.1 200"), b"Connection: close" in data, end) == (1, True, "close")
    assert states(witness) == ["answered", "cut", "cut"]
    assert witness.held() == []
    assert sums_are_right(witness)


@pytest.mark.parametrize(
    ("order", "expected"), [("oldest", [1, 2]), ("newest", [5, 4]), ("random", [3, 2])]
)
def test_held_requests_are_released_in_any_order(
    witness: Witness, connect: Connect, order: Any, expected: list[int]
) -> None:
    """The oldest, the newest, or by lot; so many, or those named, or all."""
    witness.script(always(HOLD))
    callers = [connect() for _ in range(5)]
    for client in callers:
        client.send(get())
    assert until(lambda: witness.truth().held == 5)
    answer = Answer(status=404)
    assert witness.release(answer, times=2, order=order, rng=Random(2)) == expected
    assert [callers[number - 1].answer()[0] for number in expected] == [404, 404]
    left = [number for number in range(1, 6) if number not in expected]
    assert all(callers[number - 1].silent() for number in left)
    assert witness.held() == left
    assert witness.release(numbers=[*expected, left[1]]) == [left[1]]
    assert witness.release() == [left[0], left[2]]
    assert witness.release() == []
    assert states(witness) == ["answered"] * 5


def test_a_release_can_cut(witness: Witness, connect: Connect) -> None:
    """Any answer but another hold."""
    witness.script(always(HOLD))
    client = connect()
    client.send(get())
    assert until(lambda: witness.held() == [1])
    with pytest.raises(ValueError, match="cannot hold"):
        witness.release(HOLD)
    with pytest.raises(ValueError, match="rng"):
        witness.release(order="random")
    assert witness.release(Answer(cut="before")) == [1]
    assert client.rest() == (b"", "reset")
    assert states(witness) == ["cut"]


def test_a_new_script_leaves_what_is_held(witness: Witness, connect: Connect) -> None:
    """Only later requests get its answers."""
    witness.script(always(HOLD))
    client = connect()
    client.send(get())
    assert until(lambda: witness.held() == [1])
    witness.script(())
    assert connect().ask("/")[0] == 200
    assert states(witness) == ["held", "answered"]


# who went away


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(
    "answer", [HOLD, Answer(delay_ns=10**12), Answer(body="ab", trickle_ns=10**12)]
)
def test_a_client_goes_away(
    witness: Witness, connect: Connect, answer: Answer, reset: bool
) -> None:
    """While its request is held, delayed or trickling: seen at once, and how."""
    witness.script(always(answer))
    client = connect()
    client.send(get())
    assert until(lambda: states(witness) == ["held"])
    if answer.trickle_ns:
        assert until(lambda: client.came() != b"")
    if reset:
        client.reset()
    else:
        client.close()
    assert until(lambda: states(witness) == ["gone"])
    arrival = last(witness)
    assert arrival.reset == reset
    assert arrival.ended_ns is not None
    assert arrival.ended_ns >= arrival.at_ns
    assert (arrival.status is None) == (answer.trickle_ns == 0)
    assert witness.held() == []
    assert witness.release() == []
    assert sums_are_right(witness)
    assert witness.truth().open == 0


def test_a_client_that_half_closes_still_gets_its_answer(
    witness: Witness, connect: Connect
) -> None:
    """It sends no more, and reads on: that is not gone. It is, once it closes the rest."""
    witness.script(always(HOLD))
    stays, leaves = connect(), connect()
    for client in (stays, leaves):
        client.send(get())
        client.wire.shutdown(socket.SHUT_WR)
    assert until(lambda: witness.truth().half_closed == 2)
    assert states(witness) == ["held", "held"]
    leaves.close()
    assert until(lambda: states(witness) == ["held", "gone"])
    assert witness.release() == [1]
    data, end = stays.rest()
    assert data.endswith(b"{}")
    assert end == "close"
    assert states(witness) == ["answered", "gone"]


def test_a_client_that_goes_away_after_its_answer(witness: Witness, connect: Connect) -> None:
    """Changes nothing."""
    client = connect()
    client.ask("/")
    client.reset()
    assert until(lambda: witness.truth().open == 0)
    assert states(witness) == ["answered"]


def test_256_connections_at_once(witness: Witness, connect: Connect) -> None:
    """At any moment, whatever becomes of whom: arrivals = answered + cut + held + gone."""
    witness.script(always(HOLD))
    callers = [connect() for _ in range(256)]
    for client in callers:
        client.send(get())
    for share in range(16):
        assert sums_are_right(witness)
        ours = callers[16 * share : 16 * share + 16]
        numbers = range(16 * share + 1, 16 * share + 17)
        if share % 4 == 0:
            assert witness.release(numbers=numbers) == list(numbers)
            assert [client.answer()[0] for client in ours] == [200] * 16
        elif share % 4 == 1:
            witness.release(Answer(cut="within"), numbers=numbers)
        elif share % 4 == 2:
            for client in ours:
                client.close()
    assert until(lambda: witness.truth().gone == 64)
    truth = witness.truth()
    assert (truth.arrivals, truth.answered, truth.cut, truth.held) == (256, 64, 64, 64)
    assert sums_are_right(witness)
    assert {one.connection for one in witness.arrivals()} == set(range(1, 257))


def test_the_sums_are_right_while_it_works(witness: Witness, connect: Connect) -> None:
    """Asked again and again while four threads call, wait and leave."""
    witness.script((Rule(answers=(USUAL, HOLD, Answer(cut="before"), Answer(cut="after"))),))

    def work(number: int) -> None:
        for n in range(60):
            client = Client(witness)
            client.send(get(f"/{number}/{n}"))
            if n % 3:
                client.close()
            else:
                client.reset()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        truth = witness.truth()
        assert truth.arrivals == truth.answered + truth.cut + truth.held + truth.gone
        witness.release(times=3)
    assert until(lambda: witness.truth().open == 0)
    assert sums_are_right(witness)
    assert witness.truth().arrivals + witness.truth().broken <= 240


# bad input


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01 garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused(
    witness: Witness, connect: Connect, data: bytes, status: int
) -> None:
    """After what was before it on the connection; it is no arrival, and others go on."""
    witness.script((Rule(answers=(HOLD,), then=USUAL),))
    client, other = connect(), connect()
    client.send(get("/whole") + data)
    assert until(lambda: witness.truth().broken == 1)
    assert witness.release() == [1]
    answers = client.rest()[0]
    assert [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]] == [200, status]
    assert other.ask("/")[0] == 200
    assert states(witness) == ["answered", "answered"]
    assert witness.truth().broken == 1


def test_unfinished_requests_are_counted(witness: Witness, connect: Connect) -> None:
    """A half-sent one is partial, and broken once its client leaves; it is no arrival."""
    head, body, leaves = connect(), connect(), connect()
    head.send(b"GET / HT")
    body.send(get(method="PUT", body="abcd")[:-2])
    leaves.send(b"G")
    assert until(lambda: witness.truth().partial == 3)
    leaves.reset()
    assert until(lambda: (witness.truth().partial, witness.truth().broken) == (2, 1))
    assert witness.arrivals() == ()
    body.send(b"cd")
    assert body.answer()[0] == 200
    assert witness.truth().partial == 1


def test_no_descriptors_are_left(witness: Witness, connect: Connect) -> None:
    """Newcomers wait in the queue, without a turn of the loop, until somebody leaves."""
    assert witness.pid is not None
    room = len(list(Path(f"/proc/{witness.pid}/fd").iterdir())) + 3
    resource.prlimit(witness.pid, resource.RLIMIT_NOFILE, (room, room))
    callers = [connect() for _ in range(6)]
    for client in callers:
        client.send(get())
    assert [client.answer()[0] for client in callers[:3]] == [200] * 3
    before = witness.truth()
    assert (before.open, before.arrivals) == (3, 3)
    assert until(lambda: (seen := reaper.look(witness.pid or 0)) is not None and seen.state == "S")
    for client in callers[:3]:
        client.close()
    assert [client.answer()[0] for client in callers[3:]] == [200] * 3
    assert sums_are_right(witness)


# who reaches it


def test_connects_are_refused_and_accepted_again(witness: Witness, connect: Connect) -> None:
    """Proven each time; connections that stand go on, on the same port."""
    stands = connect()
    stands.ask("/")
    for _ in range(2):
        assert witness.reach("refuse") == 3
        assert isinstance(connect_error("127.0.0.1", witness.port), ConnectionRefusedError)
        assert stands.ask("/")[0] == 200
        assert witness.reach("open") == 1
        assert connect().ask("/")[0] == 200


def test_connects_vanish_in_a_black_hole(witness: Witness, connect: Connect) -> None:
    """They never complete, and are not refused; connections that stand go on."""
    stands = connect()
    stands.ask("/")
    for _ in range(2):
        assert witness.reach("black_hole") == 3
        assert isinstance(connect_error("127.0.0.1", witness.port, 0.05), TimeoutError)
        assert stands.ask("/")[0] == 200
        assert witness.reach("open") == 1
        assert connect().ask("/")[0] == 200
    assert witness.truth().connections == 3


def test_what_was_on_its_way_before_is_let_in(witness: Witness, connect: Connect) -> None:
    """Connections that were complete when the witness closed its door stand."""
    callers = [connect() for _ in range(20)]
    witness.reach("refuse")
    assert [client.ask("/")[0] for client in callers] == [200] * 20


# its life


def test_the_example_runs() -> None:
    """The one in the handle's docstring."""
    assert doctest.testmod(handle) == (0, 5)


def test_a_witness_is_a_service(witness: Witness) -> None:
    """Cut off, healed, killed, started again: on one port, and empty after each start."""
    assert (witness.kind, witness.url) == ("witness", f"http://127.0.0.1:{witness.port}")
    assert witness.probe()
    assert witness.pids() == [witness.pid]
    assert witness.cut() == 3
    assert not witness.probe()
    witness.heal()
    assert witness.probe()
    with closing(Client(witness)) as client:
        client.ask("/")
    first = witness.pid
    witness.restart(keep_data=True)
    assert witness.pid != first
    assert witness.arrivals() == ()
    witness.pause()
    witness.resume()
    assert witness.probe()
    witness.kill()
    assert (witness.pid, witness.pids(), witness.probe()) == (None, [], False)
    witness.stop()
    witness.start()
    assert witness.probe()
    witness.stop()
    witness.stop()
    assert witness.output() == ""


def test_a_witness_that_died_says_so(witness: Witness) -> None:
    """Whatever is asked of it then could not run."""
    witness.kill()
    for ask in (witness.arrivals, witness.truth, witness.held, lambda: witness.reach("open")):
        with pytest.raises(CouldNotRun, match="search does not run"):
            ask()


def test_a_port_that_somebody_else_took(witness: Witness) -> None:
    """The witness says which, and why."""
    witness.kill()
    with (
        socket.create_server(("127.0.0.1", witness.port)),
        pytest.raises(CouldNotRun, match=r"search .* could not open: .*in use"),
    ):
        witness.start()


def test_what_has_ended_can_be_forgotten(witness: Witness, connect: Connect) -> None:
    """Numbers and sums go on."""
    witness.script((Rule(answers=(USUAL, HOLD, USUAL)),))
    for _ in range(3):
        connect().send(get())
    assert until(lambda: witness.truth().arrivals == 3)
    witness.forget()
    assert [(one.number, one.state) for one in witness.arrivals()] == [(2, "held")]
    witness.release()
    assert states(witness) == ["answered"]
    witness.forget()
    assert connect().ask("/")[0] == 200
    assert [one.number for one in witness.arrivals()] == [4]
    assert witness.truth().arrivals == 4


def test_a_long_private_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line to the witness is a socket in it, whose name may be no longer than 107 bytes."""
    folder = tmp_path_factory.mktemp("long") / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with Supervisor() as supervisor:
        witness = Witness(supervisor, "search", {})
        witness.start()
        assert witness.probe()
