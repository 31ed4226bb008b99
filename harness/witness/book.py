"""What a witness knows: the script and its counts, each arrival, and the sums. No sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.script import USUAL, Answer, Rule, Script, Usual
from harness.witness.protocol import COLUMNS
from harness.witness.reply import Reply

if TYPE_CHECKING:
    from harness.witness.moments import Moment
    from harness.witness.reader import Request

__all__ = ["Book", "Record"]


class Record:
    """One arrival; attributes as those of :class:`harness.history.Arrival`."""

    __slots__ = COLUMNS

    def __init__(
        self, number: int, connection: int, use: int, request: Request, moment: Moment
    ) -> None:
        self.number = number
        self.connection = connection
        self.use = use
        self.method = request.method
        self.path = request.path
        self.headers = request.headers
        self.body = request.body
        self.digest = request.digest
        self.token = request.token
        self.at_ns, self.target_ns, self.wall_ns = moment
        self.state = "held"
        self.status: int | None = None
        self.answer_headers: tuple[tuple[str, str], ...] = ()
        self.head_target_ns: int | None = None
        self.ended_ns: int | None = None
        self.ended_target_ns: int | None = None
        self.ended_wall_ns: int | None = None
        self.reset = False
        self.peer_port: int | None = None
        self.torn = False

    def row(self) -> list[Any]:
        """For JSON."""
        values = [getattr(self, name) for name in COLUMNS]
        values[COLUMNS.index("body")] = self.body.decode("latin-1")
        return values


class Book:
    """The script, how far it has come, and what became of whom.

    Attributes:
        arrivals: how many there have been.
        states: how many arrivals are in each state.
        connections: how many connections have sent anything.
        broken: how many requests never became whole.
    """

    def __init__(self, usual: tuple[Usual, ...] = ()) -> None:
        self._usual = sorted((*usual, Usual()), key=lambda one: -len(one.path))
        self._changed: dict[int, Record] = {}
        self._script: Script = ()
        self._counts: dict[tuple[int, str | None], int] = {}
        self._replies: dict[tuple[int, str], Reply] = {}
        self.arrivals = 0
        self.states = {"answered": 0, "cut": 0, "held": 0, "gone": 0}
        self.connections = 0
        self.broken = 0

    def play(self, script: Script) -> None:
        """From now on by this script; its counts begin anew."""
        self._script = script
        self._counts.clear()
        self._replies.clear()

    def arrive(
        self, connection: int, use: int, request: Request, moment: Moment
    ) -> tuple[Record, Reply]:
        """A request is whole: note it, count it, and say how it is answered."""
        self.arrivals += 1
        record = Record(self.arrivals, connection, use, request, moment)
        self._changed[record.number] = record
        self.states["held"] += 1
        answer, usual = self._answer(record), self.usual(record.path)
        reply = self._replies.get((id(answer), usual.path))
        if reply is None:  # it keeps its answer alive, so that the id stays its own
            reply = self._replies[id(answer), usual.path] = Reply(answer, usual)
        return record, reply

    def usual(self, path: str) -> Usual:
        """What is usual for a path."""
        return next(one for one in self._usual if path.startswith(one.path))

    def begin(self, record: Record, reply: Reply, headers: Any, moment: Moment) -> None:
        """The first bytes of its answer are out."""
        record.status = reply.status
        record.answer_headers = headers
        record.head_target_ns = moment[1]
        record.torn = reply.is_torn
        self._changed[record.number] = record

    def end(self, record: Record, state: str, moment: Moment, *, reset: bool = False) -> None:
        """What became of it."""
        self.states["held"] -= 1
        self.states[state] += 1
        record.state = state
        record.reset = reset
        record.ended_ns, record.ended_target_ns, record.ended_wall_ns = moment
        self._changed[record.number] = record

    def news(self) -> list[list[Any]]:
        """The rows that have changed since they were last asked for; who asks remembers them."""
        changed, self._changed = self._changed, {}
        return [record.row() for record in changed.values()]

    def _answer(self, record: Record) -> Answer:
        for place, rule in enumerate(self._script):
            if _matches(rule, record):
                key = (place, _counted(rule, record))
                count = self._counts.get(key, 0)
                self._counts[key] = count + 1
                if count < len(rule.answers):
                    return rule.answers[count]
                return rule.then or rule.answers[count % len(rule.answers)]
        return USUAL


def _matches(rule: Rule, record: Record) -> bool:
    return rule.method in {None, record.method} and record.path.startswith(rule.path or "")


def _counted(rule: Rule, record: Record) -> str | None:
    """What a rule counts this request under."""
    match rule.per:
        case "call":
            return record.token
        case "path":
            return record.path.partition("?")[0]
        case "all":
            return None
