"""Random answers to clients that stay or leave: each ends as, and at the instant that, was foreseen."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.clock.held import HeldClock
from harness.history import Arrival
from harness.script import Answer, Rule
from harness.supervisor import Supervisor
from harness.witness.handle import Witness
from tests.witness.conftest import MS_NS, Client, get, rest

CLIENTS = 24


@dataclass(frozen=True, slots=True)
class Case:
    """One client: what it is answered, and when it leaves, if it is not done by then."""

    answer: Answer
    leaves_ns: int
    resets: bool

    def foreseen(self) -> tuple[str, bool, int]:
        """State, reset and the span from arrival to end."""
        answer = self.answer
        body = len(answer.body or "")
        body = {"before": 0, "within": body // 2}.get(answer.cut or "", body)
        spans_ns = answer.delay_ns + (0 if answer.cut == "before" else body * answer.trickle_ns)
        if answer.hold or spans_ns > self.leaves_ns:
            has_unread = not answer.hold and answer.delay_ns <= self.leaves_ns
            return "gone", self.resets or (has_unread and answer.cut != "before"), self.leaves_ns
        if answer.cut:
            return "cut", answer.cut_by == "reset", spans_ns
        return "answered", False, spans_ns


def drawn(rng: Random, number: int) -> Case:
    """All instants of all clients differ, so that there is one order."""
    answer = Answer(
        status=rng.choice([200, 404, 503]),
        body="x" * rng.randrange(2, 9),
        delay_ns=rng.choice([0, rng.randrange(1, 500)]) * MS_NS + number,
        hold=rng.random() < 0.2,
        trickle_ns=rng.choice([0, rng.randrange(1, 200) * MS_NS]),
        cut=rng.choice([None, None, "before", "within", "after"]),
        cut_by=rng.choice(["reset", "close"]),
        length_off=rng.choice([0, 0, -1, 2]),
        close=rng.random() < 0.3,
    )
    return Case(answer, rng.randrange(1, 1500) * MS_NS + 500_000 + number, rng.random() < 0.5)


def as_seen(arrival: Arrival) -> tuple[str, bool, int]:
    assert arrival.ended_target_ns is not None
    return arrival.state, arrival.reset, arrival.ended_target_ns - arrival.target_ns


def play(witness: Witness, clock: HeldClock, rng: Random) -> None:
    """One round: all call at once; then time goes from one instant to the next."""
    cases = [drawn(rng, number) for number in range(CLIENTS)]
    witness.script((Rule(answers=tuple(case.answer for case in cases)),))
    known = len(witness.arrivals())
    clients = [Client(witness) for _ in cases]
    for client in clients:
        client.send(get())
    rest(clock)
    began_ns = clock.now_ns()
    for case, client in sorted(zip(cases, clients, strict=True), key=lambda one: one[0].leaves_ns):
        while (due_ns := next_timer_ns(clock)) < began_ns + case.leaves_ns:
            clock.advance_to(due_ns)
            rest(clock)
        clock.advance_to(began_ns + case.leaves_ns)
        rest(clock)
        (client.reset if case.resets else client.close)()
        rest(clock)
    seen = witness.arrivals()[known:]
    assert [as_seen(arrival) for arrival in seen] == [case.foreseen() for case in cases]
    truth = witness.truth()
    assert truth.arrivals == truth.answered + truth.cut + truth.gone
    assert (truth.held, truth.open) == (0, 0)


def next_timer_ns(clock: HeldClock) -> int:
    """The earliest instant that the witness waits for."""
    return min(
        (s.deadline_ns for s in clock.state() if s.blocked and s.deadline_ns), default=1 << 62
    )


@contextmanager
def running() -> Iterator[tuple[Witness, HeldClock]]:
    """A witness whose time stands still."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Supervisor() as supervisor,
        HeldClock(Path(folder)) as clock,
    ):
        witness = Witness(supervisor, "search", clock.environment())
        witness.start()
        clock.freeze()
        yield witness, clock
        clock.release()


def main(count: int) -> bool:
    """Play so many rounds, each with its number as its seed; whether all went as foreseen."""
    with running() as (witness, clock):
        for seed in range(count):
            try:
                play(witness, clock, Random(seed))
            except AssertionError as error:
                print(f"witness: round {seed} did not go as foreseen: {error}")
                return False
            witness.forget()
    print(f"witness: {count} rounds of {CLIENTS} clients, each ended as foreseen")
    return True


def test_whatever_becomes_of_whom_was_foreseen(frozen: Witness, clock: HeldClock) -> None:
    """State, manner and instant, to the nanosecond, of 24 clients at once; three rounds."""
    for seed in range(3):
        play(frozen, clock, Random(seed))


if __name__ == "__main__":
    main(200)
