"""The journal: calls that were begun keep their place while more becomes known of them."""

from __future__ import annotations

from dataclasses import replace

from harness.history import Call, ClockMoved, Rested
from harness.runner.journal import Journal
from tests.flight_facts import arrival, flying


def begun(number: int, connection: int = 1) -> Call:
    """A call under way."""
    ended = flying(number, status=None, ended_ns=30)
    return replace(
        ended, connection=connection, ended_ns=None, ended_target_ns=None, complete=False
    )


def test_a_call_keeps_its_index_and_its_place() -> None:
    """Whatever else is written down meanwhile."""
    journal = Journal(lambda: 5)
    first, second = journal.add([begun(1), begun(2)])
    journal.rested()
    journal.stepped(10, 5, 9, "deadline")
    (third,) = journal.add([begun(3)])
    ended = replace(begun(2), status=200, ended_ns=40)
    journal.update(second, ended)
    assert (first, second, third) == (0, 1, 2)
    history = journal.history()
    assert [type(event) for event in history.events] == [Call, Call, Rested, ClockMoved, Call]
    assert history.events[1] == history.calls[1] == journal.call(1) == ended
    assert history.calls[0].ended_ns is None


def test_connections_stay_unique_over_a_restart() -> None:
    """A call that ends keeps the number that it was given, a new client's go on from there."""
    journal = Journal(lambda: 0)
    (first,) = journal.add([begun(1, connection=7)])
    journal.new_client()
    (second,) = journal.add([begun(2, connection=1)])
    journal.update(first, replace(begun(1, connection=7), status=200))
    journal.update(second, replace(begun(2, connection=1), status=200))
    assert [call.connection for call in journal.history().calls] == [7, 8]
    assert [call.status for call in journal.history().calls] == [200, 200]


def test_moves_of_nothing_are_none() -> None:
    """A clock that stands where it stood has not moved."""
    now = [5]
    journal = Journal(lambda: now[0])
    journal.moved(5, "plan")
    now[0] = 6
    journal.moved(5, "plan")
    (moved,) = journal.history().events
    assert isinstance(moved, ClockMoved)
    assert (moved.from_target_ns, moved.to_target_ns, moved.why) == (5, 6, "plan")


def test_a_history_holds_what_witnesses_tell() -> None:
    """Beside the events, as it was told when it was taken."""
    one = arrival(1, state="held", status=None, ended_ns=9)
    assert Journal(lambda: 0).history([one]).arrivals == (one,)
