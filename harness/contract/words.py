"""The small types that contracts are written with, and the base of every promise.

Each is a pydantic type, so that reading, error texts and the published JSON Schema come from one
place.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from harness.contract.scalars import cut
from harness.units import Rate, format_duration, parse_duration_ns, parse_rate

_UNIT: Final = "(ns|us|ms|s|min|h|d)"
DURATION_PATTERN: Final = rf"^\s*[0-9]{{1,18}}(\.[0-9]{{1,9}})?\s*{_UNIT}\s*$"
RATE_PATTERN: Final = rf"^\s*[0-9]{{1,18}}\s*/\s*([0-9]{{1,18}}(\.[0-9]{{1,9}})?)?\s*{_UNIT}\s*$"


def _duration(value: Any, info: ValidationInfo) -> Any:
    """A text with its unit; from Python (not from a contract) also a whole number of ns."""
    if isinstance(value, str):
        return parse_duration_ns(cut(value))
    if info.mode == "json":
        raise ValueError(
            f'{_written(value)} is no duration: write a number and a unit, as in "60s"'
        )
    return value


def _rate(value: Any) -> Any:
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        message = f'{_written(value)} is no rate: write a number and a unit, as in "100/min"'
        raise ValueError(message)  # noqa: TRY004
    return parse_rate(cut(value))


def _yes_or_no(value: Any) -> Any:
    return {"yes": True, "no": False}.get(value, value) if isinstance(value, str) else value


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f'{_written(value)} is no address: write it in quotes, as in "127.0.0.2"')  # noqa: TRY004
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f'{value!r} is no IP address, as in "127.0.0.2"') from None


def _written(value: Any) -> str:
    """A value as it may have been written in the contract."""
    return json.dumps(value) if isinstance(value, bool | int | float) else "this"


DurationNs = Annotated[
    int,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "examples": ["60s", "250ms", "24h"]}
    ),
]
"""A span in nanoseconds, written as ``60s`` or ``250ms``."""

RateWord = Annotated[
    Rate,
    BeforeValidator(_rate),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": RATE_PATTERN, "examples": ["100/min", "1000/h", "3/10s"]}
    ),
]
"""A number of calls in a window, written as ``100/min``."""

YesOrNo = Annotated[
    bool,
    BeforeValidator(_yes_or_no),
    WithJsonSchema({"enum": [True, False, "yes", "no"]}),
]
"""``yes`` or ``no``, also ``true`` or ``false``."""
Address = Annotated[str, BeforeValidator(_address), WithJsonSchema({"type": "string"})]
"""An IP address, IPv4 or IPv6."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
"""How everything in a contract is called."""


class Words(BaseModel):
    """Base of everything that can stand in a contract: unknown keys are refused, values frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def as_list(value: Any) -> Any:
    """Let people write one value where a list is meant."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


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
