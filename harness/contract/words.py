"""The small types that contracts are written with, and the base of every promise.

Each is a pydantic type, so that reading, error texts and the published JSON Schema come from one
place.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from harness.units import Rate, parse_duration_ns, parse_rate


def _duration(value: Any) -> Any:
    return parse_duration_ns(value) if isinstance(value, str) else value


def _rate(value: Any) -> Any:
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is no rate: write a number and a unit, as in "100/min"')  # noqa: TRY004
    return parse_rate(value)


def _yes_or_no(value: Any) -> Any:
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is no address: write it in quotes, as in "127.0.0.2"')  # noqa: TRY004
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f'{value!r} is no IP address, as in "127.0.0.2"') from None


DurationNs = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "examples": ["60s", "250ms", "24h"]}),
]
"""A span in nanoseconds, written as ``60s`` or ``250ms``."""

RateWord = Annotated[
    Rate,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "examples": ["100/min", "1000/h", "3/10s"]}),
]
"""A number of calls in a window, written as ``100/min``."""

YesOrNo = Annotated[
    bool,
    BeforeValidator(_yes_or_no),
    WithJsonSchema({"enum": [True, False, "yes", "no"]}),
]
Address = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string"})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]


class Words(BaseModel):
    """Base of everything that can stand in a contract: unknown keys are refused, values frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def as_list(value: Any) -> Any:
    """Let people write one value where a list is meant."""
    return value if isinstance(value, list | tuple) else [value]


class Promise(Words):
    """What every promise has, whatever its kind.

    Attributes:
        id: its name, unique in the contract.
        kind: name of the kind that reads its words.
        operation: the operations that it speaks of; one budget for all of them.
        says: the sentence of the service's documentation that it checks.
    """

    id: Name
    kind: str
    operation: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(min_length=1)]
    says: str | None = None
