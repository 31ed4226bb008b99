"""Who is where at a rest, and how many calls the service has certainly taken up."""

from __future__ import annotations

import pytest

from harness.models.slots import Level, Rest, Rests, Stay, Visit, certain, levels

RESTS = Rests([Rest(10), Rest(20), Rest(30), Rest(40)])


def visit(
    call: int, sent_ns: int, *stays: Stay, ended_ns: int | None = None, end: str | None = None
) -> Visit:
    """A call of the one key."""
    return Visit(
        call=call,
        key="a",
        sent_ns=sent_ns,
        stays=stays,
        ended_ns=ended_ns,
        end=end,  # type: ignore[arg-type]
    )


def at(*visits: Visit, limit: int = 2, width: int = 9, arrivals: bool = False) -> tuple[Level, ...]:
    """The levels at 10, 20, 30 and 40."""
    return levels(visits, RESTS, limit=limit, width=width, arrivals=arrivals)


def calls(visits: tuple[Visit, ...]) -> list[int]:
    """Their numbers."""
    return [each.call for each in visits]


def test_told_and_still_held_may_hold_its_slot() -> None:
    """Its user has an answer: inside only where arrivals count, and over when the witness is done too."""
    told = visit(0, 1, Stay(from_ns=2, to_ns=32), ended_ns=12, end="answered")
    first, second, third, fourth = at(told)
    assert calls(first.inside) == [0]
    assert (calls(second.inside), calls(second.maybe)) == ([], [0])
    assert calls(third.taken) == [0]
    assert (calls(fourth.taken), calls(fourth.over)) == ([], [0])
    assert calls(at(told, arrivals=True)[1].inside) == [0]


def test_one_who_left_while_waiting_is_over_when_its_turn_has_come() -> None:
    """A slot is free, the service has hands free, and nothing was seen of it."""
    holder = visit(0, 1, Stay(from_ns=2, to_ns=22), ended_ns=23, end="answered")
    ghost = visit(1, 3, ended_ns=12, end="left")
    first, second, third, fourth = at(holder, ghost, limit=1)
    assert calls(first.waiting) == [1]
    assert calls(second.ghosts) == [1]
    assert (calls(third.ghosts), calls(third.over)) == ([], [0, 1])
    assert fourth.under_way == 0
    assert calls(at(holder, ghost, limit=1, width=0)[3].ghosts) == [1]


@pytest.mark.parametrize(
    ("refused", "ended", "served"), [(False, False, 3), (True, False, 4), (True, True, 3)]
)
def test_a_refusal_shows_free_hands_only_while_nothing_ends(
    refused: bool, ended: bool, served: int
) -> None:
    """Three at once were seen elsewhere; the one who was refused was served besides those under way."""
    held = [visit(n, 1, Stay(from_ns=2)) for n in range(4)]
    others = [visit(4, 3, ended_ns=4, end="refused")] if refused else []
    gone = [visit(5, 1, Stay(from_ns=2, to_ns=3), ended_ns=4, end="answered")] if ended else []
    assert at(*held, *others, *gone)[0].served(3) == served


def test_certain_is_what_no_reading_denies() -> None:
    """The witness knows when it answered; of what the target did, the last rest before is known."""
    answered = visit(0, 1, Stay(from_ns=2, to_ns=25), ended_ns=26, end="answered")
    assert list(certain(answered, RESTS, arrivals=False, exact=True)) == [(2, 21)]
    assert list(certain(answered, RESTS, arrivals=True, exact=True)) == [(2, 25)]
    assert list(certain(answered, RESTS, arrivals=True, exact=False)) == [(2, 21)]
    closed = visit(0, 1, Stay(from_ns=2, to_ns=25, by_target=True), ended_ns=15, end="left")
    assert list(certain(closed, RESTS, arrivals=False, exact=True)) == [(2, 15)]
    assert list(certain(closed, RESTS, arrivals=True, exact=True)) == [(2, 21)]
    unseen = visit(0, 21, Stay(from_ns=22, to_ns=25, by_target=True), ended_ns=26, end="lost")
    assert not list(certain(unseen, RESTS, arrivals=False, exact=True))
