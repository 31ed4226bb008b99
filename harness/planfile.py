"""Reads a plan back from JSON, strictly: a file that somebody changed must not start a million calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, Final, get_args

from harness.errors import InvalidFault, UsageError
from harness.faults.process import FAULTS, Fault
from harness.plan import (
    Advised,
    Answering,
    CountResources,
    Cut,
    Expect,
    Fire,
    Heal,
    Inject,
    Jump,
    Kill,
    Leave,
    Lift,
    Mark,
    Phase,
    Reaching,
    Release,
    Send,
    Step,
    Until,
    Wait,
    WaitAdvised,
    calls_of,
)
from harness.script import Answer, Per, Reach, Rule
from harness.script import Cut as CutOff
from harness.units import NS_PER_S

STEPS_MOST: Final = 20_000
CALLS_MOST: Final = 100_000
SPAN_MOST_NS: Final = 366 * 86_400 * NS_PER_S
RULES_MOST: Final = 1_000
ANSWERS_MOST: Final = 10_000
HEADERS_MOST: Final = 64
TEXT_MOST: Final = 1 << 20
"""Characters of a scripted body."""
_BYTES_MOST: Final = 1 << 40

_PLAIN: Final = (Send, Until, Mark, Wait, Phase, WaitAdvised, Cut, Heal, Inject, Lift)
_FLIGHT: Final = (Answering, Fire, Release, Leave, Jump, Reaching, CountResources, Kill)
_KINDS: Final[Mapping[str, type[Any]]] = {kind.__name__: kind for kind in (*_PLAIN, *_FLIGHT)}
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_FIELD: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_METHOD: Final = re.compile(r"[A-Z]{1,20}", re.ASCII)
_PATH: Final = re.compile(r"/[\x21-\x7e]{0,2000}", re.ASCII)
_FOLDER: Final = re.compile(r"(/[^\x00-\x1f]{0,900})?")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_GROUP: Final = re.compile(r"[\x20-\x7e]{1,200}")
_FORWARDED: Final = re.compile(r"(\*|@[A-Za-z0-9_-]{1,64})(, ?(\*|@[A-Za-z0-9_-]{1,64})){0,15}")


def steps_from_json(values: Any) -> tuple[Step, ...]:
    """The steps of a plan that :func:`harness.plan.step_to_json` wrote, within bounds.

    Raises:
        UsageError: it is no plan, or one that asks for too much; the text names the step.
    """
    if not isinstance(values, list) or not values:
        raise UsageError("the plan must be a list of steps, at least one")
    if len(values) > STEPS_MOST:
        raise UsageError(f"the plan has {len(values)} steps; at most {STEPS_MOST} are played")
    steps = tuple(step_from_json(value, f"step {n}") for n, value in enumerate(values, start=1))
    calls = sum(calls_of(step) for step in steps)
    if not 1 <= calls <= CALLS_MOST:
        raise UsageError(f"the plan makes {calls} calls; 1 to {CALLS_MOST} are played")
    if sum(_span_ns(step) for step in steps) > SPAN_MOST_NS:
        raise UsageError("the plan waits for more than 366 days in all")
    return steps


def step_from_json(value: Any, where: str) -> Step:
    """One step; ``where`` is its name in the error.

    Raises:
        UsageError: it is no step, or a setting of it is missing, unknown or out of bounds.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object with a key 'step'")
    kind = _KINDS.get(value["step"]) if isinstance(value.get("step"), str) else None
    if kind is None:
        raise UsageError(f"{where}: {_one_of('step', value.get('step'), _KINDS)}")
    said = {name: given for name, given in value.items() if name != "step"}
    step: Step = _made(kind, said, f"{where} ({kind.__name__})")
    if isinstance(step, Phase) and step.ns >= NS_PER_S:
        raise UsageError(f"{where} (Phase): ns must be below {NS_PER_S}, got {step.ns}")
    if isinstance(step, Until) and step.send.times != 1:
        raise UsageError(f"{where} (Until): times of its send must be 1, got {step.send.times}")
    return step


def _made(kind: type[Any], said: Mapping[str, Any], where: str) -> Any:
    """A value of a type, of its settings as they stand in the file."""
    known = {field.name: field for field in fields(kind)}
    for name in said:
        if name not in known:
            raise UsageError(f"{where}: {_one_of('setting', name, known)}")
    for name, field in known.items():
        if field.default is MISSING and name not in said:
            raise UsageError(f"{where} lacks {name!r}")
    own = _READERS_OF.get(kind, {})
    settings = {
        name: (own.get(name) or _READERS[name])(said[name], f"{where}: {name}")
        for name in known
        if name in said
    }
    return kind(**settings)


def _span_ns(step: Step) -> int:
    return step.most_ns if isinstance(step, Jump) else getattr(step, "ns", 0)


def _one_of(what: str, given: Any, known: Mapping[str, Any]) -> str:
    shown = repr(given)[:60]
    close = get_close_matches(given, known, n=1) if isinstance(given, str) else []
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no {what} {shown}; known are {', '.join(known)}{meant}"


