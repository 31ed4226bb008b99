"""The words of ``rate_limit``; their exact meaning stands in "What `rate_limit` means", section 1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

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


class Exceeded(Words):
    """What a refusal looks like.

    Attributes:
        status: HTTP status, 400 to 599.
        headers: names that must be there.
        body: JSON that must be contained in the answer's JSON (written ``json`` in the contract).
    """

    status: Annotated[int, Field(ge=400, le=599)] = 429
    headers: tuple[str, ...] = ()
    body: Annotated[Any, Field(alias="json")] = None


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
        trusted_proxies: peers whose X-Forwarded-For counts.
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
    trusted_proxies: tuple[Address, ...] = ()
    store: Store | None = None

    @property
    def has_retry_after(self) -> bool:
        """Whether the contract promises the header at all."""
        return any(name.lower() == "retry-after" for name in self.exceeded.headers)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        windows = [rate.window_ns for rate in self.limit]
        if len(set(windows)) < len(windows):
            raise ValueError("limit: two limits have the same window; keep the smaller one")
        if self.burst is not None and (self.window is not None or len(self.limit) > 1):
            raise ValueError(
                "burst: a bucket goes with one plain limit; leave out window and further limits"
            )
        if self.refill is not None:
            rate = self.limit[0]
            if self.burst is None:
                raise ValueError("refill: only a bucket refills; add burst")
            if rate.count * self.refill % rate.window_ns:
                raise ValueError(
                    f"refill: {format_duration(self.refill)} of {rate} is no whole number of tokens"
                )
        if self.granularity * 4 > min(windows):
            raise ValueError(
                f"granularity: {format_duration(self.granularity)} is too coarse for "
                f"{format_duration(min(windows))}; at most a quarter of the shortest window"
            )
        return self
