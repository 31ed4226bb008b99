"""A playing as text: each step, when it came on the target's clock, and what was answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from harness.cli.arrivals import Line, Sky, told
from harness.faults.process import Fault, whose
from harness.history import Call
from harness.plan import Cut, Heal, Inject, Lift, Phase, Step, Wait
from harness.runner.flights import flies
from harness.runner.stage import Counterexample
from harness.units import format_seconds

_RUNS_MOST = 4
"""A step whose answers change more often is told by its counts alone."""


def timeline(shown: Counterexample) -> Iterator[Line]:
    """A line for each run of like answers, and for each wait and fault."""
    calls = shown.history.calls
    sent = [calls[index].sent_target_ns for step in shown.played.steps for index in step]
    begun = list(zip(shown.trial.steps, shown.played.steps, shown.played.began_ns, strict=False))
    origin_ns = min(sent, default=0)
    faults = {step.name: step.fault for step in shown.trial.steps if isinstance(step, Inject)}
    sky = Sky(shown, origin_ns) if flies(shown.trial) else None
    for number, (step, indexes, began_ns) in enumerate(begun):
        if indexes and sky is not None:
            yield from sky.answers(step, indexes)
        elif indexes:
            yield from _answers([calls[index] for index in indexes], origin_ns)
        else:
            yield _happening(step, began_ns - origin_ns, faults)
        if sky is not None:
            yield from sky.after(number)
    if shown.played.ended is not None:
        yield "", "", "ended early", shown.played.ended


def _answers(calls: Sequence[Call], origin_ns: int) -> Iterator[Line]:
    runs = [list(run) for _, run in groupby(calls, key=lambda call: (call.caller, _answer(call)))]
    if len(runs) > _RUNS_MOST:
        counts = Counter(_answer(call) for call in calls)
        told = ", ".join(f"{count} x {answer}" for answer, count in counts.items())
        yield _when(calls[0], origin_ns), _who(calls), _count(len(calls)), told
        return
    for run in runs:
        yield _when(run[0], origin_ns), _who(run), _count(len(run)), _answer(run[0])


def _happening(step: Step, since_ns: int, faults: Mapping[str, Fault]) -> Line:
    when = f"+{format_seconds(max(0, since_ns))}"
    match step:
        case Wait():
            return "", "", f"wait {format_seconds(step.ns)}", ""
        case Phase():
            return "", "", f"wait for {format_seconds(step.ns)} past a whole second", ""
        case Cut():
            return when, step.dependency, "is killed", ""
        case Heal():
            return when, step.dependency, "is back, empty", ""
        case Inject():
            return when, whose(step.fault.subject), step.fault.word, ""
        case Lift():
            fault = faults.get(step.name)
            return when, *(("", "nothing is lifted") if fault is None else _lifted(fault)), ""
        case _:
            who, what = told(step) or ("", "no call")
            return when, who, what, ""


def _lifted(fault: Fault) -> tuple[str, str]:
    return whose(fault.subject), fault.after


def _when(call: Call, origin_ns: int) -> str:
    return f"+{format_seconds(call.sent_target_ns - origin_ns)}"


def _who(calls: Sequence[Call]) -> str:
    callers = {call.caller for call in calls}
    return calls[0].caller if len(callers) == 1 else f"{len(callers)} callers"


def _count(count: int) -> str:
    return f"{count} call" if count == 1 else f"{count} calls"


def _answer(call: Call) -> str:
    if call.status is None:
        return f"no answer ({call.error})"
    advised = call.header("retry-after")
    text = str(call.status)
    if advised is not None:
        text += f"  Retry-After {advised[:40]}"
    return text if call.error is None else f"{text} ({call.error})"
