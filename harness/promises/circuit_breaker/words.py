"""The words of ``circuit_breaker``; their exact meaning stands in "circuit_breaker: what the words
mean", section 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from harness.contract.scalars import cut
from harness.contract.words import DurationNs, Name, Promise, Words, as_list
from harness.promises.answer_form import Form
from harness.units import UnitError, format_duration, parse_duration_ns

DEFAULT_COUNTS: Final = ("5xx", "timeout", "connection")
_CALLS: Final = re.compile(r"\s*(\d{1,6})\s*calls\s*", re.ASCII)


def _over(value: Any) -> Any:
    """A duration, or a number of calls such as ``100 calls``."""
    if not isinstance(value, str):
        raise ValueError('over: write a duration or a number of calls, as in "60s" or "100 calls"')  # noqa: TRY004
    if _CALLS.fullmatch(value):
        return " ".join(value.split())
    try:
        return format_duration(parse_duration_ns(cut(value)))
    except UnitError as error:
        raise ValueError(f'{error}; or a number of calls, as in "100 calls"') from None


Over = Annotated[
    str,
    BeforeValidator(_over),
    WithJsonSchema({"type": "string", "examples": ["60s", "100 calls"]}),
]
Count = Annotated[int, Field(ge=1, le=1_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Counted = Annotated[int, Field(ge=400, le=599)] | Literal["4xx", "5xx", "timeout", "connection"]


class Trips(Words):
    """What opens the breaker: so many failures, in a row or in a time, or such a share of them.

    Attributes:
        consecutive: so many counted failures without a success between.
        failures: so many failures; without ``within`` only pure failures from fresh are judged.
        within: only failures younger than this count.
        rate: share of failures among the results, over 0 and at most 1.
        minimum: results without which ``rate`` says nothing.
        over: results that ``rate`` looks at, for example ``60s`` or ``100 calls``.
        window: ``rolling``: results are forgotten one by one, never all at once.
    """

    consecutive: Count | None = None
    failures: Count | None = None
    within: DurationNs | None = None
    rate: Share | None = None
    minimum: Count | None = None
    over: Over | None = None
    window: Literal["rolling"] | None = None

    @property
    def calls(self) -> int | None:
        """``over`` as a number of calls."""
        found = None if self.over is None else _CALLS.fullmatch(self.over)
        return int(found[1]) if found else None

    @property
    def over_ns(self) -> int | None:
        """The time that results count for."""
        if self.over is None or self.calls is not None:
            return self.within
        return parse_duration_ns(self.over)

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [self.consecutive is not None, self.failures is not None, self.rate is not None]
        if sum(given) != 1:
            raise ValueError(
                "trips: write one of `consecutive`, `failures` and `rate` in each rule; several "
                "rules make a list, as in `trips: [{consecutive: 5}, {rate: 0.5, minimum: 10, over: 60s}]`"
            )
        if self.within is not None and self.failures is None:
            raise ValueError(
                "within: goes with `failures`; the window of `rate` is written `over: 60s`"
            )
        if (self.rate is None) != (self.over is None) or (self.minimum is not None) > (
            self.rate is not None
        ):
            raise ValueError(
                "rate: needs `over`, the results it looks at, and may have `minimum`; nothing else "
                "has them, as in `{rate: 0.5, minimum: 10, over: 60s}`"
            )
        if self.window is not None and self.over_ns is None:
            raise ValueError(
                "window: only a window of time can be rolling; add `within`, or `over: 60s`"
            )
        if self.calls is not None and (self.minimum or 1) > self.calls:
            raise ValueError(f"minimum: {self.minimum} results never stand in {self.over}")
        return self


class RecoveryWords(Words):
    """How long the breaker stays open.

    Attributes:
        after: so long after its opening a call is tried.
        growth: each opening without a closing between is so many times as long.
        cap: but never longer than this.
        jitter: give or take this share, below 1.
        resolution: ``exact``: it is never counted in whole seconds.
    """

    after: DurationNs
    growth: Annotated[float, Field(ge=1, le=100)] = 1.0
    cap: DurationNs | None = None
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    resolution: Literal["exact"] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.cap is not None and self.cap < self.after:
            raise ValueError(
                f"cap: {format_duration(self.cap)} is shorter than `after`, "
                f"{format_duration(self.after)}; raise it, or lower `after`"
            )
        return self


class HalfOpenWords(Words):
    """How the breaker tries a dependency again: by trials that must succeed, or by a share of them.

    Attributes:
        permits: so many trials at once.
        successes: the good trial of this number closes it.
        trials: once so many results are in, ``rate`` decides.
        rate: such a share of failures among ``trials`` reopens it.
    """

    permits: Annotated[int, Field(ge=1, le=200)] | None = None
    successes: Annotated[int, Field(ge=1, le=200)] | None = None
    trials: Annotated[int, Field(ge=1, le=200)] | None = None
    rate: Share | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.trials is None) != (self.rate is None):
            raise ValueError("trials: goes with `rate`, as in `{trials: 10, rate: 0.5}`")
        if self.trials is not None and self.successes is not None:
            raise ValueError(
                "successes: either so many successes close it, or a `rate` of `trials`"
            )
        if not self.model_fields_set:
            raise ValueError(
                "half_open: say something, as in `{permits: 1, successes: 2}`, or leave it out"
            )
        return self


class Refusal(Form):
    """What an answer looks like that never reached the dependency.

    Attributes:
        within: it comes at once, even while trials are held; on a real clock within this time.
    """

    within: DurationNs | None = None


class CircuitBreaker(Promise):
    """A failing dependency is cut off, tried again after a while, and readmitted.

    Attributes:
        operation: the operations behind the same breaker; may also be written ``operations``.
        operations: the same as ``operation``.
        dependency: the witness that they call.
        scope: whose failures count: one breaker for each ``operation``, for the ``dependency``, in each
            ``process``, or one ``shared`` through a store.
        trips: what opens it; a list: whichever is first.
        counts: outcomes that are failures: statuses, ``4xx``, ``5xx``, ``timeout``, ``connection``.
        recovery: how long it stays open, for example ``60s``.
        recovers_within: a call is admitted at most so long after the opening, if no trial failed.
        half_open: the rules of its trials; ``none``: after the recovery it is closed.
        call_timeout: a call that takes longer has failed.
        open: what a refused call is answered.
        fallback: what is answered in place of the dependency while it is cut off.
        concurrent: so many calls at once pass a closed breaker.
        late_success: ``closes``: a success of a call begun before the opening may close it.
    """

    kind: Literal["circuit_breaker"]
    operation: Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(min_length=1)] = ()
    operations: (
        Annotated[tuple[Name, ...], BeforeValidator(as_list), Field(min_length=1)] | None
    ) = None
    dependency: Name
    scope: Literal["operation", "dependency", "process", "shared"] = "dependency"
    trips: Annotated[tuple[Trips, ...], BeforeValidator(as_list), Field(min_length=1)]
    counts: Annotated[tuple[Counted, ...], BeforeValidator(as_list), Field(min_length=1)] | None = (
        None
    )
    recovery: DurationNs | RecoveryWords | None = None
    recovers_within: DurationNs | None = None
    half_open: HalfOpenWords | Literal["none"] | None = None
    call_timeout: DurationNs | None = None
    open: Refusal | None = None
    fallback: Refusal | None = None
    concurrent: Annotated[int, Field(ge=2, le=1_000)] | None = None
    late_success: Literal["closes"] | None = None

    @property
    def key(self) -> str:
        """One breaker for all callers, so that its trials are played one after another."""
        return "global"

    @property
    def refusal(self) -> Refusal | None:
        """What a call is answered that is not let through, if that is declared."""
        return self.open or self.fallback

    @property
    def counted(self) -> tuple[int | str, ...]:
        """Outcomes that are surely failures."""
        return DEFAULT_COUNTS if self.counts is None else self.counts

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "operations" not in data:
            return data
        if "operation" in data:
            raise ValueError("operations: means the same as `operation`; write one of them")
        return {
            **{key: value for key, value in data.items() if key != "operations"},
            "operation": data["operations"],
        }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.operation:
            raise ValueError("`operation` is missing: the operations behind the breaker, by name")
        if self.recovery is None and self.recovers_within is None:
            raise ValueError(
                "recovery: say how long it stays open, as in `recovery: 60s`, or the longest it may "
                "be, as in `recovers_within: 2min`"
            )
        if self.open is not None and self.fallback is not None:
            raise ValueError(
                "fallback: a refused call gets one answer; write either `open` or `fallback`"
            )
        return self
