"""What the words of ``retry`` are made of: failures, methods, waits and budgets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from harness.contract.scalars import cut
from harness.contract.words import (
    DURATION_PATTERN,
    DurationNs,
    Words,
    YesOrNo,
    as_list,
)
from harness.units import format_duration, parse_duration_ns

IDEMPOTENT: Final = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
"""Methods that may be sent twice. Source: RFC 9110, section 9.2.2."""
TIMEOUT: Final = "timeout"
CONNECTION: Final = "connection"
ALL: Final = "all"

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_METHOD: Final = re.compile(r"[A-Z]{1,20}", re.ASCII)
_ZERO: Final = re.compile(r"\s*0+(\.0+)?\s*(ns|us|ms|s|min|h|d)\s*", re.ASCII)


def _delay(value: Any) -> Any:
    """A duration, which may be 0."""
    if not isinstance(value, str):
        raise ValueError('write a number and a unit, as in "400ms" or "0s"')  # noqa: TRY004
    return 0 if _ZERO.fullmatch(value) else parse_duration_ns(cut(value))


def _outcome(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("write a status such as 503, `timeout` or `connection`")  # noqa: TRY004
    if isinstance(value, str) and value not in (TIMEOUT, CONNECTION):
        raise ValueError(f"{cut(value)!r} is no failure: a status, `{TIMEOUT}` or `{CONNECTION}`")
    if isinstance(value, int) and not 400 <= value <= 599:
        raise ValueError(f"{value} is no status of a failure: 400 to 599")
    return value


def _method(value: str) -> str:
    if not _METHOD.fullmatch(value):
        raise ValueError(f"{cut(value)!r} is no method: write it in capitals, as in GET")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{cut(value)!r} is no header name, as in Idempotency-Key")
    return value


def _methods(value: Any) -> Any:
    """``[GET, PUT]`` means ``{GET: all, PUT: all}``."""
    if isinstance(value, Mapping):
        return {
            name: ALL if outcomes == ALL else as_list(outcomes) for name, outcomes in value.items()
        }
    listed = as_list(value)
    return dict.fromkeys(listed, ALL) if all(isinstance(each, str) for each in listed) else value


def _attempts(value: Any) -> Any:
    return {"exactly": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _jitter(value: Any) -> Any:
    return {"plain": value} if isinstance(value, str) else value


DelayNs = Annotated[
    int,
    BeforeValidator(_delay),
    PlainSerializer(
        lambda ns: format_duration(ns) if ns else "0s", return_type=str, when_used="json"
    ),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["0s", "400ms"]}),
]
Outcome = Annotated[
    int | str,
    BeforeValidator(_outcome),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 400, "maximum": 599},
                {"enum": [TIMEOUT, CONNECTION]},
            ]
        }
    ),
]
"""A status of 400 to 599, ``timeout`` or ``connection``."""
Outcomes = Annotated[tuple[Outcome, ...], BeforeValidator(as_list), Field(min_length=1)]
Method = Annotated[str, AfterValidator(_method)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Share = Annotated[float, Field(gt=0, le=1)]
_METHODS_SCHEMA: Final = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "object", "minProperties": 1},
    ]
}


class Attempts(Words):
    """How often a call is tried, the first time included.

    Attributes:
        max: at most so often.
    """

    max: Annotated[int, Field(ge=2, le=50)] | None = None
    exactly: Annotated[int, Field(ge=2, le=50)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.max is None) == (self.exactly is None):
            raise ValueError("attempts: write a number, or `{max: 4}` for at most so many")
        return self

    @property
    def most(self) -> int:
        """No call is tried more often."""
        return self.exactly or self.max or 0


Plain = Literal["none", "some", "full", "equal", "decorrelated"]
Numbered = Literal["proportional", "additive", "upward"]


class Jitter(Words):
    """How the waits are spread, where the word has a number.

    Attributes:
        proportional: uniform around the nominal wait, so far to either side, as a share of it.
        additive: uniform in so long after the nominal wait.
        upward: uniform in so long after the nominal wait, as a share of it.
        plain: a law without a number, as `full`.
    """

    proportional: Share | None = None
    additive: DurationNs | None = None
    upward: Share | None = None
    plain: Plain | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (self.proportional, self.additive, self.upward, self.plain)
        if sum(each is not None for each in given) != 1:
            raise ValueError(
                "write one of none, some, full, equal, decorrelated, or one of {proportional: 0.2}, "
                "{additive: 1s}, {upward: 0.2}"
            )
        return self

    @property
    def name(self) -> Plain | Numbered:
        """The law alone."""
        if self.plain is not None:
            return self.plain
        if self.proportional is not None:
            return "proportional"
        return "additive" if self.additive is not None else "upward"


class Spread(Words):
    """How far apart callers come back that failed together.

    Attributes:
        share: at most this share of them ...
        within: ... comes back within so long.
    """

    share: Annotated[float, Field(gt=0, lt=1)]
    within: DurationNs


_JITTER_SCHEMA: Final = {
    "anyOf": [
        {"enum": ["none", "some", "full", "equal", "decorrelated"]},
        {
            "type": "object",
            "properties": {
                "proportional": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                "additive": {"type": "string", "pattern": DURATION_PATTERN},
                "upward": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
}


class Backoff(Words):
    """How long the service waits between two attempts.

    Attributes:
        initial: the nominal wait before the second attempt.
        factor: each nominal wait is so many times the one before.
        cap: no wait is longer.
        jitter: `none`, `full`, `equal`, `decorrelated`, `some` (any law, but callers do not come
            back together), `{proportional: 0.2}`, `{additive: 1s}` or `{upward: 0.2}`.
        delays: the nominal waits one by one, instead of `initial` and `factor`.
        resolution: waits are cut to so long, down or up.
        spread: beside `some`: how far apart callers come back that failed together.
        growing: beside `some`: each wait is longer than the one before, in the median.
    """

    initial: DurationNs | None = None
    factor: Annotated[float, Field(ge=1, le=100)] | None = None
    cap: DurationNs | None = None
    jitter: Annotated[Jitter, BeforeValidator(_jitter), WithJsonSchema(_JITTER_SCHEMA)] = Jitter(
        plain="none"
    )
    delays: tuple[DelayNs, ...] = ()
    resolution: DurationNs | None = None
    spread: Spread | None = None
    growing: YesOrNo = False

    @property
    def is_some(self) -> bool:
        """Any law will do, as long as callers do not come back together."""
        return self.jitter.name == "some"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.is_some:
            if self.initial is not None or self.factor is not None or self.delays:
                raise ValueError(
                    "jitter: `some` judges no base and no factor; leave out initial, factor and "
                    "delays, or name the jitter"
                )
            return self
        if self.spread is not None or self.growing:
            raise ValueError("spread and growing go with `jitter: some`; the other words say more")
        if self.delays and (self.initial is not None or self.factor is not None):
            raise ValueError("delays: they stand in place of initial and factor; leave those out")
        if not self.delays and self.initial is None:
            raise ValueError("initial: is missing: the nominal wait before the second attempt")
        if self.jitter.name == "decorrelated" and (self.delays or self.factor is not None):
            raise ValueError(
                "jitter: `decorrelated` draws each wait up to 3 times the one before; leave out "
                "factor and delays"
            )
        if self.cap is not None and self.initial is not None and self.cap < self.initial:
            raise ValueError("cap: is shorter than initial, so no wait would be as declared")
        return self


class Budget(Words):
    """How many requests the dependency gets for each call while it fails.

    Attributes:
        ratio: requests for each call, the first attempts included.
        over: for so long a call is counted.
        reserve: so many more are allowed.
    """

    ratio: Annotated[float, Field(ge=1, le=100)]
    over: DurationNs
    reserve: Annotated[int, Field(ge=0, le=100_000)] = 10


AttemptsWord = Annotated[
    Attempts,
    BeforeValidator(_attempts),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 2, "maximum": 50},
                {
                    "type": "object",
                    "properties": {"max": {"type": "integer", "minimum": 2, "maximum": 50}},
                    "required": ["max"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""``4``, or ``{max: 4}``."""
Methods = dict[Method, Literal["all"] | Outcomes]
MethodsWord = Annotated[
    Methods,
    BeforeValidator(_methods),
    Field(min_length=1),
    WithJsonSchema(_METHODS_SCHEMA),
]
"""A list of methods, or each with ``all`` or the failures after which it is repeated."""


def default_methods() -> Methods:
    """Those that may be sent twice, after all failures that are repeated."""
    return dict.fromkeys(IDEMPOTENT, "all")