def _whole(least: int, most: int) -> Callable[[Any, str], int]:
    def read(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UsageError(
                f"{where} must be a whole number from {least} to {most}, got {_shown(value)}"
            )
        return value

    return read


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{where} must be true or false, got {_shown(value)}")
    return value


def _text(pattern: re.Pattern[str], example: str) -> Callable[[Any, str], str]:
    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise UsageError(f"{where} must be a text such as {example}, got {_shown(value)}")
        return value

    return read


def _choice(known: Collection[str]) -> Callable[[Any, str], str]:
    def read(value: Any, where: str) -> str:
        if value not in known:
            raise UsageError(f"{where} must be one of {', '.join(known)}, got {_shown(value)}")
        return str(value)

    return read


def _or_none(read: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: None if value is None else read(value, where)


def _expect(value: Any, where: str) -> Expect:
    if not isinstance(value, dict) or set(value) != {"least", "most"}:
        raise UsageError(f"{where} must have just the keys least and most, got {_shown(value)}")
    least = _COUNT_OR_NONE_AT_ALL(value["least"], f"{where}.least")
    return Expect(least, _whole(least, CALLS_MOST)(value["most"], f"{where}.most"))


def _send(value: Any, where: str) -> Send:
    step = step_from_json(value, where)
    if not isinstance(step, Send):
        raise UsageError(f"{where} must be a Send, got {type(step).__name__}")
    return step


def _fault(value: Any, where: str) -> Fault:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object with a key 'fault', got {_shown(value)}")
    kind = FAULTS.get(value["fault"]) if isinstance(value.get("fault"), str) else None
    if kind is None:
        raise UsageError(f"{where}: {_one_of('fault', value.get('fault'), FAULTS)}")
    try:
        fault: Fault = _made(kind, {n: v for n, v in value.items() if n != "fault"}, where)
    except InvalidFault as error:
        raise UsageError(f"{where}: {error}") from error
    return fault


def _list(read: Callable[[Any, str], Any], most: int) -> Callable[[Any, str], tuple[Any, ...]]:
    def read_all(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise UsageError(f"{where} must be a list, of at most {most}, got {_shown(value)}")
        return tuple(read(one, f"{where}, number {n}") for n, one in enumerate(value, start=1))

    return read_all


def _any_text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MOST:
        raise UsageError(f"{where} must be a text of at most {TEXT_MOST:,} characters")
    return value


def _pair(value: Any, where: str) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError(f"{where} must be a name and a value, got {_shown(value)}")
    return _HEADER_NAME(value[0], f"{where}: name"), _LINE(value[1], f"{where}: value")


def _answer(value: Any, where: str) -> Answer:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object, got {_shown(value)}")
    answer: Answer = _made(Answer, value, where)
    return answer


def _final_answer(value: Any, where: str) -> Answer:
    answer = _answer(value, where)
    if answer.hold:
        raise UsageError(f"{where}: a release answers, so hold must be false")
    return answer


def _rule(value: Any, where: str) -> Rule:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be an object, got {_shown(value)}")
    if not value.get("answers") and value.get("then") is None:
        raise UsageError(f"{where} needs answers, or a `then` for all: it has neither")
    rule: Rule = _made(Rule, value, where)
    return rule


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


_COUNT = _whole(1, CALLS_MOST)
_COUNT_OR_NONE_AT_ALL = _whole(0, CALLS_MOST)
_NS = _whole(0, SPAN_MOST_NS)
_SYMBOL = _text(_NAME, "'a'")
_GROUP_NAME = _text(_GROUP, "'round 1, after'")
_HEADER_NAME = _text(_HEADER, "'retry-after'")
_LINE = _text(_FIELD, "'text/plain', one line of Latin-1")

_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "caller": _SYMBOL,
    "times": _COUNT,
    "together": _flag,
    "connection": _SYMBOL,
    "forwarded": _or_none(_text(_FORWARDED, "'*, @a'")),
    "via_proxy": _flag,
    "per_caller": _or_none(_COUNT),
    "expect": _or_none(_expect),
    "send": _send,
    "most": _COUNT,
    "name": _SYMBOL,
    "ns": _NS,
    "since": _SYMBOL,
    "extra_ns": _whole(-SPAN_MOST_NS, SPAN_MOST_NS),
    "most_ns": _NS,
    "header": _HEADER_NAME,
    "reads": _choice(get_args(Advised)),
    "dependency": _SYMBOL,
    "subject": _SYMBOL,
    "fault": _fault,
    "keep_data": _flag,
    "spare": _whole(0, _BYTES_MOST),
    "headroom_bytes": _whole(0, _BYTES_MOST),
    "size_bytes": _whole(0, _BYTES_MOST),
    "folder": _text(_FOLDER, "'/var/cache', or empty"),
    "by_ns": _whole(-SPAN_MOST_NS, SPAN_MOST_NS),
    "group": _GROUP_NAME,
    "until": _or_none(_choice(("rejected", "admitted"))),
    "operation": _or_none(_SYMBOL),
    "fresh": _flag,
    "part": _choice(("whole", "half")),
    "slow": _flag,
    "answer": _final_answer,
    "order": _choice(("oldest", "newest", "random")),
    "waiting": _or_none(_flag),
    "how": _choice(get_args(Reach)),
    "script": _list(_rule, RULES_MOST),
    "answers": _list(_answer, ANSWERS_MOST),
    "then": _or_none(_answer),
    "per": _choice(get_args(Per)),
    "method": _or_none(_text(_METHOD, "'GET'")),
    "path": _or_none(_text(_PATH, "'/items'")),
    "status": _whole(100, 999),
    "headers": _list(_pair, HEADERS_MOST),
    "body": _or_none(_any_text),
    "content_type": _or_none(_LINE),
    "delay_ns": _NS,
    "hold": _flag,
    "trickle_ns": _NS,
    "trickle": _choice(("all", "body")),
    "cut": _or_none(_choice(get_args(CutOff))),
    "cut_by": _choice(("reset", "close")),
    "length_off": _whole(-TEXT_MOST, TEXT_MOST),
    "close": _flag,
}
_READERS_OF: Final[Mapping[type[Any], Mapping[str, Callable[[Any, str], Any]]]] = {
    Release: {"times": _or_none(_COUNT), "group": _or_none(_GROUP_NAME)},
    Leave: {"times": _or_none(_COUNT)},
}
"""Where a setting of a type means something of its own."""
