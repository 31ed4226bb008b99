"""What a history tells of faults and of its clock."""

from __future__ import annotations

from harness.history import ClockMoved, Event, FaultBegan, FaultEnded, TargetStarted, away, ran


def began(at_ns: int, name: str) -> FaultBegan:
    return FaultBegan(
        seq=at_ns, at_ns=at_ns, target_ns=0, dependency=name, fault="refused", effect=1
    )


def ended(at_ns: int, name: str) -> FaultEnded:
    return FaultEnded(seq=at_ns, at_ns=at_ns, target_ns=0, dependency=name, data_kept=True)


def test_who_was_away_from_when_to_when() -> None:
    """Until healed, until the target was started anew, or until now; a second fault begins nothing."""
    start = TargetStarted(seq=9, at_ns=9, target_ns=0, clock="frozen", exclusive=True)
    events: list[Event] = [
        began(1, "a"),
        began(2, "b"),
        began(3, "a"),
        ended(4, "a"),
        ended(5, "c"),
        start,
    ]
    assert list(away(events)) == [("a", 1, 4), ("b", 2, 9)]
    assert list(away([*events, began(10, "a")]))[2:] == [("a", 10, 1 << 62)]


def test_when_a_held_clock_ran() -> None:
    """Only where it was let run, not where it was moved."""
    moves = (
        ClockMoved(seq=0, at_ns=0, from_target_ns=0, to_target_ns=1, why="plan"),
        ClockMoved(seq=1, at_ns=1, from_target_ns=1, to_target_ns=2, why="settle"),
        ClockMoved(seq=2, at_ns=2, from_target_ns=2, to_target_ns=3, why="deadline"),
    )
    assert list(ran(moves)) == [(1, 2)]
