"""A playing with calls that stay under way, as text: what reached each witness, and what did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.history import Arrival, Call
from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Jump,
    Kill,
    Leave,
    Reaching,
    Release,
    Step,
)
from harness.runner.stage import Counterexample
from harness.script import USUAL, Answer, Rule
from harness.units import format_seconds

_ARRIVALS_MOST = 12
"""A step with more is told by their counts alone."""

Line = tuple[str, str, str, str]
"""When, who, what, and what came of it."""


class Sky:
    """What a playing shows of calls under way, step by step; nothing after its end counts.

    Args:
        shown: the playing.
        origin_ns: where its clock begins, on the target's.
    """

    def __init__(self, shown: Counterexample, origin_ns: int) -> None:
        self._origin_ns = origin_ns
        self._calls = shown.history.calls
        self._ends_ns = shown.played.at_ns
        self._last_ns = self._ends_ns[-1] if self._ends_ns else 0
        own = sorted({index for step in shown.played.steps for index in step})
        self._places = {index: place for place, index in enumerate(own, start=1)}
        self._by_token = {
            token: place for i, place in self._places.items() if (token := self._calls[i].token)
        }
        first_ns = self._ends_ns[0] if self._ends_ns else 0
        self._arrivals = [
            one for one in shown.history.arrivals if first_ns <= one.at_ns <= self._last_ns
        ]

    def after(self, number: int) -> Iterator[Line]:
        """What reached a witness in a step, by its place in the plan."""
        begin_ns, end_ns = list(pairwise(self._ends_ns))[number]
        came = [one for one in self._arrivals if begin_ns <= one.at_ns < end_ns]
        if len(came) > _ARRIVALS_MOST:
            counts = Counter((one.dependency, self._fate(one)) for one in came)
            for (dependency, fate), count in counts.items():
                yield self._when(came[0]), dependency, f"{count} arrivals", fate
            return
        for one in came:
            call = self._by_token.get(one.token or "")
            whose = "" if call is None else f" of call {call}"
            yield self._when(one), one.dependency, f"arrival {one.number}{whose}", self._fate(one)

    def answers(self, step: Step, indexes: Sequence[int]) -> Iterator[Line]:
        """What became of the calls of a step."""
        alike: dict[str, list[int]] = {}
        for index in indexes:
            alike.setdefault(self._end(self._calls[index]), []).append(index)
        for end, those in alike.items():
            first = self._calls[those[0]]
            when = f"+{format_seconds(first.sent_target_ns - self._origin_ns)}"
            yield when, _who(step), self._named(those), end

    def _named(self, indexes: Sequence[int]) -> str:
        numbers = [self._places[index] for index in indexes]
        if len(numbers) == 1:
            return f"call {numbers[0]}"
        if numbers == list(range(numbers[0], numbers[-1] + 1)):
            return f"calls {numbers[0]} to {numbers[-1]}"
        return f"calls {', '.join(map(str, numbers))}"

    def _end(self, call: Call) -> str:
        if call.ended_ns is None or call.ended_target_ns is None or call.ended_ns > self._last_ns:
            return "under way to the end"
        at = f"+{format_seconds(call.ended_target_ns - self._origin_ns)}"
        if call.error == "left":
            return f"its client leaves at {at}"
        said = (
            f"{call.status}"
            if call.error is None
            else f"{call.status or 'no answer'} ({call.error})"
        )
        reached = any(one.token == call.token for one in self._arrivals)
        known = all(one.token is not None for one in self._arrivals)
        rejected = "" if reached or not known or not self._arrivals else ", and reached no witness"
        return f"{said} at {at}{rejected}"

    def _fate(self, one: Arrival) -> str:
        """State, status and clock."""
        if one.ended_ns is None or one.ended_target_ns is None or one.ended_ns > self._last_ns:
            return "held to the end"
        state = {"gone": "gone: the service let go of it"}.get(one.state, one.state)
        status = "" if one.status is None else f" {one.status}"
        return f"{state}{status} at +{format_seconds(one.ended_target_ns - self._origin_ns)}"

    def _when(self, one: Arrival) -> str:
        return f"+{format_seconds(one.target_ns - self._origin_ns)}"


def told(step: Step) -> tuple[str, str] | None:
    """Who does what in a step, for one that makes no call; None for other steps."""
    match step:
        case Answering():
            return step.dependency, f"answers {_script(step.script)}"
        case Release():
            held = "all that it holds" if step.times is None else f"{step.times} that it holds"
            whose = "" if step.group is None else f" of {step.group}"
            return (
                step.dependency,
                f"ends {held}{whose}, {step.order} first: {_answer(step.answer)}",
            )
        case Leave():
            count = "all clients" if step.times is None else f"{step.times} clients"
            which = {None: "", True: " that wait", False: " that have reached it"}[step.waiting]
            return step.group, f"{count}{which} leave"
        case Jump():
            return "", f"until nothing is under way, at most {format_seconds(step.most_ns)}"
        case Reaching():
            said = {"open": "can be", "refuse": "refuses to be", "black_hole": "never gets"}
            return step.dependency, f"{said[step.how]} connected"
        case CountResources():
            return "", "threads, descriptors and connections are counted"
        case Kill():
            return step.group, "the process that holds its request is killed"
        case _:
            return None


def _who(step: Step) -> str:
    """What a step calls its calls."""
    if not isinstance(step, Fire):
        return getattr(step, "caller", "")
    words = [step.group]
    words += ["half a request each"] if step.part == "half" else []
    words += ["read slowly"] if step.slow else []
    return ", ".join(words)


def _script(script: Sequence[Rule]) -> str:
    return "; ".join(map(_rule, script)) or "as usual"


def _rule(rule: Rule) -> str:
    answers = ", ".join(map(_answer, rule.answers))
    each = {"all": "", "call": "each call: ", "path": "each path: "}[rule.per]
    where = " ".join(filter(None, (rule.method, rule.path)))
    matched = f"{where}: " if where else ""
    if rule.then is None:
        return f"{matched}{each}{answers}, and again"
    then = _answer(rule.then)
    return f"{matched}{each}{answers}, then {then}" if answers else f"{matched}{each}{then}"


def _answer(answer: Answer) -> str:
    if answer == USUAL:
        return "as usual"
    if answer.hold:
        return "nothing"
    words = [str(answer.status)]
    words += [f"{name} {value}" for name, value in answer.headers]
    words += [f"after {format_seconds(answer.delay_ns)}"] if answer.delay_ns else []
    words += [f"a byte each {format_seconds(answer.trickle_ns)}"] if answer.trickle_ns else []
    words += [f"cut {answer.cut} ({answer.cut_by})"] if answer.cut else []
    words += [f"{answer.length_off:+} bytes announced"] if answer.length_off else []
    return " ".join(words)
