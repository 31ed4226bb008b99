"""What is known of the attempts of one call. Target time, in ns; what is not exact is a span."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.models.advice import Advice
from harness.promises.retry.parts import CONNECTION, IDEMPOTENT

TORN: Final = "torn"
"""An answer that was cut off after it had begun: nobody can tell what a client makes of it."""
HELD: Final = "held"
"""No end was seen."""
Clock = Literal["frozen", "real"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request as the witness saw it.

    Attributes:
        number: at the witness.
        method: of the request.
        arrived_ns: target time.
        ended_ns: earliest and latest target time at which the target knew its end; None: it did not.
        outcome: a status, ``timeout``, ``connection``, ``torn`` or ``held``.
        use: how many requests had come on its connection, this one included.
        key: value of the idempotency key, None where none was sent.
        advice: what a Retry-After told, None where nothing that can be read.
        told: there was a Retry-After that counts, readable or not.
        ended_wall_ns: the target's wall clock at the end.
        at_ns: the machine's clock.
        asks: what it asks for beside its method and path: its query and its body.
        ran: a held clock was let run for a while between it and the next one.
    """

    number: int
    method: str
    arrived_ns: int
    ended_ns: tuple[int, int] | None
    outcome: int | str
    use: int = 1
    key: str | None = None
    advice: Advice | None = None
    told: bool = False
    ended_wall_ns: int | None = None
    at_ns: int = 0
    asks: str = ""
    ran: bool = False

    @property
    def is_success(self) -> bool:
        """Answered as clients want it."""
        return isinstance(self.outcome, int) and self.outcome < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The wait between two attempts: it was at least and at most so long."""

    least_ns: int
    most_ns: int

    @property
    def is_exact(self) -> bool:
        """Known to the nanosecond."""
        return self.least_ns == self.most_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """One call and its attempts.

    Attributes:
        call: index in the history.
        caller: as the history names it.
        operation: the contract's name.
        attempts: in order; those of one method and path.
        sent_ns, ended_ns: target time; None while the call is under way.
        seen_until_ns: target time up to which was looked.
        left_at_ns: the machine's clock when its client went away, None if it stayed.
        deadline_ns: target time by which its caller is promised an answer, None where that is not promised.
        failed: it was answered otherwise than with a success, or not at all.
        unseen: it was under way while the dependency could not be reached: attempts may be missing.
    """

    call: int
    caller: str
    operation: str
    attempts: tuple[Attempt, ...]
    sent_ns: int
    ended_ns: int | None
    seen_until_ns: int
    left_at_ns: int | None = None
    deadline_ns: int | None = None
    failed: bool = True
    unseen: bool = False

    @property
    def is_mixed(self) -> bool:
        """Queries or bodies differ: one thing tried again with a word changed, or several things."""
        return len({each.asks for each in self.attempts}) > 1

    @property
    def apart(self) -> tuple[Tries, ...]:
        """The attempts that are surely of one thing, as so many sequences."""
        if not self.is_mixed:
            return (self,)
        asked = dict.fromkeys(each.asks for each in self.attempts)
        parts = (tuple(each for each in self.attempts if each.asks == asks) for asks in asked)
        return tuple(replace(self, attempts=part) for part in parts)

    def as_one(self) -> Tries:
        """Read as one thing, whatever queries and bodies say."""
        return replace(self, attempts=tuple(replace(each, asks="") for each in self.attempts))

    def gap(self, k: int, clock: Clock = "frozen") -> Gap:
        """The wait after attempt ``k``, from 1.

        While time runs the target may have had an answer before the witness noted it: a wait is
        certainly no longer than from one arrival to the next, and may have been shorter.
        """
        one, two = self.attempts[k - 1], self.attempts[k]
        if clock == "real" or one.ran:
            return Gap(least_ns=0, most_ns=two.arrived_ns - one.arrived_ns)
        if one.ended_ns is None:
            return Gap(least_ns=0, most_ns=two.arrived_ns - one.arrived_ns)
        first, last = one.ended_ns
        return Gap(
            least_ns=two.arrived_ns - last, most_ns=two.arrived_ns - min(first, two.arrived_ns)
        )


def replaced(one: Attempt, two: Attempt, late_ns: float) -> bool:
    """Whether ``two`` may be a client library's replacement of a connection that died while idle.

    A connection that was used before and ends without a byte may have been closed before the
    request was sent: an idempotent one is then sent again at once, on a fresh connection.
    """
    return (
        one.outcome == CONNECTION
        and one.use > 1
        and two.use == 1
        and one.method in IDEMPOTENT
        and one.ended_ns is not None
        and two.arrived_ns - one.ended_ns[0] <= late_ns
    )
