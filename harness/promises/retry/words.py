"""The words of ``retry``; their exact meaning stands in "What `retry` means", section 1."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from harness.contract.words import DurationNs, Name, Promise, YesOrNo
from harness.models.backoff.law import Law, Slack, readings
from harness.promises.retry.parts import (
    AttemptsWord,
    Backoff,
    Budget,
    HeaderName,
    MethodsWord,
    Outcomes,
    default_methods,
)


class Retry(Promise):
    """Failed calls of a dependency are repeated as often, as late and only where declared.

    Attributes:
        dependency: the witness whose requests are attempts; needed where several are used.
        attempts: how often a call is tried, the first time included, or `{max: 4}`.
        backoff: how long the service waits between two attempts.
        retry_on: the failures that are repeated, and no others: statuses, `timeout`, `connection`.
        never_on: failures that are not repeated, where `retry_on` is left out.
        methods: the requests that are repeated, as a list or each with its failures.
        idempotency_key: the header that makes a repeated POST harmless.
        respects_retry_after: it waits as long as Retry-After says.
        retry_after_max: but no longer than this.
        gives_up: it may give up instead of waiting as long as Retry-After says.
        call_timeout: how long it waits for the answer to one attempt.
        total: no attempt begins later than this after the first.
        budget: how many requests the dependency gets for each call while it fails.
        client_gone: `stops`: it stops when its own client has left.
    """

    kind: Literal["retry"]
    dependency: Name | None = None
    attempts: AttemptsWord | None = None
    backoff: Backoff | None = None
    retry_on: Outcomes | None = None
    never_on: Outcomes | None = None
    methods: MethodsWord = Field(default_factory=default_methods)
    idempotency_key: HeaderName | None = None
    respects_retry_after: YesOrNo = False
    retry_after_max: DurationNs | None = None
    gives_up: YesOrNo = True
    call_timeout: DurationNs | None = None
    total: DurationNs | None = None
    budget: Budget | None = None
    client_gone: Literal["stops"] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.retry_on is not None and self.never_on is not None:
            raise ValueError(
                "never_on: says nothing beside retry_on, which is exact in both directions; leave it out"
            )
        if not self.respects_retry_after and (self.retry_after_max or not self.gives_up):
            word = "retry_after_max" if self.retry_after_max else "gives_up"
            raise ValueError(f"{word}: goes with `respects_retry_after: true`")
        backoff, n = self.backoff, self.most
        if backoff and backoff.delays and n is not None and len(backoff.delays) < n - 1:
            raise ValueError(
                f"backoff: {n} attempts have {n - 1} waits between them, and `delays` lists "
                f"{len(backoff.delays)}"
            )
        return self

    @property
    def most(self) -> int | None:
        """No call is tried more often; None where that is not declared."""
        return None if self.attempts is None else self.attempts.most

    @property
    def exactly(self) -> int | None:
        """Every call whose attempts all fail is tried so often; None where that is not declared."""
        return None if self.attempts is None else self.attempts.exactly

    @property
    def slack(self) -> Slack:
        """How far a wait may be seen from where it was drawn."""
        return Slack.of((self.backoff.resolution or 0) if self.backoff else 0)

    @cached_property
    def laws(self) -> tuple[Law, ...]:
        """The readings of the declared backoff; none where it is not declared, or is `some`."""
        said = self.backoff
        if said is None or said.jitter.name == "some":
            return ()
        plain = Law(
            family=said.jitter.name,
            initial_ns=float(said.initial or 0),
            factor=2.0 if said.factor is None else said.factor,
            listed_ns=tuple(map(float, said.delays)),
            cap_ns=float("inf") if said.cap is None else float(said.cap),
            share=said.jitter.proportional or said.jitter.upward or 0.0,
            extra_ns=float(said.jitter.additive or 0),
        )
        return readings(plain, (self.most or 10) - 1)
