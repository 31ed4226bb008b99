"""A playing with calls under way, written down by hand: what a bulkhead of two did with four."""

from __future__ import annotations

from harness.history import Arrival, Call, ClockMoved, Event, History, Rested, TargetStarted
from harness.plan import Answering, Fire, Leave, Played, Release, Trial, Wait
from harness.runner.stage import Counterexample
from harness.script import HOLD, Answer, always
from harness.units import NS_PER_S
from harness.verdict import Finding, Verdict

WALL_NS = 1_700_000_000 * NS_PER_S
TRIAL = Trial(
    name="T2",
    purpose="one more",
    fresh="restart",
    steps=(
        Answering(dependency="dep", script=always(HOLD)),
        Fire(group="a", times=4),
        Wait(ns=2 * NS_PER_S),
        Release(dependency="dep", answer=Answer(status=503), times=1),
        Leave(group="a"),
    ),
)
PLAYED = Played(
    steps=((), (0, 1, 2, 3), (), (), ()),
    first_call=0,
    end_call=4,
    began_ns=(0, 0, 0, 2 * NS_PER_S, 2 * NS_PER_S, 2 * NS_PER_S),
    at_ns=(10, 20, 40, 60, 80, 100),
    groups={"a": (0, 1, 2, 3)},
)


def flying(number: int, *, status: int | None, ended_ns: int, error: str | None = None) -> Call:
    """A call, written at 20 + number."""
    later = 2 * NS_PER_S if ended_ns > 40 else 0
    return Call(
        operation="two",
        caller=f"client-{number}",
        identity=None,
        source="127.0.0.1",
        forwarded=None,
        connection=number,
        written_seq=number,
        answered_seq=100 + number,
        written_ns=20 + number,
        first_byte_ns=None if status is None else ended_ns,
        last_byte_ns=None if status is None else ended_ns,
        sent_target_ns=0,
        answered_target_ns=None if status is None else later,
        sent_wall_ns=WALL_NS,
        answered_wall_ns=None if status is None else WALL_NS + later,
        status=status,
        complete=status is not None,
        error=error,
        token=f"sp-00c0ffee-{number}",
        ended_ns=ended_ns,
        ended_target_ns=later,
    )


def arrival(number: int, *, state: str, status: int | None, ended_ns: int) -> Arrival:
    """A request of the call of that number, held until ``ended_ns``."""
    return Arrival(
        dependency="dep",
        number=number,
        connection=number,
        use=1,
        method="GET",
        path="/item",
        headers=(("host", "dep"),),
        body=b"",
        digest="",
        token=f"sp-00c0ffee-{number}",
        at_ns=30 + number,
        target_ns=0,
        wall_ns=WALL_NS,
        state=state,  # type: ignore[arg-type]
        status=status,
        ended_ns=ended_ns,
        ended_target_ns=2 * NS_PER_S,
        ended_wall_ns=WALL_NS + 2 * NS_PER_S,
        peer_port=40_000 + number,
    )


def playing() -> Counterexample:
    """Call 1 is released, 2 and 3 leave, 4 is rejected; 3 reached the witness though two were in."""
    calls = (
        flying(1, status=503, ended_ns=70),
        flying(2, status=None, ended_ns=85, error="left"),
        flying(3, status=None, ended_ns=120, error="left"),
        flying(4, status=429, ended_ns=35),
    )
    events: tuple[Event, ...] = (
        TargetStarted(seq=0, at_ns=1, target_ns=0, clock="frozen", exclusive=True),
        *calls,
        Rested(seq=5, at_ns=39, target_ns=0),
        ClockMoved(seq=6, at_ns=45, from_target_ns=0, to_target_ns=2 * NS_PER_S, why="deadline"),
    )
    arrivals = (
        arrival(1, state="answered", status=503, ended_ns=65),
        arrival(2, state="gone", status=None, ended_ns=90),
        arrival(3, state="answered", status=200, ended_ns=110),
    )
    finding = Finding(half="upper", said="3 inside, 2 allowed", key="", calls=(0, 1, 2), proof={})
    return Counterexample(
        trial=TRIAL,
        verdict=Verdict.broken([finding]),
        history=History(events, arrivals),
        played=PLAYED,
        readings=dict.fromkeys(range(4)),
    )
