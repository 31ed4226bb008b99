"""What pydantic found wrong, in plain words and at the line where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.contract.docs import keys_of, words_at
from harness.contract.nodes import Node
from harness.contract.scalars import cut
from harness.contract.words import Words
from harness.errors import Problem

W = TypeVar("W", bound=Words)

_EXPECTED: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "yes or no",
    "bool_parsing": "yes or no",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "over"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "under"),
}
_LISTED_MAX: Final = 20
_COMPARED_MAX: Final = 200


def read_words(model: type[W], node: Node) -> tuple[W | None, list[Problem]]:
    """Read ``node`` as words of ``model``: the words, or all that is wrong with them."""
    try:
        return model.model_validate_json(json.dumps(node.data())), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, _merged(_problem(detail, model, node) for detail in found)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest of ``known``, and the list of all."""
    names = list(known)
    close = get_close_matches(word, names[:_COMPARED_MAX], n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ";"
    allowed = ", ".join(f"`{name}`" for name in names[:_LISTED_MAX]) or "none"
    more = f" and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else ""
    return f"{hint} known: {allowed}{more}"


def no_value(key: str) -> str:
    """What is said of a key that stands there with nothing after it."""
    return f"`{key}` has no value; write one, or leave the key out"


def shown(node: Node) -> str:
    """A value as people would call it, cut to one line."""
    if node.value is None:
        return "nothing"
    if isinstance(node.value, tuple):
        return "a list"
    if isinstance(node.value, Mapping):
        return "a mapping"
    text = json.dumps(node.value, ensure_ascii=False)
    return f"the text {cut(text)}" if isinstance(node.value, str) else cut(text)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error stands: the value, its key if it has one, and the nearest key's name."""

    node: Node
    key: Node | None
    name: str


def _spot(root: Node, location: tuple[str | int, ...]) -> _Spot:
    """Follow ``location`` as far as the file goes; parts that only pydantic knows are skipped."""
    spot = _Spot(root, None, "")
    for part in location:
        entries, node = spot.node.entries(), spot.node
        if isinstance(part, str) and part in entries:
            spot = _Spot(entries[part].node, entries[part].key, part)
        elif isinstance(part, int) and isinstance(node.value, tuple) and part < len(node.value):
            spot = _Spot(node.value[part], None, spot.name)
    return spot


def _problem(detail: ErrorDetails, model: type[Words], root: Node) -> Problem:
    location, kind = detail["loc"], detail["type"]
    spot = _spot(root, location)
    named = f"{spot.name}: " if spot.name else ""
    if kind == "missing":
        parent = words_at(model, location[:-1])
        meaning = keys_of(parent).get(str(location[-1]), "") if parent else ""
        tail = f": {meaning}" if meaning else ""
        return spot.node.problem(f"{named}`{location[-1]}` is missing{tail}")
    if kind == "extra_forbidden":
        return (spot.key or spot.node).problem(
            _unknown_key(spot.name, words_at(model, location[:-1]))
        )
    if spot.key and spot.node.value is None:
        return spot.key.problem(no_value(spot.name))
    if kind == "value_error":
        return _own_error(str(detail["ctx"]["error"]), spot)
    if location and location[-1] == "[key]":
        what = f"`{spot.name}` cannot be a key here: {_pattern(detail)}"
        return (spot.key or spot.node).problem(what)
    return spot.node.problem(named + _said(detail, spot.node))


def _unknown_key(key: str, model: type[Words] | None) -> str:
    if key == "port":
        return "unknown key `port`: ports are chosen free; write {port} or {NAME.url} where one is needed"
    known = keys_of(model) if model else {}
    return f"unknown key `{key}`{did_you_mean(key, known)}"


def _own_error(message: str, spot: _Spot) -> Problem:
    """An error of our own types; one that opens with ``key:`` is about that key of the mapping."""
    name, colon, _ = message.partition(": ")
    entry = spot.node.entries().get(name) if colon else None
    if entry:
        return entry.key.problem(message)
    is_named = not spot.name or message.startswith(f"{spot.name}: ")
    return spot.node.problem(message if is_named else f"{spot.name}: {message}")


def _said(detail: ErrorDetails, node: Node) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]} is needed, not {shown(node)}{_hint(kind, node)}"
    if kind in _BOUNDS:
        name, bound = _BOUNDS[kind]
        return f"{node.value} cannot be: {bound} {context[name]:,} is needed"
    if kind in {"literal_error", "enum"}:
        choices = re.findall(r"'([^']*)'|(\S+)", str(context["expected"]).replace(" or ", " "))
        known = [
            quoted or plain.rstrip(",") for quoted, plain in choices if (quoted or plain) != ","
        ]
        return f"{shown(node)} is not allowed{did_you_mean(str(node.value), known)}"
    if kind in {"too_short", "string_too_short"}:
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return f"{shown(node)} is not allowed: {_pattern(detail)}"
    return detail["msg"]


def _hint(kind: str, node: Node) -> str:
    value = node.value
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f'; as a text write it in quotes: "{json.dumps(value)}"'
    if kind == "string_type" and isinstance(value, Mapping) and len(value) == 1:
        key, entry = next(iter(value.items()))
        if entry.node.value is None:
            return f'; braces need quotes: "{{{key}}}"'
    if kind == "int_type" and isinstance(value, str) and value.isdigit():
        return f"; write it without quotes: {value}"
    return ""


def _pattern(detail: ErrorDetails) -> str:
    pattern = str(detail.get("ctx", {}).get("pattern", ""))
    return _PATTERNS.get(pattern, f"it must match {pattern}")


_PATTERNS: Final = {
    r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$": (
        "a name has letters, digits, _ and -, begins with no digit and has at most 64 characters"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": "a variable has letters, digits and _ and begins with no digit",
    r"^[A-Za-z0-9.:-]{1,253}$": "a host name has letters, digits, dots and -",
    r"^\S(.{0,98}\S)?$": "one line of at most 100 characters",
}


def _merged(problems: Iterable[Problem]) -> list[Problem]:
    """Without repetitions: a union fails once for each of its branches."""
    return list(dict.fromkeys(problems))


def plain_error(error: Any) -> str:
    """An operating system's error without its number."""
    return str(getattr(error, "strerror", None) or error)
