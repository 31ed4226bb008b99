"""The words of ``rate_limit``; their exact meaning stands in "What `rate_limit` means", section 1."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.contract.scalars import cut
from harness.contract.words import (
    Address,
    DurationNs,
    Name,
    Promise,
    RateWord,
    Words,
    YesOrNo,
    as_list,
)
from harness.units import NS_PER_MS, format_duration

FAILURES: Final = frozenset({401, 403, 404, *range(500, 600)})
"""Statuses that also say other things: a refusal only with its declared body or header."""


_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{cut(value)!r} is no header name, as in X-RateLimit-Limit")
    return value


HeaderName = Annotated[str, AfterValidator(_header_name)]


class Exceeded(Words):
    """What a refusal looks like.

    Attributes:
        status: HTTP status, 400 to 599.
        headers: names that must be there.
        body: JSON that must be contained in the answer's JSON (written ``json`` in the contract).
    """

    status: Annotated[int, Field(ge=400, le=599)] = 429
    headers: tuple[HeaderName, ...] = ()
    body: Annotated[Any, Field(alias="json")] = None

    @model_validator(mode="after")
    def _recognisable(self) -> Self:
        if self.status in FAILURES and not self.headers and self.body is None:
            raise ValueError(
                f"status: {self.status} is also how a service fails, so a refusal could not be told "
                "from a failure; add `headers` or `json` that only a refusal has, as in "
                "`headers: [Retry-After]`"
            )
        return self


class Reset(Words):
    """The header that tells when the budget is there again.

    Attributes:
        header: its name.
        form: ``delta``, seconds from now, or ``epoch``, seconds since 1970 (written ``as``).
    """

    header: HeaderName
    form: Annotated[Literal["delta", "epoch"], Field(alias="as")]


class HeadersAlways(Words):
    """Headers on every answer, admitted or refused, that tell of the budget.

    Attributes:
        limit: name of the header that holds the limit.
        remaining: name of the header that holds how many calls are left.
        reset: the header that tells when the budget is there again.
    """

    limit: HeaderName | None = None
    remaining: HeaderName | None = None
    reset: Reset | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        names = [name.lower() for name in self.names]
        if not names:
            raise ValueError("headers_always: name at least one of `limit`, `remaining`, `reset`")
        if len(set(names)) < len(names):
            raise ValueError("headers_always: one header cannot hold two numbers")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All headers that must be there."""
        reset = None if self.reset is None else self.reset.header
        return tuple(name for name in (self.limit, self.remaining, reset) if name is not None)


class Store(Words):
    """Where the counts are kept, and what the service does while it cannot reach them."""

    dependency: Name
    when_down: Literal["open", "closed", "local"]


class RateLimit(Promise):
    """At most ``limit`` per ``key``; who is over is told so in the form of ``exceeded``.

    Attributes:
        key: ``ip``, ``global`` or the name of an identity.
        limit: one rate, or several that all hold.
        burst: size of the whole bucket; without it ``limit`` is a window.
        window: how the windows lie; None means every window (sliding).
        refill: tokens come back only in steps this long.
        granularity: the service's own clock may be cut to this.
        refused_count: refused calls use the budget too.
        retry_after: how true the header is; judged only if ``exceeded.headers`` names it.
        headers_always: headers that each answer has, and what they say is true.
        trusted_proxies: peers whose X-Forwarded-For counts.
        store: what happens while the store of the counts is away.
        workers: so many processes serve; two of them must be seen to.
    """

    kind: Literal["rate_limit"]
    key: Name
    limit: Annotated[tuple[RateWord, ...], BeforeValidator(as_list), Field(min_length=1)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    window: Literal["fixed", "approximate"] | None = None
    refill: DurationNs | None = None
    granularity: DurationNs = NS_PER_MS
    refused_count: YesOrNo = False
    exceeded: Exceeded = Exceeded()
    retry_after: Literal["present", "sufficient", "exact"] = "sufficient"
    headers_always: HeadersAlways | None = None
    trusted_proxies: tuple[Address, ...] = ()
    store: Store | None = None
    workers: Annotated[int, Field(ge=1, le=1_000)] = 1

    @property
    def has_retry_after(self) -> bool:
        """Whether the contract promises the header at all."""
        return any(name.lower() == "retry-after" for name in self.exceeded.headers)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self._check_limits()
        self._check_bucket()
        shortest = min(rate.window_ns for rate in self.limit)
        if self.granularity * 4 > shortest:
            raise ValueError(
                f"granularity: {format_duration(self.granularity)} is too coarse for "
                f"{format_duration(shortest)}; at most a quarter of the shortest window"
            )
        if "retry_after" in self.model_fields_set and not self.has_retry_after:
            raise ValueError(
                "retry_after: says how true a header is that is not promised; add Retry-After to "
                "`exceeded: {headers: [...]}`, or leave this out"
            )
        if self.trusted_proxies and self.key != "ip":
            raise ValueError(
                f"trusted_proxies: say whose address a call has; this promise counts by {self.key}"
            )
        return self

    def _check_limits(self) -> None:
        rates = sorted(self.limit, key=lambda rate: rate.window_ns)
        for shorter, longer in pairwise(rates):
            if shorter.window_ns == longer.window_ns:
                raise ValueError("limit: two limits have the same window; keep the smaller one")
            if shorter.count >= longer.count:
                raise ValueError(
                    f"limit: {shorter} says nothing beside {longer}, which is stricter; leave it out"
                )

    def _check_bucket(self) -> None:
        if self.burst is not None and (self.window is not None or len(self.limit) > 1):
            raise ValueError(
                "burst: a bucket goes with one plain limit; leave out window and further limits"
            )
        if self.refill is None:
            return
        rate = self.limit[0]
        if self.burst is None:
            raise ValueError("refill: only a bucket refills; add burst")
        if rate.count * self.refill % rate.window_ns:
            raise ValueError(
                f"refill: {format_duration(self.refill)} of {rate} is no whole number of tokens"
            )
