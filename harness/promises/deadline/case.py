"""One playing that is being judged: call by call, then forms, the call's timeout, what is left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from harness.models.slots import NEVER
from harness.plan import CountResources, Fire, Leave, Trial
from harness.promises.answer_form import Form, lacking
from harness.promises.base import Surroundings
from harness.promises.deadline import leaking, sentences
from harness.promises.deadline.check import Broken, Span, Terms, judged
from harness.promises.deadline.faults import delivers_nothing, not_met, told_status
from harness.promises.deadline.reading import Seen, has_breaker, is_ok, terms_of
from harness.promises.deadline.trials import AFTER, BEFORE, CONTROL, GAP_NS, PROBE, QUICK
from harness.promises.deadline.words import Deadline
from harness.units import NS_PER_MS, NS_PER_S
from harness.verdict import Finding

_TIMERS_SHOWN: Final = 60
_NEEDS_NO_BODY: Final = (
    "the call was a success though the dependency's answer did not come whole: it may need no more than "
    "the status line, which came; an operation that needs the answer's body would settle it"
)
_NOT_DAWDLING: Final = (
    "the client that was to dawdle was done before the other was answered, and kept nobody waiting; an "
    "operation that is answered at length, and no proxy that takes the request first, would settle it"
)
_DAWDLES: Final = "another client dawdles"


class Case:
    """One playing that is being judged."""

    def __init__(
        self,
        promise: Deadline,
        around: Surroundings,
        trial: Trial,
        seen: Seen,
        met: Sequence[int],
    ) -> None:
        self.promise = promise
        self.around = around
        self.trial = trial
        self.seen = seen
        self.met = met
        self.terms = terms_of(promise, around)
        self.counts = any(isinstance(step, CountResources) for step in trial.steps)
        self.leaves = any(isinstance(step, Leave) for step in trial.steps)
        self.groups = {index: name for name, calls in seen.groups.items() for index in calls}
        fires = [step for step in trial.steps if isinstance(step, Fire)]
        self.slow = {step.group for step in fires if step.slow}
        self.half = {step.group for step in fires if step.part == "half"}

    def findings(self) -> tuple[list[Finding], list[str]]:
        """All proofs, and all doubts about single calls."""
        found: list[Finding] = []
        doubts: list[str] = []
        for index, span in self.seen.spans.items():
            said = self._judged(index, span)
            if isinstance(said, Broken):
                found.append(self._finding(index, span, said))
            elif said is not None:
                doubts.append(said)
        for each in self._forms():
            if isinstance(each, Finding):
                found.append(each)
            else:
                doubts.append(each)
        found += self._call_timeout()
        if self.counts:
            found += leaking.findings(self.promise, self.seen)
        return found, doubts

    def unconvincing(self) -> str | None:
        """Why a trial without a proof says nothing."""
        if self.counts:
            breaker = has_breaker(self.promise, self.around)
            return leaking.doubt(self.promise, self.seen, breaker=breaker)
        if self.trial.name.startswith("T8"):
            return None if self._kept_at_it() else _NOT_DAWDLING
        if not self.met:
            return not_met(self.trial.name)
        if self.trial.name.startswith("T9 just in time") and not self._is_ok(self.met[0]):
            return "the answer just within the call's timeout was not used, for some other reason"
        if self.trial.name.startswith("T9 just too late") and self._used(self.met[0]):
            return "the answer came before the timers' steps allow to say that it was too late"
        return None

    def _kept_at_it(self) -> bool:
        """Whether clients dawdled until the others were answered."""
        dawdling = [*self.seen.group("slow"), *self.seen.group("half")]
        answered_ns = [self._done_ns(index) for index in self.seen.group(CONTROL)]
        until_ns = [self._done_ns(index) for index in dawdling if index in self.seen.calls]
        return bool(until_ns) and min(until_ns) > max(answered_ns, default=NEVER)

    def _done_ns(self, index: int) -> int:
        """When its user was done with a call, on the machine's clock."""
        call = self.seen.calls.get(index)
        ended_ns = None if call is None else call.ended_ns or call.last_byte_ns
        return NEVER if ended_ns is None else ended_ns

    # -- single calls -----------------------------------------------------------------------------

    def _judged(self, index: int, span: Span) -> Broken | str | None:
        group = self.groups.get(index, "")
        if self.seen.calls[index].operation not in self.promise.operation:
            return None
        if group in self.slow or (self.leaves and group.startswith(PROBE)):
            return None
        if group in self.half and self.promise.slow_client is None:
            return None
        if group in self.half:
            closes = Terms(
                within_ns=self.terms.within_ns,
                closes=True,
                resolution_ns=self.terms.resolution_ns,
            )
            return judged(closes, span, self.promise.slow_client)
        if len(self.seen.groups.get(group, ())) > 1:
            return self._of_many(index, span)
        return judged(self.terms, span, quick=self._quick())

    def _of_many(self, index: int, span: Span) -> Broken | str | None:
        """Of calls made together some may wait for a worker: theirs begins when it reaches the witness."""
        arrivals = self.seen.arrivals[index]
        if not arrivals:
            return None
        return judged(self.terms, replace(span, sent_ns=arrivals[0].target_ns), quick=self._quick())

    def _quick(self) -> bool:
        """Whether the machine answered a call that needs no dependency within half a second."""
        spans = [self.seen.spans[index] for index in self.seen.group(QUICK)]
        return any(
            span.end == "answered" and (span.elapsed_ns or 0) < NS_PER_S // 2 for span in spans
        )

    def _finding(self, index: int, span: Span, found: Broken) -> Finding:
        looked_ns = max((span.idle_ns or span.sent_ns) - span.sent_ns, 0)
        if self.groups.get(index) in self.half:
            within_ns = self.promise.slow_client or 0
            half, said = "slow_client", sentences.slow_client(found, within_ns, looked_ns)
        else:
            half = found.half
            said = sentences.late(
                found,
                operation=self.seen.calls[index].operation,
                fault=self._fault(index),
                within_ns=self.promise.within,
                looked_ns=looked_ns,
                dripping=self.trial.name.startswith("T2"),
            )
        return Finding(
            half=half,
            said=said,
            key=self.seen.calls[index].caller,
            calls=(index,),
            proof=self._proof(index, span),
        )

    def _fault(self, index: int) -> str:
        """What was the matter while a call was under way."""
        if self.groups.get(index, "").startswith(PROBE):
            return "a dependency is silent" if self.counts else self.trial.purpose
        if self.trial.name.startswith("T8"):
            return f"all dependencies answer, and {_DAWDLES}"
        if self.groups.get(index) in (BEFORE, AFTER, CONTROL):
            return "all dependencies answer"
        return "its dependencies did as the plan says"

    def _proof(self, index: int, span: Span) -> dict[str, Any]:
        """The span, the attempts and the timers, in ns since the call was sent."""
        since = span.sent_ns
        shown = [each - since for each in span.timers_ns]
        return {
            "within_ns": self.promise.within,
            "ended_ns": span.elapsed_ns,
            "idle_ns": None if span.idle_ns is None else span.idle_ns - since,
            "timers_ns": shown[:_TIMERS_SHOWN],
            "attempts": [
                {
                    "dependency": each.dependency,
                    "from_ns": each.target_ns - since,
                    "to_ns": None if each.ended_target_ns is None else each.ended_target_ns - since,
                    "state": each.state,
                    "status": each.status,
                }
                for each in self.seen.arrivals[index]
            ],
        }

    def _is_ok(self, index: int) -> bool:
        return is_ok(self.around.ok, self.seen.calls[index])

    # -- form and timeout ---------------------------------------------------------------------------

    def _forms(self) -> Iterator[Finding | str]:
        """Answers that have not the declared form; a doubt where the operation may need no body."""
        form = self.promise.answer
        if not isinstance(form, Form) or not delivers_nothing(self.trial.name):
            return
        for index in self.met:
            call, span = self.seen.calls[index], self.seen.spans[index]
            lack = lacking(form, call) if span.end == "answered" else None
            if lack is None:
                continue
            if self._is_ok(index) and told_status(self.trial.name, self.seen.arrivals[index]):
                yield _NEEDS_NO_BODY
                continue
            yield Finding(
                half="form",
                said=sentences.form(call.operation, self.trial.purpose, lack),
                key=call.caller,
                calls=(index,),
                proof={"missing": lack, "status": call.status, **self._proof(index, span)},
            )

    def _call_timeout(self) -> Iterator[Finding]:
        timeout_ns = self.promise.call_timeout
        if timeout_ns is None or not self.trial.name.startswith("T9"):
            return
        gap_ns = GAP_NS + self.terms.resolution_ns
        for index in self.met:
            first = self.seen.arrivals[index][0]
            took_ns = (first.ended_target_ns or first.target_ns) - first.target_ns
            if self.trial.name.startswith("T9 just in time"):
                least_ns = timeout_ns - gap_ns - NS_PER_MS
                given_up = first.state == "gone" and took_ns < least_ns
                said = sentences.given_up(took_ns, timeout_ns) if given_up else None
            else:
                late = self._used(index) and took_ns >= timeout_ns + gap_ns
                said = sentences.used(took_ns, timeout_ns) if late else None
            if said is not None:
                yield Finding(
                    half="call_timeout",
                    said=said,
                    key=self.seen.calls[index].caller,
                    calls=(index,),
                    proof=self._proof(index, self.seen.spans[index]),
                )

    def _used(self, index: int) -> bool:
        """Whether the only answer of the dependency made the call a success."""
        arrivals = self.seen.arrivals[index]
        return len(arrivals) == 1 and arrivals[0].state == "answered" and self._is_ok(index)
