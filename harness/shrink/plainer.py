"""Plainer forms of one step: settings left out, scripts with fewer and simpler answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from harness.plan import Answering, Fire, Leave, Release, Send, Step
from harness.script import USUAL, Answer, Rule, Script

Value = TypeVar("Value")

_SETTINGS: Final = {
    Send: ("together", "connection", "forwarded", "via_proxy", "per_caller"),
    Fire: ("together", "connection", "fresh", "part", "slow"),
    Release: ("answer", "order", "group"),
    Leave: ("waiting",),
}
_DEFAULTS: Final[Mapping[type[Any], Mapping[str, Any]]] = {
    kind: {field.name: field.default for field in fields(kind) if field.name in names}
    for kind, names in _SETTINGS.items()
}
_NOT_COUNTED: Final = {"status"}
"""Which status an answer has makes it no simpler."""


def settings(step: Step) -> int:
    """How many settings of a step are not plain; in scripts each rule and answer counts too."""
    defaults = _DEFAULTS.get(type(step), {})
    count = sum(1 for name, default in defaults.items() if getattr(step, name) != default)
    match step:
        case Release():
            return count + _answer_size(step.answer)
        case Answering():
            return sum(_rule_size(rule) for rule in step.script)
        case _:
            return count


def plainer(step: Step) -> Iterator[Step]:
    """Forms of a step that are plainer by one thing each, the plainest first."""
    for name, default in _DEFAULTS.get(type(step), {}).items():
        if getattr(step, name) != default:
            yield _with(step, name, default)
    match step:
        case Release():
            for answer in _plainer_answers(step.answer):
                yield replace(step, answer=answer)
        case Answering():
            for script in _plainer_scripts(step.script):
                yield replace(step, script=script)


def _plainer_scripts(script: Script) -> Iterator[Script]:
    for at, rule in enumerate(script):
        before, after = script[:at], script[at + 1 :]
        yield (*before, *after)
        for plain in _plainer_rules(rule):
            yield (*before, plain, *after)


def _plainer_rules(rule: Rule) -> Iterator[Rule]:
    """Fewer answers, simpler ones, and no matching."""
    if rule.answers:
        yield Rule(then=rule.then or rule.answers[0])
    if rule.answers and rule.then is not None:
        yield replace(rule, then=None)
    for name, default in (("per", "all"), ("method", None), ("path", None)):
        if getattr(rule, name) != default:
            yield _with(rule, name, default)
    yield from _simpler_answers(rule)


def _simpler_answers(rule: Rule) -> Iterator[Rule]:
    if len(rule.answers) > 1:
        for at in range(len(rule.answers)):
            yield replace(rule, answers=rule.answers[:at] + rule.answers[at + 1 :])
    for at, answer in enumerate(rule.answers):
        for plain in _plainer_answers(answer):
            yield replace(rule, answers=(*rule.answers[:at], plain, *rule.answers[at + 1 :]))
    if rule.then is not None:
        for plain in _plainer_answers(rule.then):
            yield replace(rule, then=plain)


def _plainer_answers(answer: Answer) -> Iterator[Answer]:
    for name, default in _changed(answer):
        yield _with(answer, name, default)


def _with(value: Value, name: str, setting: Any) -> Value:
    changed: Any = replace(value, **{name: setting})  # type: ignore[type-var]
    made: Value = changed
    return made


def _changed(answer: Answer) -> Iterator[tuple[str, Any]]:
    for field in fields(Answer):
        default = getattr(USUAL, field.name)
        if field.name not in _NOT_COUNTED and getattr(answer, field.name) != default:
            yield field.name, default


def _answer_size(answer: Answer) -> int:
    return sum(1 for _ in _changed(answer))


def _rule_size(rule: Rule) -> int:
    answers = [*rule.answers, *(() if rule.then is None else (rule.then,))]
    matching = (rule.per != "all") + (rule.method is not None) + (rule.path is not None)
    return 2 + matching + sum(2 + _answer_size(answer) for answer in answers)
