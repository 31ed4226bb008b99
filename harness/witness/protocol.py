"""What the two ends of a witness tell each other: a line of JSON there, a line of JSON back. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import Any, Final

from harness.history import Arrival
from harness.script import Answer, Rule, Script, Usual

__all__ = [
    "COLUMNS",
    "answer_from",
    "arrival_from",
    "check_answer",
    "check_headers",
    "line",
    "script_from",
    "script_to",
    "usual_from",
]

COLUMNS: Final = tuple(field.name for field in fields(Arrival) if field.name != "dependency")
"""The columns of an arrival's row."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def line(message: object) -> bytes:
    """A message as it is sent."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def script_to(script: Script) -> list[Any]:
    """For :func:`line`; settings that nobody could carry out are refused at once.

    Raises:
        ValueError: an answer of it is impossible.
    """
    for rule in script:
        for answer in (*rule.answers, *((rule.then,) if rule.then else ())):
            check_answer(answer)
    return [asdict(rule) for rule in script]


def script_from(values: list[Any]) -> Script:
    """What :func:`script_to` made."""
    return tuple(
        Rule(
            **{
                **value,
                "answers": tuple(answer_from(answer) for answer in value["answers"]),
                "then": answer_from(value["then"]) if value["then"] else None,
            }
        )
        for value in values
    )


def answer_from(value: dict[str, Any]) -> Answer:
    """An answer from its JSON object."""
    return Answer(**{**value, "headers": _pairs(value["headers"])})


def usual_from(value: dict[str, Any]) -> Usual:
    """A usual answer from its JSON object."""
    return Usual(**{**value, "headers": _pairs(value["headers"])})


def arrival_from(dependency: str, row: list[Any]) -> Arrival:
    """An arrival from its row."""
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("headers", "answer_headers"):
        values[name] = _pairs(values[name])
    values["body"] = values["body"].encode("latin-1")
    return Arrival(dependency=dependency, **values)


def check_answer(answer: Answer) -> None:
    """See that it can be written.

    Raises:
        ValueError: it cannot; the message names the setting, its value and the bound.
    """
    check_headers(answer.status, answer.headers, answer.content_type)
    for name in ("delay_ns", "trickle_ns"):
        if getattr(answer, name) < 0:
            raise ValueError(f"{name} of an answer must be 0 or more, got {getattr(answer, name)}")


def check_headers(
    status: int, headers: tuple[tuple[str, str], ...], content_type: str | None
) -> None:
    """See that a head can be written of these.

    Raises:
        ValueError: it cannot.
    """
    if not 100 <= status <= 999:
        raise ValueError(f"status of an answer must be from 100 to 999, got {status}")
    for name, value in (*headers, ("Content-Type", content_type or "")):
        if not _NAME.fullmatch(name):
            raise ValueError(f"a header's name must be a token such as Retry-After, got {name!r}")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"a header's value must be one line of Latin-1, {name} has {value!r}")


def _pairs(values: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values)
