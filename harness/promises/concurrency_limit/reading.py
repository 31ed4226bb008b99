"""From a history to visits: whose slot a call may use, when it was inside, and how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from harness.history import Arrival, Call, History, TargetStarted
from harness.models.slots import End, Stay, Visit
from harness.promises.answer_form import Form, lacking
from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.words import ConcurrencyLimit
from harness.promises.rate_limit.keys import address

_OTHERS_REFUSE: Final = ("exceeded", "open", "fallback")
"""Words under which promises of other kinds declare the form of their refusals."""
_REFUSING: Final = "circuit_breaker"
"""A kind that refuses in any form, where none is declared."""


def is_refusal(promise: ConcurrencyLimit, ok: Mapping[str, frozenset[int]], call: Call) -> bool:
    """Whether an answer to a call that never arrived is the refusal that is declared."""
    if promise.rejected is not None:
        return lacking(promise.rejected, call) is None
    return call.status is not None and not _is_ok(ok, call)


def _is_ok(ok: Mapping[str, frozenset[int]], call: Call) -> bool:
    admitting = ok.get(call.operation)
    return call.status in admitting if admitting else 200 <= (call.status or 0) < 300


def another_refusing(around: Surroundings, call: Call) -> str | None:
    """Another promise in whose form the call may have been refused as well, by its name."""
    for other in around.promises:
        if isinstance(other, ConcurrencyLimit) or call.operation not in other.operation:
            continue
        forms = [getattr(other, word, None) for word in _OTHERS_REFUSE]
        declared = [each for each in forms if getattr(each, "status", None) is not None]
        if any(_fits(each, call) for each in declared):
            return other.id
        if not declared and other.kind == _REFUSING and not _is_ok(around.ok, call):
            return other.id
    return None


def _fits(form: Any, call: Call) -> bool:
    """Whether the answer has the declared form of another kind's refusal."""
    headers, body = getattr(form, "headers", ()), getattr(form, "body", None)
    names = tuple(headers) if isinstance(headers, tuple | list) else ()
    return (
        lacking(Form.model_validate({"status": form.status, "headers": names, "json": body}), call)
        is None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The calls since the target started, and their arrivals at the witnesses they use."""

    ok: Mapping[str, frozenset[int]]
    calls: Sequence[tuple[int, Call]]
    arrivals: Sequence[Arrival]
    by_token: Mapping[str, Sequence[Arrival]]
    to_ns: int

    @classmethod
    def of(cls, history: History, around: Surroundings, to_ns: int) -> Facts:
        """As far as all had come at ``to_ns``."""
        starts = [each.at_ns for each in history.events if isinstance(each, TargetStarted)]
        since_ns = max((start for start in starts if start <= to_ns), default=0)
        calls = [
            (index, call)
            for index, call in enumerate(history.calls)
            if call.written and since_ns <= call.written_ns <= to_ns
        ]
        arrivals = [each for each in history.arrivals if since_ns <= each.at_ns <= to_ns]
        by_token: dict[str, list[Arrival]] = defaultdict(list)
        for each in arrivals:
            if each.token is not None:
                by_token[each.token].append(each)
        return cls(ok=around.ok, calls=calls, arrivals=arrivals, by_token=by_token, to_ns=to_ns)

    def stays(self, call: Call) -> tuple[Stay, ...]:
        """The arrivals of a call."""
        found = self.by_token.get(call.token, ()) if call.token is not None else ()
        return tuple(
            Stay(
                from_ns=each.at_ns,
                to_ns=self.by_then(None if each.state == "held" else each.ended_ns),
                by_target=each.state == "gone",
            )
            for each in found
        )

    def by_then(self, ns: int | None) -> int | None:
        """An instant, None if it came later than what is looked at."""
        return ns if ns is not None and ns <= self.to_ns else None

    def untold(self, operations: Mapping[str, Collection[str]]) -> str | None:
        """Why arrivals cannot be told to calls; None where no call of these is without its token.

        Where a witness has seen a token of an operation's calls, requests without one are no calls
        of it: the service asks by itself, or for other operations.

        Args:
            operations: by name, the dependencies that each uses; none: it may use any.
        """
        bare = {each.dependency for each in self.arrivals if each.token is None}
        for operation, uses in operations.items():
            tokens = [call.token for _, call in self.calls if call.operation == operation]
            theirs = [each for token in tokens for each in self.by_token.get(token or "", ())]
            doubtful = bare.intersection(uses) if uses else bare
            if not doubtful <= {each.dependency for each in theirs}:
                return (
                    f"requests of {operation} reach the dependency without the X-Request-ID of the "
                    "call they belong to, so nobody can tell who is inside; a service that passes it "
                    "on, or `{call}` in the operation's call where the service passes that on, would "
                    "settle it"
                )
        return None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the calls of one promise."""

    promise: ConcurrencyLimit
    facts: Facts
    around: Surroundings
    labels: Mapping[int, str] = field(default_factory=dict)
    killed: bool = False

    def visits(self) -> Iterator[Visit]:
        """The calls that the limit speaks of."""
        for index, call in self.facts.calls:
            if call.operation in self.promise.operation and call.error != "refused":
                yield self.visit(index, call)

    def visit(self, index: int, call: Call) -> Visit:
        """What is known of one call."""
        stays = self.facts.stays(call)
        ended_ns = self.facts.by_then(ended_ns_of(call))
        end = None if ended_ns is None else self._end(call, arrived=bool(stays))
        return Visit(
            call=index,
            key=self._key(call),
            sent_ns=call.written_ns,
            sent_target_ns=call.sent_target_ns,
            stays=stays,
            ended_ns=ended_ns,
            ended_target_ns=call.ended_target_ns or call.answered_target_ns,
            end=end,
            way="" if end is None else self._way(call, end),
            label=self.labels.get(index, ""),
        )

    def _key(self, call: Call) -> str:
        if self.promise.key == "global":
            return "all"
        if self.promise.key == "ip":
            return address(call.source) or call.source
        return call.caller

    def _end(self, call: Call, *, arrived: bool) -> End:
        if call.error == "left":
            return "left"
        if call.status is None:
            return "lost"
        if arrived:
            return "answered"
        if not is_refusal(self.promise, self.facts.ok, call):
            return "strange"
        return "strange" if another_refusing(self.around, call) else "refused"

    def _way(self, call: Call, end: End) -> str:
        """How it ended, for people."""
        if end == "left":
            return "client gone"
        if end == "lost":
            return "holder killed" if self.killed else "connection lost"
        if end == "strange":
            other = another_refusing(self.around, call)
            return f"answered {call.status}" if other is None else f"refused, perhaps by {other}"
        if end == "refused":
            return "refusal"
        arrivals = self.facts.by_token.get(call.token or "", ())
        last = arrivals[-1] if arrivals else None
        if last is None or last.state in ("held", "gone") or not _answered_first(last, call):
            return "timeout"
        if last.state == "cut":
            return "reset"
        return "ok" if _is_ok(self.facts.ok, call) else "error"


def _answered_first(arrival: Arrival, call: Call) -> bool:
    """Whether the witness was done before the user had the answer."""
    ended_ns = ended_ns_of(call)
    return arrival.ended_ns is not None and ended_ns is not None and arrival.ended_ns <= ended_ns


def ended_ns_of(call: Call) -> int | None:
    """When its user was done with it, on the machine's clock."""
    return call.ended_ns if call.ended_ns is not None else call.last_byte_ns
